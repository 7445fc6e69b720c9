"""A steady load at full speed on the path of log, processors and stores, and what it takes on the disk.

    python -m tests.processes.steady --minutes 30
    python -m tests.processes.steady --minutes 2 --fill 1200 --clients 32    # how long anything stands still

logd is a real process; the processors of all partitions, their leaders, stores and checkpoints are real and run in
this process, with an invoker that answers each start at once. So an hour's worth of a node with real services takes
minutes. Prints a line every few seconds, at the end whether the disk stayed flat, and the longest times that the event
loop stood still and that batches took to be applied, while a checkpoint was made and while none was.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec
import uvloop

from partitiond.checkpointer import Checkpointer
from partitiond.keeper import Keeper
from partitiond.leader.leader import Leader
from partitiond.leader.requests import deliver_locally, handle
from partitiond.log.link import GroupFollower, LogLink
from partitiond.machine.apply import initial_meta
from partitiond.processor import Processor
from partitiond.store.rocksdb import RocksStore
from shared.api.log import Committed, partition_group
from shared.api.partition import InvokeRequest
from shared.catalog.partitions import Partition, even_partitions
from shared.clock import SystemClock
from shared.config import Settings, write_settings
from shared.ids import key_partition_key
from shared.protocol import service_pb2 as pb
from shared.protocol.input import encode_input
from shared.protocol.message_types import MessageType
from shared.snapshots.checkpoints import checkpoints_folder
from shared.storage import keys
from shared.storage.values import InvocationRow
from shared.wal.commands import End, Entry, HandlerKind, Invoke, InvokerEffects, OutboxMessage, Pin, Target
from tests.fakes.recording_invoker import RecordingInvoker
from tests.tidy.sources import ROOT

__all__ = ["Sample", "Steady", "disk_bytes", "running_logd"]

_OBJECTS = 1000
_FILLING_BYTES = 200_000


@dataclass(frozen=True)
class Sample:
    """The disk after so many invocations, bytes; `gap_ms`: the longest the event loop stood still since the last."""

    seconds: float
    invocations: int
    log: int
    stores: int
    kept: int
    gap_ms: float

    @property
    def total(self) -> int:
        return self.log + self.stores + self.kept


def disk_bytes(path: Path, seen: set[int]) -> int:
    """Bytes on disk of the files below `path` that are not in `seen` by inode: a link costs nothing."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                status = os.stat(os.path.join(folder, name))
            except FileNotFoundError:
                continue
            if status.st_ino not in seen:
                seen.add(status.st_ino)
                total += status.st_blocks * 512
    return total


@contextmanager
def running_logd(settings: Settings) -> Iterator[None]:
    """A real logd on the data directory."""
    settings.run_path.mkdir(parents=True, exist_ok=True)
    write_settings(settings, settings.run_path / "settings.json")
    command = [sys.executable, "-P", "-m", "logd", "--data-dir", settings.data_dir]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    log = settings.data_path / "logd.log"
    with log.open("w") as out, subprocess.Popen(command, env=environ, stderr=out) as process:
        try:
            yield
            assert process.poll() is None, f"logd ended by itself: {log.read_text()[-2000:]}"
        finally:
            process.terminate()


class Pauses:
    """Milliseconds that something took, apart by whether a checkpoint was being made."""

    def __init__(self) -> None:
        self.during: list[float] = []
        self.between: list[float] = []

    def note(self, milliseconds: float, *, during: bool) -> None:
        (self.during if during else self.between).append(milliseconds)

    def line(self) -> str:
        parts = []
        for name, found in (("during checkpoints", self.during), ("between", self.between)):
            ordered = sorted(found) or [0.0]
            p999 = ordered[int(len(ordered) * 0.999)]
            parts.append(f"{name} p99.9 {p999:.1f} ms, longest {ordered[-1]:.1f} ms of {len(found)}")
        return "; ".join(parts)


class _Timed:
    """A processor as the log's follower that tells how long each `on_committed` took."""

    def __init__(self, processor: Processor, note: Callable[[float], None]) -> None:
        self._processor = processor
        self._note = note

    def __getattr__(self, name: str) -> Any:
        return getattr(self._processor, name)

    def on_committed(self, batches: list[Committed]) -> None:
        began = time.perf_counter()
        self._processor.on_committed(batches)
        self._note((time.perf_counter() - began) * 1000)


