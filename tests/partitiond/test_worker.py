"""One worker within the test's process, between a fake logd and a fake metad on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

from partitiond import worker as worker_module
from partitiond.store.rocksdb import RocksStore, note_damage
from partitiond.worker import Worker
from shared.api.partition import (
    CheckpointReply,
    CheckpointRequest,
    DeliverReply,
    DeliverRequest,
    InvocationStatesReply,
    InvocationStatesRequest,
    InvokeReply,
    InvokeRequest,
    Moved,
    PartitionReply,
    TerminateReply,
    TerminateRequest,
    WorkerStatusReply,
    WorkerStatusRequest,
)
from shared.config import Settings
from shared.damage import aside_names
from shared.errors import ConfigError, UnavailableError
from shared.rpc.client import RpcCaller
from shared.snapshots.checkpoint_file import checkpoint_name
from shared.snapshots.checkpoints import checkpoints_folder, read_checkpoint
from shared.storage.values import STORE_FORMAT, PartitionMeta, encode
from shared.wal.batch import Batch, encode_batch
from shared.wal.commands import FireTimers, KillMessage, TerminateMode
from tests.fakes.log_server import FakeLogServer, MemoryLog
from tests.fakes.meta_push import MetaPush, example_catalog
from tests.partitiond.machine.fixtures import invoke, new_id

HALF = 1 << 63


class Bench:
    """A worker, what it talks to, and a client of its socket."""

    def __init__(self, path: Path, *, workers: int = 1, partitions: int = 2) -> None:
        self.settings = Settings(data_dir=str(path), workers=workers, partitions=partitions, checkpoint_interval_s=0.05)
        self.settings.run_path.mkdir(exist_ok=True)
        self.log = MemoryLog()
        self.logd = FakeLogServer(self.settings.socket("logd"), self.log)
        self.metad = MetaPush(self.settings.socket("metad"), example_catalog(partitions=2))
        self.stopping = asyncio.Event()
        self.client = RpcCaller(
            self.settings.socket("partitiond-0"), msgspec.msgpack.Decoder(PartitionReply).decode, name="worker"
        )
        self.failures: list[Any] = []
        self._running: asyncio.Task[None] | None = None
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.failures.append(context))

    def start(self) -> None:
        self.worker = Worker(0, self.settings)
        self._running = asyncio.create_task(self.worker.run(self.stopping))

    async def stop(self) -> None:
        """SIGTERM."""
        if self._running is None:
            return
        self.stopping.set()
        async with asyncio.timeout(10):
            await self._running
        self.stopping.clear()
        self._running = None

    async def call(self, request: msgspec.Struct) -> Any:
        return await self.client.call(request)

    async def status(self) -> WorkerStatusReply:
        reply = await self.call(WorkerStatusRequest(0))
        assert isinstance(reply, WorkerStatusReply)
        return reply

    async def ready(self, partitions: int) -> None:
        """Until it leads this many partitions."""
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(UnavailableError):
                    if [p.ready for p in (await self.status()).partitions] == [True] * partitions:
                        return
                await asyncio.sleep(0.005)


def run(path: Path, scenario: Callable[[Bench], Awaitable[None]], **options: int) -> None:
    async def main() -> None:
        bench = Bench(path, **options)
        await bench.logd.start()
        await bench.metad.start()
        bench.start()
        bench.client.start()
        try:
            await scenario(bench)
        finally:
            await bench.stop()
            await bench.client.close()
            await bench.metad.close()
            await bench.logd.close()
            await asyncio.sleep(0.01)
        assert bench.failures == []

    uvloop.run(main())


async def soon(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


def test_a_store_that_cannot_be_opened_costs_its_partition_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its directory is a file, as good as a disk that is gone: a worker that ended of it took all others along."""
    monkeypatch.setattr(worker_module, "_OPEN_AGAIN_S", 0.02)
    obstacle = tmp_path / "partitions" / "1" / "store"
    obstacle.parent.mkdir(parents=True)
    obstacle.write_text("")

    async def scenario(bench: Bench) -> None:
        await bench.ready(1)
        status = await bench.status()
        assert [each.partition_id for each in status.partitions] == [0]
        [trouble] = status.troubles
        assert trouble.startswith(f"partition 1: cannot open the store at {obstacle}: ")
        obstacle.unlink()
        await bench.ready(2)
        assert (await bench.status()).troubles == []

    run(tmp_path, scenario)


