"""The power fails under a loaded node, at any point: what was acknowledged is there, and stores equal their logs.

How: a shim (`trace.c`, by LD_PRELOAD) writes down in order all that the real programs of a node do to their files:
every write with its bytes, every sync, every name. Out of a prefix of that `disk.py` makes the directory that a power
loss at this point may leave. logd's and the partitions' own code then opens it, and one of them a whole node.
`EVERLOG_TEST_POWER_CUTS=500` tries so many points.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from partitiond.store.memory import MemoryStore
from shared.api.log import Committed, Follow, partition_group
from shared.catalog.partitions import even_partitions
from shared.config import Settings
from tests.logd.client import LogClient
from tests.power.disk import Disk, Loss, read_trace
from tests.power.recovered import GroupLog, Replica, counters, partitions_of, read_logs, recover_partition
from tests.processes.adders import Adders
from tests.processes.endpoint import running_endpoint
from tests.processes.node import Node
from tests.processes.test_kills import read_counters

_SHIM = Path(__file__).with_name("trace.c")
_PARTITIONS = 2
_GROUPS = ["meta", *(partition_group(number) for number in range(_PARTITIONS))]


class Told:
    """All that somebody was told, with the length of the trace when it had arrived."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace
        #: (length, group, LSN) of what logd said is committed, and its bytes.
        self.committed: list[tuple[int, str, int]] = []
        self.batches: dict[str, dict[int, bytes]] = {group: {} for group in _GROUPS}
        #: (length, counter, sum) of what clients were answered.
        self.sums: list[tuple[int, str, int]] = []

    def length(self) -> int:
        return self._trace.stat().st_size


class TracedAdders(Adders):
    told: Told

    async def _add(self, session: object, counter: str, idempotency_key: str) -> int:
        total = await super()._add(session, counter, idempotency_key)  # type: ignore[arg-type]
        self.told.sums.append((self.told.length(), counter, total))
        return total


class TracedFollower(LogClient):
    told: Told

    def on_messages(self, connection: object, messages: list[object]) -> None:
        for message in messages:
            if isinstance(message, Committed):
                self.told.committed.append((self.told.length(), message.group, message.lsn))
                self.told.batches[message.group][message.lsn] = bytes(message.payload)
        super().on_messages(connection, messages)  # type: ignore[arg-type]


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="everlog-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        pytest.skip("needs a C compiler (cc, gcc or clang) for the shim that traces writes and syncs")
    made = tmp_path_factory.mktemp("shim") / "trace.so"
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", str(made), str(_SHIM), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"the shim that traces writes and syncs cannot be compiled here: {done.stderr[:300]}")
    return made