class _Echo(RecordingInvoker):
    """Sets a state of 100 bytes and answers, at once."""

    _effects = (
        Pin("dp_echo", 5),
        Entry(
            MessageType.SET_STATE, pb.SetStateCommand(key=b"n", value=pb.Value(content=b"s" * 100)).SerializeToString()
        ),
        Entry(MessageType.OUTPUT, pb.OutputCommand(value=pb.Value(content=b"o" * 100)).SerializeToString()),
        End(),
    )

    def start(self, host: Any, invocation_id: bytes, row: InvocationRow, input: bytes | None = None) -> None:
        host.propose(InvokerEffects(invocation_id, row.generation, list(self._effects)))


class Steady:
    """All partitions, and clients that ask again as soon as they are answered."""

    def __init__(self, settings: Settings, *, clients: int, retention_ms: int) -> None:
        self.settings = settings
        self._clients = clients
        self._retention_ms = retention_ms
        self._link = LogLink(settings.socket("logd"))
        self._clock = SystemClock()
        self._checkpointers: list[Checkpointer] = []
        self._stores: list[RocksStore] = []
        self.standstills, self.applying = Pauses(), Pauses()
        self._invoker = _Echo()
        self.trimmed_lsns: dict[str, list[int]] = {
            partition_group(number): [] for number in range(settings.partition_count)
        }
        self.processors = {
            partition.id: self._open(partition) for partition in even_partitions(settings.partition_count)
        }
        self.invocations = 0
        self.samples: list[Sample] = []
        self._stopping = False
        self._gap_ms = 0.0
        self._input = encode_input((), b"i" * 200)

    def _open(self, partition: Partition) -> Processor:
        folder = self.settings.data_path / "partitions" / str(partition.id)
        store = RocksStore(folder / "store")
        self._stores.append(store)
        meta = store.meta() or initial_meta(partition.id, partition.start_key, partition.end_key)
        group = partition_group(partition.id)
        leader = Leader(
            partition,
            group=group,
            node="node-1",
            tables=store,
            appender=self._link,
            invoker=self._invoker,
            clock=self._clock,
            partition_of=lambda key: key * self.settings.partition_count >> 64,
            deliver=self._deliver,
            cleanup_interval_s=self.settings.cleanup_interval_s,
            catalog=lambda: None,
        )
        checkpointer = Checkpointer(
            store,
            lambda: meta.applied_lsn,
            lambda lsn: self._trim(group, lsn),
            interval_s=self.settings.checkpoint_interval_s,
            log_bytes=self.settings.checkpoint_log_bytes,
            keeper=Keeper(folder / "store", checkpoints_folder(self.settings.data_path, partition.id)),
        )
        self._checkpointers.append(checkpointer)
        return Processor(group, store, meta, leader, checkpointer)

    def _note_applying(self, milliseconds: float) -> None:
        self.applying.note(milliseconds, during=self._making_checkpoint)

    @property
    def _making_checkpoint(self) -> bool:
        return any(checkpointer.running for checkpointer in self._checkpointers)

    def fill(self, size: int) -> None:
        """Rows of other objects, of this many bytes that do not compress, before the run."""
        for number in range(size // _FILLING_BYTES):
            store = self._stores[number % len(self._stores)]
            prefix = keys.STATE + number.to_bytes(8, "big")
            store.commit({prefix + bytes([at]): os.urandom(2000) for at in range(_FILLING_BYTES // 2000)})
        for store in self._stores:
            store.checkpoint()

    async def _deliver(self, receiver: int, sender: int, messages: list[tuple[int, OutboxMessage]]) -> None:
        await deliver_locally(self.processors[receiver].leader, sender, messages)

    # The connection of a client, as the leader sees it.

    def send(self, message: msgspec.Struct) -> None:
        self.invocations += 1
        if not self._stopping:
            self._ask()

    def hold(self, *, on: bool) -> None:
        """Closed loop: never more than `clients` are out."""

    def _ask(self) -> None:
        uuid = os.urandom(16)
        key = f"o{int.from_bytes(uuid[:4], 'big') % _OBJECTS}"
        partition_key = key_partition_key(key)
        partition = partition_key * self.settings.partition_count >> 64
        invoke = Invoke(
            partition_key.to_bytes(8, "big") + uuid,
            Target("Echo", "echo", key, HandlerKind.OBJECT_EXCLUSIVE),
            self._input,
            completion_retention_ms=self._retention_ms,
            journal_retention_ms=self._retention_ms,
        )
        handle(self.processors[partition].leader, self, InvokeRequest(self.invocations, partition, invoke, True))  # type: ignore[arg-type]

    @property
    def trims(self) -> int:
        """How often the log was trimmed, by the partition where that was least often."""
        return min(len(lsns) for lsns in self.trimmed_lsns.values())

    def _trim(self, group: str, lsn: int) -> None:
        self.trimmed_lsns[group].append(lsn)
        self._link.trim(group, lsn)

    async def run(
        self,
        *,
        seconds: float,
        sample_every_s: float,
        print_lines: bool,
        enough: Callable[[], bool] = lambda: False,
    ) -> None:
        """Load for so long, or until it is enough."""
        self._link.start()
        for processor in self.processors.values():
            self._link.follow(cast(GroupFollower, _Timed(processor, self._note_applying)))
        while not all(processor.leader.leading for processor in self.processors.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        beat = asyncio.create_task(self._beat())
        began = time.monotonic()
        for _ in range(self._clients):
            self._ask()
        while not enough() and (passed := time.monotonic() - began) < seconds:
            await asyncio.sleep(min(sample_every_s, seconds - passed))
            self._sample(time.monotonic() - began)
            if print_lines:
                print(_line(self.samples[-1]), flush=True)
        self._stopping = True
        beat.cancel()
        for processor in self.processors.values():
            processor.leader.step_down("the run is over")
        await self._link.close()
        for processor in self.processors.values():
            await processor.close()

    async def _beat(self) -> None:
        pause_s = 0.002
        while True:
            before = time.perf_counter()
            await asyncio.sleep(pause_s)
            gap_ms = (time.perf_counter() - before - pause_s) * 1000
            self._gap_ms = max(self._gap_ms, gap_ms)
            self.standstills.note(gap_ms, during=self._making_checkpoint)

    def _sample(self, seconds: float) -> None:
        data, seen = self.settings.data_path, set[int]()
        log = disk_bytes(data / "log", seen)
        stores = sum(disk_bytes(data / "partitions" / str(number) / "store", seen) for number in self.processors)
        kept = disk_bytes(data / "partitions", seen)
        self.samples.append(Sample(seconds, self.invocations, log, stores, kept, self._gap_ms))
        self._gap_ms = 0.0


def _line(sample: Sample) -> str:
    parts = (f"{name} {getattr(sample, name) / 1e6:8.1f} MB" for name in ("log", "stores", "kept", "total"))
    head = f"{sample.seconds:7.0f} s {sample.invocations:10} invocations"
    return f"{head}  {'  '.join(parts)}  gap {sample.gap_ms:5.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=512)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--every", type=float, default=10, help="seconds between two lines")
    parser.add_argument("--retention", type=float, default=30, help="seconds for which completed ones are kept")
    parser.add_argument("--fill", type=int, default=0, help="MB of other rows in the stores before it begins")
    parser.add_argument("--interval", type=float, default=60, help="seconds between two checkpoints of a partition")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="everlog-") as folder:
        settings = Settings(
            data_dir=folder,
            partitions=arguments.partitions,
            cleanup_interval_s=5.0,
            checkpoint_interval_s=arguments.interval,
        )
        with running_logd(settings):

            async def run() -> list[Sample]:
                steady = Steady(settings, clients=arguments.clients, retention_ms=round(arguments.retention * 1000))
                steady.fill(arguments.fill * 1_000_000)
                await steady.run(seconds=arguments.minutes * 60, sample_every_s=arguments.every, print_lines=True)
                print(f"the loop stood still: {steady.standstills.line()}")
                print(f"batches were applied: {steady.applying.line()}")
                return steady.samples

            samples = uvloop.run(run())
    third = len(samples) // 3
    parts = samples[third : 2 * third], samples[-third:]
    early, late = (max(sample.total for sample in part) / 1e6 for part in parts)
    print(f"most in the second third {early:.1f} MB, in the last {late:.1f} MB")
    print(f"{samples[-1].invocations} invocations, {samples[-1].invocations / samples[-1].seconds:.0f} a second")


if __name__ == "__main__":
    main()
