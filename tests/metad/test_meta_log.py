"""Following and proposing: what may go wrong between metad and logd."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

import metad.meta_log
from metad.meta_log import MetaLog
from metad.registry.codec import encode_proposal
from metad.registry.commands import CreatePartitionTable, Proposal, RemoveDeployment, Snapshot
from metad.registry.outcomes import PartitionTableCreated, PartitionTableExists, Rejected
from metad.registry.state import RegistryState
from shared.api.log import META_GROUP
from shared.errors import CorruptionError, UnavailableError
from tests.fakes.log_server import FakeLogServer, MemoryLog
from tests.metad.harness import new_settings, until

Story = Callable[[MetaLog, FakeLogServer, list[RegistryState]], Awaitable[None]]


def _run(tmp_path: Path, story: Story, *, log: MemoryLog | None = None) -> None:
    async def main() -> None:
        settings = new_settings(tmp_path)
        server = FakeLogServer(settings.socket("logd"), log)
        await server.start()
        changes: list[RegistryState] = []
        meta_log = MetaLog(settings, on_change=changes.append)
        meta_log.start()
        try:
            await story(meta_log, server, changes)
        finally:
            await meta_log.close()
            await server.close()

    uvloop.run(main())


def _records(count: int) -> MemoryLog:
    log = MemoryLog()
    group = log.group(META_GROUP)
    group.lsn_step = 3
    for number in range(1, count + 1):
        group.commit(encode_proposal(Proposal(number.to_bytes(16, "big"), CreatePartitionTable(number))))
    return log


def test_outcome_comes_back_to_its_proposer(tmp_path: Path) -> None:
    async def story(meta_log: MetaLog, server: FakeLogServer, changes: list[RegistryState]) -> None:
        outcomes = await asyncio.gather(
            meta_log.propose(CreatePartitionTable(2), timeout_s=5),
            meta_log.propose(RemoveDeployment("dp_x"), timeout_s=5),
            meta_log.propose(CreatePartitionTable(3), timeout_s=5),
        )
        assert outcomes[0] == PartitionTableCreated()
        assert isinstance(outcomes[1], Rejected)
        assert outcomes[2] == PartitionTableExists()
        await until(lambda: changes)
        assert changes[-1].partition_table is not None
        assert len(changes[-1].partition_table.partitions) == 2

    _run(tmp_path, story)


def test_replay_tells_nobody_before_it_is_at_the_end(tmp_path: Path) -> None:
    async def story(meta_log: MetaLog, server: FakeLogServer, changes: list[RegistryState]) -> None:
        await meta_log.caught_up()
        assert len(changes) == 1
        assert meta_log.applied_lsn == server.log.group(META_GROUP).tail_lsn
        assert await meta_log.known_state() is changes[0]
        await until(lambda: meta_log.is_followed)

    _run(tmp_path, story, log=_records(500))


def test_lost_connections_and_lost_answers_apply_a_proposal_once(tmp_path: Path) -> None:
    """The connection goes as logd takes the append: committed or not, nobody knows, so it is repeated."""

    async def story(meta_log: MetaLog, server: FakeLogServer, changes: list[RegistryState]) -> None:
        await meta_log.caught_up()
        server.lose_appends = 1
        assert await meta_log.propose(CreatePartitionTable(2), timeout_s=5) == PartitionTableCreated()
        server.forget_replies = 1
        outcome = await meta_log.propose(RemoveDeployment("dp_x"), timeout_s=5)
        assert isinstance(outcome, Rejected)
        server.repeat_commits = 1
        assert isinstance(await meta_log.propose(RemoveDeployment("dp_x"), timeout_s=5), Rejected)
        assert meta_log.state.version == 1
        # One repeats the lost append; the record whose answer was lost was seen on the tail or repeated.
        assert server.appends >= 4

    _run(tmp_path, story)


def test_appends_wait_for_a_leader(tmp_path: Path) -> None:
    async def story(meta_log: MetaLog, server: FakeLogServer, changes: list[RegistryState]) -> None:
        await meta_log.caught_up()
        server.set_leader(META_GROUP, is_leader=False, leader=None)
        proposing = asyncio.create_task(meta_log.propose(CreatePartitionTable(2), timeout_s=10))
        await until(lambda: server.appends >= 2)
        server.set_leader(META_GROUP, is_leader=True, leader="node-1")
        assert await proposing == PartitionTableCreated()

    _run(tmp_path, story)


def test_a_log_that_commits_nothing_is_unavailable_and_may_commit_later(tmp_path: Path) -> None:
    async def story(meta_log: MetaLog, server: FakeLogServer, changes: list[RegistryState]) -> None:
        await meta_log.caught_up()
        server.hold_appends = True
        with pytest.raises(UnavailableError, match="may still"):
            await meta_log.propose(CreatePartitionTable(2), timeout_s=0.2)
        server.release()
        await until(lambda: meta_log.state.partition_table)

    _run(tmp_path, story)


def test_logd_goes_and_comes_back(tmp_path: Path) -> None:
    async def main() -> None:
        settings = new_settings(tmp_path)
        first = FakeLogServer(settings.socket("logd"))
        await first.start()
        meta_log = MetaLog(settings, on_change=lambda state: None)
        meta_log.start()
        await meta_log.propose(CreatePartitionTable(2), timeout_s=5)
        await first.close()
        await until(lambda: not meta_log.is_followed)
        assert (await meta_log.known_state()).partition_table is not None
        second = FakeLogServer(settings.socket("logd"), first.log)
        second.log.group(META_GROUP).commit(encode_proposal(Proposal(b"o" * 16, RemoveDeployment("dp_x"))))
        await second.start()
        await until(lambda: meta_log.is_followed)
        assert meta_log.applied_lsn == second.log.group(META_GROUP).tail_lsn
        await meta_log.close()
        await second.close()

    uvloop.run(main())


def test_state_is_unknown_until_the_log_was_read(tmp_path: Path) -> None:
    async def main() -> None:
        meta_log = MetaLog(new_settings(tmp_path), on_change=lambda state: None)
        meta_log.start()
        with pytest.raises(UnavailableError):
            await meta_log.known_state(timeout_s=0.05)
        with pytest.raises(UnavailableError):
            await meta_log.propose(CreatePartitionTable(2), timeout_s=0.05)
        await meta_log.close()

    uvloop.run(main())


@pytest.mark.parametrize("payload", [b"", b"\x02newer", b"\x01\x92"])
def test_a_record_that_cannot_be_read_ends_it(tmp_path: Path, payload: bytes) -> None:
    """Nothing after it is applied: a newer metad wrote it, and skipping it would fork the state."""

    async def story(meta_log: MetaLog, server: FakeLogServer, changes: list[RegistryState]) -> None:
        await meta_log.caught_up()
        server.commit(META_GROUP, payload)
        server.commit(META_GROUP, encode_proposal(Proposal(b"a" * 16, CreatePartitionTable(2))))
        with pytest.raises(CorruptionError, match="lsn="):
            await asyncio.wait_for(asyncio.shield(meta_log.failed), 5)
        assert meta_log.state.partition_table is None

    _run(tmp_path, story)


@pytest.mark.parametrize("trimmed_lsn", [2, 8])
def test_a_trimmed_log_without_a_snapshot_ends_it(tmp_path: Path, trimmed_lsn: int) -> None:
    """Some records are left, or none: an empty registry must not be taken for a fresh node's."""
    log = _records(3)
    log.group(META_GROUP).trim(trimmed_lsn)

    async def story(meta_log: MetaLog, server: FakeLogServer, changes: list[RegistryState]) -> None:
        with pytest.raises(CorruptionError, match="snapshot"):
            await asyncio.wait_for(asyncio.shield(meta_log.failed), 5)
        assert not changes

    _run(tmp_path, story, log=log)


