"""A log out of the files of a snapshot: it keeps its LSNs, begins where the state ends, and goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from logd.restore import restore_log
from shared.api.log import Follow, LogError, LogStatus, Read
from shared.config import Settings
from shared.errors import ConfigError, CorruptionError
from shared.snapshots.log_file import encode_batch_frame, encode_head
from tests.logd.client import LogClient, make_settings, running_service


def write_file(path: Path, group: str, *, after: int, upto: int, lsns: list[int]) -> Path:
    frames = b"".join(encode_batch_frame(lsn, f"{group} {lsn}".encode()) for lsn in lsns)
    path.write_bytes(encode_head(group=group, after_lsn=after, upto_lsn=upto) + frames)
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A restored log: a tail with gaps, one without a batch, and a group from its beginning."""
    files = [
        write_file(tmp_path / "0", "p-0", after=100, upto=120, lsns=[103, 104, 118]),
        write_file(tmp_path / "1", "p-1", after=7, upto=7, lsns=[]),
        write_file(tmp_path / "2", "meta", after=0, upto=5, lsns=[2, 5]),
        write_file(tmp_path / "3", "p-2", after=2, upto=9, lsns=[]),
    ]
    settings = make_settings(tmp_path / "data")
    restore_log(tmp_path / "data" / "log", files)
    return settings


def test_a_restored_log_is_followed_from_behind_the_state_and_goes_on(settings: Settings) -> None:
    async def scenario() -> None:
        async with running_service(settings):
            client = await LogClient.connect(settings)
            status = await client.call(LogStatus(0))
            assert [(row.group, row.first_lsn, row.tail_lsn) for row in status.groups] == [
                ("meta", 2, 5),
                ("p-0", 103, 118),
                ("p-1", 8, 7),
                ("p-2", 3, 2),
            ]
            for group, after, lsns in (("p-0", 100, [103, 104, 118]), ("p-1", 7, []), ("meta", 0, [2, 5])):
                await client.follow(group, after + 1)
                await client.until(lambda group=group, lsns=lsns: len(client.payloads(group)) == len(lsns))  # type: ignore[misc]
                assert client.payloads(group) == [f"{group} {lsn}".encode() for lsn in lsns]
                lsn = await client.append(group, b"new")
                assert lsn > max([after, *lsns])
                await client.until(lambda group=group: client.payloads(group)[-1:] == [b"new"])  # type: ignore[misc]
            for request in (Follow(0, "p-0", 100), Read(0, "p-0", 1)):
                refused = await client.call(request)
                assert isinstance(refused, LogError)
                assert refused.code == "trimmed"
            await client.close()

    asyncio.run(scenario())
    asyncio.run(again(settings))


async def again(settings: Settings) -> None:
    """After a restart, with what was appended since."""
    async with running_service(settings):
        client = await LogClient.connect(settings)
        await client.follow("p-1", 8)
        await client.follow("p-0", 101)
        await client.until(lambda: client.payloads("p-1") == [b"new"] and len(client.payloads("p-0")) == 4)
        await client.close()


def test_only_a_new_log_is_restored_and_only_of_whole_files(tmp_path: Path) -> None:
    file = write_file(tmp_path / "0", "p-0", after=3, upto=9, lsns=[4, 5])
    (tmp_path / "there").mkdir()
    with pytest.raises(ConfigError, match="exists"):
        restore_log(tmp_path / "there", [file])
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(CorruptionError, match="is cut"):
        restore_log(tmp_path / "new", [file])