def traced_node(folder: Path, shim: Path, **settings: object) -> Node:
    """Of which every process is traced, from its first file on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_PRELOAD", str(shim))
        patch.setenv("POWER_TRACE", str(folder / "trace"))
        patch.setenv("POWER_TRACE_ROOT", str(folder / "disk"))
        return Node(folder / "disk" / "data", **settings)


async def load(node: Node, told: Told, *, seconds: float, seed: int) -> None:
    """Clients add to counters; somebody follows every group."""
    settings = Settings(data_dir=str(node.data_dir))
    TracedFollower.told = TracedAdders.told = told
    follower = await TracedFollower.connect(settings)
    for group in _GROUPS:
        await follower.call(Follow(0, group, 1))
    adders = TracedAdders(node.ingress, clients=12, keys=30, seed=seed)
    running = asyncio.create_task(adders.run())
    await asyncio.sleep(seconds)
    adders.stop()
    await asyncio.wait_for(running, 30)
    adders.check(await read_counters(node, list(adders.sums)))
    await follower.close()


class Checker:
    """Compares what is left at one point after the other with what was told before it."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._references = {each.id: Replica(each, MemoryStore()) for each in even_partitions(_PARTITIONS)}

    def check(self, data: Path, length: int) -> dict[str, int]:
        """The counters that are left."""
        logs = read_logs(data)
        for at, group, lsn in self._told.committed:
            if at <= length:
                self._check_batch(logs[group], group, lsn)
        values: dict[str, int] = {}
        for partition in partitions_of(logs, _PARTITIONS):
            log = logs[partition_group(partition.id)]
            known = self._told.batches[partition_group(partition.id)]
            for lsn, payload in log.batches.items():
                assert known.setdefault(lsn, payload) == payload
            replica = recover_partition(data, partition, log)
            reference = self._references[partition.id]
            if reference.meta.applied_lsn > log.last_lsn:
                # An earlier point left more of what was not synced than this one.
                reference = self._references[partition.id] = Replica(partition, MemoryStore())
            reference.apply(each for each in sorted(known.items()) if each[0] <= log.last_lsn)
            assert replica.meta.applied_lsn == reference.meta.applied_lsn
            assert replica.store.digest() == reference.store.digest()
            values |= counters(replica.store)
            replica.store.close()
        for at, counter, total in self._told.sums:
            assert at > length or values[counter] >= total, f"{counter} is {values[counter]}, {total} was answered"
        return values

    def _check_batch(self, log: GroupLog, group: str, lsn: int) -> None:
        if lsn > log.trim_lsn:
            assert log.batches.get(lsn) == self._told.batches[group][lsn], f"{group}: the batch at lsn={lsn} is lost"


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.timeout(600)
def test_what_was_acknowledged_is_there_after_a_power_loss_at_any_point(
    folder: Path, tmp_path: Path, shim: Path
) -> None:
    """Checkpoints are made and the log is trimmed all along."""
    seed = int(os.environ.get("EVERLOG_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"seed {seed}: repeat with EVERLOG_TEST_SEED={seed} scripts/test tests/power")
    cuts = int(os.environ.get("EVERLOG_TEST_POWER_CUTS", "24"))
    chooser = random.Random(seed)
    (folder / "disk").mkdir()
    told = Told(folder / "trace")
    checkpoints = {"checkpoint_interval_s": 0.3, "checkpoint_log_bytes": 128 * 1024}
    with running_endpoint("scripts.examples.app:app", tmp_path) as endpoint:
        node = traced_node(folder, shim, partitions=_PARTITIONS, workers=1, **checkpoints)
        try:
            node.up()
            endpoint.register(node)
            begin = told.length()
            asyncio.run(load(node, told, seconds=1.5 if cuts < 100 else 5, seed=seed))
        finally:
            with contextlib.suppress(AssertionError):
                node.kill_all()
        checker, disk = Checker(told), Disk(folder / "disk")
        points = sorted(chooser.randrange(begin, told.length()) for _ in range(cuts))
        trims = 0
        left = folder / "left"
        events = read_trace(folder / "trace")
        event = next(events)
        for number, length in enumerate(points):
            while event.end <= length:
                disk.apply(event)
                event = next(events)
            shutil.rmtree(left, ignore_errors=True)
            loss = (Loss.SOME, Loss.ALL, Loss.SOME, Loss.NOTHING)[number % 4]
            disk.after_power_loss(left, loss=loss, seed=chooser.randrange(1 << 32))
            try:
                checker.check(left / "data", length)
            except BaseException as error:
                error.add_note(f"power lost at byte {length} of the trace, lost {loss.name} of what was not synced")
                raise
            trims += sum(1 for log in read_logs(left / "data").values() if log.trim_lsn)
        assert trims, "no log was trimmed: the test does not show what it is meant to"
        print(f"{cuts} points, {len(told.sums)} answers, {len(told.committed)} batches, {trims} trimmed logs")
        shutil.rmtree(left)
        disk.after_power_loss(left, loss=Loss.SOME, seed=seed)
        restart(left / "data", told, points[-1], seed)


def restart(data: Path, told: Told, length: int, seed: int) -> None:
    """A whole node on what is left serves on."""
    answered: dict[str, int] = {}
    for at, counter, total in told.sums:
        if at <= length:
            answered[counter] = max(total, answered.get(counter, 0))
    node = Node(data, partitions=_PARTITIONS, workers=1)
    try:
        node.up()
        values = asyncio.run(read_counters(node, list(answered)))
        assert all(values[counter] >= total for counter, total in answered.items())
    finally:
        node.everlog("down")
