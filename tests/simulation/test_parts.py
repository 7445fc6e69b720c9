"""What the simulation is made of: processes that die, sockets that break, disks that forget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import pytest

from tests.simulation.disks import LogDisk, LogStore, PartitionDisk, PartitionStore
from tests.simulation.loop import NOBODY, ClusterLoop, Killed, Process
from tests.simulation.network import Network


class Peer(asyncio.Protocol):
    """Keeps what it reads."""

    def __init__(self) -> None:
        self.read = b""
        self.lost = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.read += data

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False


def run(main: Callable[[ClusterLoop], Coroutine[Any, Any, None]]) -> None:
    loop = ClusterLoop(seconds_max=1000.0, seed=1)
    loop.network = Network(loop, 1)
    try:
        loop.run_until_complete(main(loop))
        assert not loop.failures
    finally:
        loop.finish()


async def pair(loop: ClusterLoop) -> tuple[Process, Peer, Process, Peer]:
    """A client on host a, and who it is connected to, on host b."""
    client, server = Process(loop, "a", "client", "1"), Process(loop, "b", "server", "2")
    near, far = Peer(), Peer()

    async def listen() -> None:
        await loop.create_unix_server(lambda: far, "there")

    async def connect() -> None:
        await loop.create_unix_connection(lambda: near, "there")

    server.start(listen())
    client.start(connect())
    await asyncio.sleep(0.1)
    return client, near, server, far


def test_a_killed_process_does_nothing_more_and_its_peer_hears_of_it() -> None:
    done: list[str] = []

    async def works() -> None:
        try:
            while True:
                await asyncio.sleep(1)
                done.append("worked")
        finally:
            done.append("cleaned up")

    async def main(loop: ClusterLoop) -> None:
        client, _, server, far = await pair(loop)
        client.start(works())
        loop.call_later(2.5, client.kill, context=NOBODY)
        await asyncio.sleep(10)
        assert done == ["worked", "worked"]
        assert far.lost
        assert server.alive

    run(main)


def test_a_process_may_be_killed_in_the_midst_of_its_own_callback() -> None:
    async def main(loop: ClusterLoop) -> None:
        process = Process(loop, "a", "worker", "1")

        def commits() -> None:
            process.kill()
            raise Killed

        process.call(commits)
        await asyncio.sleep(1)
        assert not process.alive

    run(main)


def test_a_stopped_process_does_late_what_was_due() -> None:
    done: list[float] = []

    async def main(loop: ClusterLoop) -> None:
        client, near, _, far = await pair(loop)
        client.stop()
        loop.call_later(1.0, lambda: done.append(loop.time()), context=client.context.copy())
        far.transport.write(b"while you are away")
        loop.call_later(5.0, client.go_on, context=NOBODY)
        await asyncio.sleep(4.0)
        assert (done, near.read) == ([], b"")
        await asyncio.sleep(2.0)
        assert len(done) == 1
        assert done[0] >= 5.0
        assert near.read == b"while you are away"

    run(main)


def test_a_connection_that_breaks_hands_over_a_part_of_what_was_on_its_way() -> None:
    lengths: set[int] = set()

    async def main(loop: ClusterLoop) -> None:
        for _ in range(20):
            _, near, _, far = await pair(loop)
            near.transport.write(b"x" * 50)
            near.transport.break_off()
            await asyncio.sleep(1)
            assert near.lost
            assert far.lost
            lengths.add(len(far.read))

    run(main)
    assert len(lengths) > 5
    assert max(lengths) <= 50


def test_what_was_said_between_islands_arrives_late_and_in_order() -> None:
    async def main(loop: ClusterLoop) -> None:
        _, near, _, far = await pair(loop)
        loop.network.isolate("a")
        for number in range(9):
            near.transport.write(b"%d" % number)
        await asyncio.sleep(5)
        assert far.read == b""
        with pytest.raises(ConnectionRefusedError):
            await Process(loop, "a", "client", "3").start(loop.create_unix_connection(Peer, "there"))
        loop.network.heal()
        await asyncio.sleep(1)
        assert far.read == b"012345678"

    run(main)


def test_a_power_loss_takes_what_was_not_synced_and_kill_9_does_not() -> None:
    disk = LogDisk()
    store = LogStore(disk)
    store.put(b"a", b"1")
    store.stage()
    store.sync()
    store.put(b"b", b"2")
    store.stage()
    store.put(b"c", b"3")
    assert [key for key, _ in store.scan(b"a", b"z")] == [b"a", b"b"]
    again = [key for key, _ in LogStore(disk).scan_back(b"a", b"z")]
    assert again == [b"b", b"a"], "what was staged survives the process, what was put does not"
    store.delete_range(b"a", b"b")
    store.stage()
    kept = set()
    for seed in range(20):
        copy = LogDisk()
        copy.durable, copy.written = disk.durable.copy(), disk.written.copy()
        copy.unsynced = list(disk.unsynced)
        copy.power_loss(Random(seed))
        kept.add(tuple(copy.written.keys))
    assert kept == {(b"a", b"b"), (b"b", b"c")}, "all of the last batch, or nothing of it"


def test_a_partition_comes_back_at_its_checkpoint_or_a_little_behind() -> None:
    found: set[int] = set()

    async def main(loop: ClusterLoop) -> None:
        for seed in range(30):
            disk = PartitionDisk()
            process = Process(loop, "a", "worker", "1")
            process.context.copy().run(write, disk)
            disk.power_loss(Random(seed))
            process.context.copy().run(lambda disk=disk: found.add(len(open_store(disk)._rows)))

    def open_store(disk: PartitionDisk) -> PartitionStore:
        return PartitionStore(disk, lambda: None, lambda store: None)

    def write(disk: PartitionDisk) -> None:
        store = open_store(disk)
        store.commit({b"1": b""})
        store.checkpoint()
        for number in range(2, 8):
            store.commit({b"%d" % number: b""})
        assert len(store._rows) == 7

    run(main)
    assert found == {1, 4}