def test_it_leads_all_partitions_of_the_table_and_says_so(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.ready(2)
        status = await bench.status()
        assert [(p.partition_id, p.start_key, p.end_key) for p in status.partitions] == [
            (0, 0, HALF - 1),
            (1, HALF, 2 * HALF - 1),
        ]
        assert all(p.epoch == p.applied_lsn == p.tail_lsn == 2 for p in status.partitions)
        assert isinstance(await bench.call(InvocationStatesRequest(0)), InvocationStatesReply)

    run(tmp_path, scenario)


def test_a_checkpoint_that_is_asked_for_is_kept_with_all_that_was_applied(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.ready(2)
        await bench.call(InvokeRequest(0, 0, invoke(new_id(place=1)), False))
        applied = {p.partition_id: p.applied_lsn for p in (await bench.status()).partitions}
        for partition_id, lsn in applied.items():
            made = await bench.call(CheckpointRequest(0, partition_id))
            assert isinstance(made, CheckpointReply)
            assert (made.partition_id, made.complaint) == (partition_id, "")
            assert made.durable_lsn == made.applied_lsn >= lsn
            assert made.trimmed_lsn <= made.applied_lsn
            folder = checkpoints_folder(bench.settings.data_path, partition_id)
            assert read_checkpoint(folder / checkpoint_name(made.applied_lsn)).size == made.size
        elsewhere = await bench.call(CheckpointRequest(0, 7))
        assert isinstance(elsewhere, Moved)

    run(tmp_path, scenario)


def test_states_of_many_invocations_come_in_several_frames(tmp_path: Path) -> None:
    """Ten thousand that back off, each with a stack trace, are more than a frame holds."""

    async def scenario(bench: Bench) -> None:
        await bench.ready(2)
        ids = [new_id(place=number) for number in range(300)]
        for invocation_id in ids:
            await bench.call(InvokeRequest(0, 0, invoke(invocation_id), False))
        replies: list[InvocationStatesReply] = []
        done = asyncio.Event()

        def on_push(message: object) -> None:
            assert isinstance(message, InvocationStatesReply)
            replies.append(message)
            if not message.more:
                done.set()

        bench.client._on_push = on_push
        connection = bench.client.connection
        assert connection is not None
        connection.send(InvocationStatesRequest(1 << 40))
        await asyncio.wait_for(done.wait(), 10)
        assert [len(reply.states) for reply in replies] == [128, 128, 44]
        assert {state.id for reply in replies for state in reply.states} == set(ids)

    run(tmp_path, scenario)


def test_stores_are_open_before_metad_speaks_and_closed_when_there_is_no_such_partition(tmp_path: Path) -> None:
    """Opened one after the other once the catalog was there, they held up a node's start."""

    async def main() -> None:
        bench = Bench(tmp_path, partitions=3)
        await bench.logd.start()
        bench.start()
        bench.client.start()
        try:
            await soon(lambda: set(bench.worker._ahead) == {0, 1, 2})
            assert (await bench.status()).partitions == []
            ahead = dict(bench.worker._ahead)
            await bench.metad.start()
            await bench.ready(2)
            stores = {number: each._store for number, each in bench.worker._processors.items()}
            assert stores == {0: ahead[0], 1: ahead[1]}
            # Its lock is free.
            RocksStore(tmp_path / "partitions" / "2" / "store").close()
        finally:
            await bench.stop()
            await bench.client.close()
            await bench.metad.close()
            await bench.logd.close()
        assert bench.failures == []

    uvloop.run(main())


def test_a_worker_that_ends_before_metad_speaks_closes_its_stores(tmp_path: Path) -> None:
    async def main() -> None:
        bench = Bench(tmp_path)
        bench.start()
        try:
            await soon(lambda: len(bench.worker._ahead) == 2)
        finally:
            await bench.stop()
        RocksStore(tmp_path / "partitions" / "0" / "store").close()

    uvloop.run(main())


def test_a_partition_of_another_worker_is_not_opened_and_requests_for_it_are_moved(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.ready(1)
        assert [p.partition_id for p in (await bench.status()).partitions] == [0]
        reply = await bench.call(InvokeRequest(0, 1, invoke(new_id(place=HALF)), True))
        assert isinstance(reply, Moved)
        assert reply.message == "partition 1 is not on worker 0"
        assert not (tmp_path / "partitions" / "1").exists()

    run(tmp_path, scenario, workers=2)


def test_requests_are_answered_over_the_socket(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.ready(2)
        a = new_id(place=5)
        assert await bench.call(InvokeRequest(0, 0, invoke(a), False)) == InvokeReply(bench.client._next_id - 1, True)
        reply = await bench.call(TerminateRequest(0, 0, a, TerminateMode.KILL))
        assert isinstance(reply, TerminateReply)
        assert reply.outcome == "done"
        reply = await bench.call(DeliverRequest(0, 0, 9, [(4, KillMessage(a))]))
        assert isinstance(reply, DeliverReply)
        assert reply.upto_seq == 4

    run(tmp_path, scenario)


def test_after_a_restart_it_goes_on_behind_its_applied_lsn_and_trims_what_is_durable(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.ready(2)
        a = new_id(place=5)
        await bench.call(InvokeRequest(0, 0, invoke(a), False))
        # Behind the invocation comes the event of its first failure: nobody serves it.
        await soon(lambda: bench.log.group("p-0").trimmed_lsn >= 3)
        durable = (await bench.status()).partitions[0].durable_lsn
        assert durable >= 3
        await bench.stop()
        bench.start()
        await bench.ready(2)
        reply = await bench.call(TerminateRequest(0, 0, a, TerminateMode.KILL))
        assert reply.outcome == "done"

    run(tmp_path, scenario)


def test_a_damaged_store_is_made_anew_out_of_its_checkpoint_and_the_log(tmp_path: Path) -> None:
    """Found at the start, and found by a read, which leaves a note for the next start."""
    folder = tmp_path / "partitions" / "0"

    async def scenario(bench: Bench) -> None:
        await bench.ready(2)
        a, b = new_id(place=5), new_id(place=6)
        await bench.call(InvokeRequest(0, 0, invoke(a), False))
        await soon(lambda: bench.log.group("p-0").trimmed_lsn >= 3)
        await bench.call(InvokeRequest(0, 0, invoke(b), False))
        await bench.stop()
        (folder / "store" / "CURRENT").write_text("MANIFEST-9\n")
        bench.start()
        await bench.ready(2)
        assert aside_names(tmp_path) == [folder / "store.damaged-1"]
        await bench.stop()
        note_damage(folder / "store", "somebody read what was not written")
        bench.start()
        await bench.ready(2)
        assert aside_names(tmp_path) == [folder / "store.damaged-1", folder / "store.damaged-2"]
        for known in (a, b):
            reply = await bench.call(TerminateRequest(0, 0, known, TerminateMode.KILL))
            assert reply.outcome == "done"

    run(tmp_path, scenario)


def test_a_partition_that_cannot_be_made_anew_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    """The log is trimmed, and neither the store nor a checkpoint is there."""

    async def scenario(bench: Bench) -> None:
        await bench.ready(2)
        await bench.call(InvokeRequest(0, 0, invoke(new_id(place=5)), False))
        await soon(lambda: bench.log.group("p-0").trimmed_lsn >= 3)
        await bench.stop()
        shutil.rmtree(tmp_path / "partitions" / "0")
        bench.start()
        await soon_async(lambda: bench.status(), lambda status: status.damaged)
        status = await bench.status()
        [(number, text)] = status.damaged
        assert number == 0
        assert "ends at lsn=0" in text
        assert "log begins after" in text
        assert "restore a snapshot" in text
        await soon_async(lambda: bench.status(), lambda status: [p.ready for p in status.partitions] == [False, True])
        a = new_id(place=HALF + 1)
        assert isinstance(await bench.call(InvokeRequest(0, 1, invoke(a), False)), InvokeReply)
        assert isinstance(await bench.call(InvokeRequest(0, 0, invoke(new_id(place=5)), False)), Moved)

    run(tmp_path, scenario)


async def soon_async(ask: Callable[[], Awaitable[Any]], condition: Callable[[Any], object]) -> None:
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(UnavailableError):
                if condition(await ask()):
                    return
            await asyncio.sleep(0.005)


def test_logd_away_and_back(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.ready(2)
        a = new_id(place=5)
        assert isinstance(await bench.call(InvokeRequest(0, 0, invoke(a), False)), InvokeReply)
        waiting = asyncio.create_task(bench.call(InvokeRequest(0, 0, invoke(a), True)))
        await asyncio.sleep(0.02)
        await bench.logd.close()
        assert isinstance(await waiting, Moved)
        assert [p.ready for p in (await bench.status()).partitions] == [False, False]
        bench.logd = FakeLogServer(bench.settings.socket("logd"), bench.log)
        await bench.logd.start()
        await bench.ready(2)
        reply = await bench.call(InvokeRequest(0, 0, invoke(a), False))
        assert reply.created is False

    run(tmp_path, scenario)


def test_sigterm_under_load_answers_who_waits_and_fails_in_nothing(tmp_path: Path) -> None:
    """Batches go on arriving from logd while the stores are closed."""

    async def scenario(bench: Bench) -> None:
        await bench.ready(2)
        a = new_id(place=5)
        await bench.call(InvokeRequest(0, 0, invoke(a), False))
        waiting = asyncio.create_task(bench.call(InvokeRequest(0, 0, invoke(a), True)))
        await asyncio.sleep(0.02)
        ended = asyncio.Event()

        async def load() -> None:
            while not ended.is_set():
                for group in ("p-0", "p-1"):
                    bench.logd.commit(group, encode_batch(Batch(999, 1, 1, [FireTimers(1)])))
                await asyncio.sleep(0)

        loading = asyncio.create_task(load())
        await asyncio.sleep(0.05)
        await bench.stop()
        assert isinstance(await waiting, Moved)
        await asyncio.sleep(0.05)
        ended.set()
        await loading

    run(tmp_path, scenario)


def test_a_store_of_a_newer_format_is_not_opened(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = RocksStore(tmp_path / "partitions" / "0" / "store")
    store.commit({b"\x30": encode(PartitionMeta(STORE_FORMAT + 1, 0, 0, HALF - 1, 5, 0, 0, b"", 0, 0))})
    store.close()

    async def scenario(bench: Bench) -> None:
        await soon(lambda: bench.failures)
        error = bench.failures[0]["exception"]
        assert isinstance(error, ConfigError), "the operator's to mend: the parent gives up and `up` says so"
        assert "use the newer build" in str(error)
        bench.failures.clear()
        await bench.stop()

    with caplog.at_level(logging.CRITICAL):
        run(tmp_path, scenario)