def test_the_log_stays_small_whatever_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The leader writes snapshots, and the log is trimmed to before them; the next start has the same state."""
    monkeypatch.setattr(metad.meta_log, "SNAPSHOT_RECORDS", 10)
    log = _records(25)
    states: list[RegistryState] = []

    async def story(meta_log: MetaLog, server: FakeLogServer, changes: list[RegistryState]) -> None:
        await meta_log.caught_up()
        for number in range(100):
            await meta_log.propose(RemoveDeployment(f"dp_{number}"), timeout_s=5)
        await until(lambda: len(server.log.group(META_GROUP).batches) <= 12)
        states.append(meta_log.state)

    async def again(meta_log: MetaLog, server: FakeLogServer, changes: list[RegistryState]) -> None:
        await meta_log.caught_up()
        assert meta_log.state == states[0]
        assert meta_log.applied_lsn == server.log.group(META_GROUP).tail_lsn
        assert isinstance(await meta_log.propose(RemoveDeployment("dp_x"), timeout_s=5), Rejected)
        await until(lambda: meta_log.is_followed)

    _run(tmp_path, story, log=log)
    assert log.group(META_GROUP).trimmed_lsn > 100
    _run(tmp_path, again, log=log)


def test_a_snapshot_that_another_record_overtook_is_void(tmp_path: Path) -> None:
    """It lacks that record: taken for the state, or as the place up to which to trim, it would lose it."""

    async def story(meta_log: MetaLog, server: FakeLogServer, changes: list[RegistryState]) -> None:
        await meta_log.caught_up()
        stale = Snapshot(meta_log.applied_lsn, meta_log.state)
        await meta_log.propose(CreatePartitionTable(2), timeout_s=5)
        lsn = server.commit(META_GROUP, encode_proposal(Proposal(b"s" * 16, stale)))
        await until(lambda: meta_log.applied_lsn == lsn)
        assert meta_log.state.partition_table is not None
        assert server.log.group(META_GROUP).trimmed_lsn == 0
        await meta_log.snapshot()
        await until(lambda: server.log.group(META_GROUP).trimmed_lsn == lsn)

    _run(tmp_path, story)


def test_a_bug_in_applying_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in the socket's callback would only close the connection, and the next one would fail again."""

    def broken(state: RegistryState, proposal: Proposal) -> None:
        raise AssertionError("an invariant does not hold")

    monkeypatch.setattr(metad.meta_log, "apply", broken)

    async def story(meta_log: MetaLog, server: FakeLogServer, changes: list[RegistryState]) -> None:
        await meta_log.caught_up()
        server.commit(META_GROUP, encode_proposal(Proposal(b"a" * 16, CreatePartitionTable(2))))
        with pytest.raises(AssertionError, match="invariant"):
            await asyncio.wait_for(asyncio.shield(meta_log.failed), 5)

    _run(tmp_path, story)
