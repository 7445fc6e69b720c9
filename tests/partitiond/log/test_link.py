"""One connection to logd for all partitions of a worker, against logd's socket without its disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from partitiond.log.link import LogLink
from shared.api.log import Committed, Following, Leadership, LogError
from tests.fakes.log_server import FakeLogServer, MemoryLog


class Follower:
    """Writes down what it is told. `applied_lsn` follows the committed batches."""

    def __init__(self, group: str, *, applied_lsn: int = 0) -> None:
        self.group = group
        self.applied_lsn = applied_lsn
        self.told: list[str] = []
        self.batches: list[tuple[int, bytes]] = []
        self.calls: list[int] = []
        self.errors: list[LogError] = []

    def on_following(self, message: Following) -> None:
        self.told.append(f"following to {message.tail_lsn}")

    def on_leadership(self, message: Leadership) -> None:
        self.told.append(f"leads in term {message.term}" if message.is_leader else f"{message.leader} leads")

    def on_committed(self, batches: list[Committed]) -> None:
        assert batches[0].lsn > self.applied_lsn
        self.calls.append(len(batches))
        for batch in batches:
            self.told.append(f"batch {batch.lsn}")
            self.batches.append((batch.lsn, batch.payload))
            self.applied_lsn = batch.lsn

    def on_append_failed(self, error: LogError) -> None:
        self.told.append(error.code)
        self.errors.append(error)

    def on_log_lost(self) -> None:
        self.told.append("lost")


class Bench:
    """A link and a server; `log` survives the server."""

    def __init__(self, path: Path) -> None:
        self.path = path / "logd.sock"
        self.log = MemoryLog()
        self.server = FakeLogServer(self.path, self.log)
        self.link = LogLink(self.path)

    async def restart(self) -> None:
        await self.server.close()
        self.server = FakeLogServer(self.path, self.log)
        await self.server.start()


def run(path: Path, scenario: Callable[[Bench], Awaitable[None]], *, serve: bool = True) -> None:
    async def main() -> None:
        bench = Bench(path)
        if serve:
            await bench.server.start()
        bench.link.start()
        try:
            await scenario(bench)
        finally:
            await bench.link.close()
            await bench.server.close()
            await asyncio.sleep(0.01)

    uvloop.run(main())


async def soon(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


def test_a_batch_comes_back_committed_to_its_own_group_only(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        left, right = Follower("p-0"), Follower("p-1")
        bench.link.follow(left)
        bench.link.follow(right)
        await soon(lambda: len(left.told) == len(right.told) == 2)
        bench.link.append("p-0", b"a")
        bench.link.append("p-1", b"b")
        bench.link.append("p-0", b"c")
        await soon(lambda: left.applied_lsn == 3 and right.applied_lsn == 2)
        assert left.batches == [(2, b"a"), (3, b"c")]
        assert right.batches == [(2, b"b")]
        assert left.told == ["following to 0", "leads in term 1", "batch 2", "batch 3"]

    run(tmp_path, scenario)


def test_what_is_stored_comes_in_one_piece_from_behind_the_applied_lsn(tmp_path: Path) -> None:
    """Replay after a restart: one commit of the store for many batches."""

    async def scenario(bench: Bench) -> None:
        group = bench.log.group("p-0")
        group.lsn_step = 3
        lsns = [group.commit(str(number).encode()) for number in range(50)]
        follower = Follower("p-0", applied_lsn=lsns[9])
        bench.link.follow(follower)
        await soon(lambda: follower.applied_lsn == lsns[-1])
        assert [lsn for lsn, _ in follower.batches] == lsns[10:]
        assert len(follower.calls) < 10

    run(tmp_path, scenario)


def test_after_logd_came_back_each_group_is_followed_from_behind_its_applied_lsn(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        followers = [Follower(f"p-{number}") for number in range(3)]
        for follower in followers:
            bench.link.follow(follower)
        await soon(lambda: all(len(follower.told) == 2 for follower in followers))
        bench.link.append("p-0", b"a")
        bench.link.append("p-1", b"b")
        await soon(lambda: followers[0].batches and followers[1].batches)
        await bench.server.close()
        await soon(lambda: all(follower.told[-1] == "lost" for follower in followers))
        bench.link.append("p-0", b"dropped")
        bench.link.trim("p-0", 1)
        bench.log.group("p-0").commit(b"while away")
        await bench.restart()
        await soon(lambda: len(followers[0].batches) == 2)
        assert [payload for _, payload in followers[0].batches] == [b"a", b"while away"]
        assert followers[1].told[2:] == ["batch 2", "lost", "following to 2", "leads in term 1"]
        bench.link.append("p-2", b"c")
        await soon(lambda: followers[2].batches)

    run(tmp_path, scenario)


def test_a_group_followed_before_logd_is_there_is_followed_when_it_comes(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        follower = Follower("p-0")
        bench.link.follow(follower)
        await asyncio.sleep(0.03)
        assert follower.told == []
        await bench.server.start()
        await soon(lambda: len(follower.told) == 2)

    run(tmp_path, scenario, serve=False)


def test_leadership_and_batches_keep_their_order(tmp_path: Path) -> None:
    """All in one read of the socket: what was committed before a change is told before it."""

    async def scenario(bench: Bench) -> None:
        follower, other = Follower("p-0"), Follower("p-1")
        bench.link.follow(follower)
        bench.link.follow(other)
        await soon(lambda: len(follower.told) == 2)
        bench.server.commit("p-0", b"1")
        bench.server.commit("p-1", b"1")
        bench.server.set_leader("p-0", is_leader=False, leader="node-2")
        bench.server.commit("p-0", b"2")
        bench.server.set_leader("p-0", is_leader=True, leader="node-1")
        bench.server.commit("p-0", b"3")
        await soon(lambda: follower.applied_lsn == 4)
        assert follower.told[2:] == ["batch 2", "node-2 leads", "batch 3", "leads in term 3", "batch 4"]
        assert other.batches == [(2, b"1")]

    run(tmp_path, scenario)


@pytest.mark.parametrize("committed", [True, False])
def test_an_append_that_is_lost_with_the_connection_has_an_unknown_outcome(tmp_path: Path, committed: bool) -> None:
    async def scenario(bench: Bench) -> None:
        follower = Follower("p-0")
        bench.link.follow(follower)
        await soon(lambda: len(follower.told) == 2)
        if committed:
            bench.server.forget_replies = 1
        else:
            bench.server.lose_appends = 1
        bench.link.append("p-0", b"a")
        await soon(lambda: follower.told.count("leads in term 1") == 2)
        assert "lost" in follower.told
        assert not follower.errors
        bench.link.append("p-0", b"b")
        await soon(lambda: follower.batches and follower.batches[-1][1] == b"b")
        assert [payload for _, payload in follower.batches] == [b"a", b"b"][0 if committed else 1 :]

    run(tmp_path, scenario)


def test_a_refused_append_is_told_to_its_own_group(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(bench: Bench) -> None:
        left, right = Follower("p-0"), Follower("p-1")
        bench.link.follow(left)
        bench.link.follow(right)
        await soon(lambda: len(left.told) == len(right.told) == 2)
        bench.server.set_leader("p-1", is_leader=False, leader="node-2")
        bench.link.append("p-0", b"a")
        bench.link.append("p-1", b"b")
        await soon(lambda: right.errors and left.batches)
        assert [error.code for error in right.errors] == ["not_leader"]
        assert not left.errors
        assert not right.batches
        assert {record.levelname for record in caplog.records} <= {"WARNING"}, "it is part of each planned restart"

    run(tmp_path, scenario)


def test_a_group_that_cannot_be_followed_is_told_so(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        group = bench.log.group("p-0")
        for _ in range(5):
            group.commit(b"x")
        group.trim(4)
        follower = Follower("p-0", applied_lsn=2)
        bench.link.follow(follower)
        await soon(lambda: follower.errors)
        assert follower.told == ["trimmed"]

    run(tmp_path, scenario)


def test_trim_reaches_the_group(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        follower = Follower("p-0")
        bench.link.follow(follower)
        await soon(lambda: len(follower.told) == 2)
        for _ in range(5):
            bench.link.append("p-0", b"x")
        await soon(lambda: follower.applied_lsn == 6)
        bench.link.trim("p-0", 4)
        await soon(lambda: bench.log.group("p-0").first_lsn == 5)
        assert not follower.errors

    run(tmp_path, scenario)


def test_nothing_is_kept_of_requests_that_were_answered(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        follower = Follower("p-0")
        bench.link.follow(follower)
        await soon(lambda: len(follower.told) == 2)
        for _ in range(100):
            bench.link.append("p-0", b"x")
        bench.link.trim("p-0", 50)
        await soon(lambda: follower.applied_lsn == 101 and not bench.link._asked)

    run(tmp_path, scenario)


def test_a_large_batch_comes_back_without_its_payload_and_is_whole(tmp_path: Path) -> None:
    """By the real logd: `tests/logd/test_socket_api.py`."""

    async def scenario(bench: Bench) -> None:
        left, right = Follower("p-0"), Follower("p-1")
        bench.link.follow(left)
        bench.link.follow(right)
        await soon(lambda: len(left.told) == len(right.told) == 2)
        large, other = b"x" * 100_000, b"y" * 3_000_000
        for payload in (b"a", large, b"b", other):
            bench.link.append("p-0", payload)
        bench.link.append("p-1", large)
        assert sum(map(len, bench.link._kept.values())) == 3_200_000
        await soon(lambda: left.applied_lsn == 5 and right.applied_lsn == 2)
        assert [payload for _, payload in left.batches] == [b"a", large, b"b", other]
        assert [payload for _, payload in right.batches] == [large]
        await soon(lambda: not bench.link._asked)
        assert not bench.link._kept

    run(tmp_path, scenario)


def test_the_payload_of_a_large_batch_is_forgotten_when_it_is_refused_or_lost(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        follower = Follower("p-0")
        bench.link.follow(follower)
        await soon(lambda: len(follower.told) == 2)
        bench.server.set_leader("p-0", is_leader=False, leader="node-2")
        bench.link.append("p-0", b"x" * 100_000)
        await soon(lambda: follower.errors)
        assert not bench.link._kept
        bench.server.set_leader("p-0", is_leader=True, leader="node-1")
        await soon(lambda: follower.told[-1].startswith("leads"))
        bench.server.forget_replies = 1
        bench.link.append("p-0", b"y" * 100_000)
        await soon(lambda: follower.batches)
        assert follower.batches[0][1] == b"y" * 100_000, "it was committed, and came by the next connection"
        assert not bench.link._kept

    run(tmp_path, scenario)


class SlowFollower(Follower):
    """A commit of it takes a while; between two of them it looks whether others had their turn."""

    def __init__(self, group: str) -> None:
        super().__init__(group)
        self.turns = 0
        self.turns_at_commits: list[int] = []

    def on_committed(self, batches: list[Committed]) -> None:
        super().on_committed(batches)
        self.turns_at_commits.append(self.turns)
        until = time.monotonic() + 0.01
        while time.monotonic() < until:
            pass


@pytest.mark.slow
def test_a_replay_leaves_turns_to_others(tmp_path: Path) -> None:
    """A worker that replays was silent for a second at a time: nobody could ask how far it is."""

    async def scenario(bench: Bench) -> None:
        group = bench.log.group("p-0")
        lsns = [group.commit(b"%d" % number) for number in range(5000)]
        follower = SlowFollower("p-0")

        async def others() -> None:
            while True:
                follower.turns += 1
                await asyncio.sleep(0)

        task = asyncio.ensure_future(others())
        bench.link.follow(follower)
        await soon(lambda: follower.applied_lsn == lsns[-1])
        task.cancel()
        assert [lsn for lsn, _ in follower.batches] == lsns
        assert len(follower.calls) >= 5000 / 128
        at = follower.turns_at_commits
        assert all(later > earlier for earlier, later in zip(at, at[4:], strict=False)), at

    run(tmp_path, scenario)


@pytest.mark.slow
def test_what_was_not_handed_over_when_logd_went_comes_again(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        group = bench.log.group("p-0")
        lsns = [group.commit(b"%d" % number) for number in range(5000)]
        follower = SlowFollower("p-0")
        bench.link.follow(follower)
        await soon(lambda: 0 < follower.applied_lsn < lsns[-1])
        await bench.restart()
        await soon(lambda: follower.applied_lsn == lsns[-1] and "lost" in follower.told)
        assert [lsn for lsn, _ in follower.batches] == lsns

    run(tmp_path, scenario)
