"""What has ended, and what sleeps, is in the store and nowhere else."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

import pytest

from partitiond.store.rocksdb import RocksStore
from shared.wal.commands import Effect, End, InvokerEffects, Suspend
from tests.fakes.sim_log import SimLog
from tests.fakes.sim_loop import simulate
from tests.partitiond.leader.rig import FakePeer, Node, until
from tests.partitiond.machine.fixtures import invoke, new_id, output

_PORTION = 1000
#: An id alone takes 57 bytes, and a place in a dict as many again. Dicts that were full once stay as large.
_BYTES_OF_ONE_MAX = 30


@pytest.mark.slow
@pytest.mark.parametrize("fate", ["completed", "suspended"])
def test_a_worker_holds_no_more_for_many_than_for_few(tmp_path: Path, fate: str) -> None:
    """Counted is what the processor, the machine and the leader have allocated and not let go; the fakes keep all that
    they saw, so that they are emptied."""

    async def scenario() -> None:
        log = SimLog()
        node = await Node(log, stores={0: RocksStore(tmp_path)}).follow().leading()
        peer = FakePeer()

        async def portion() -> None:
            for _ in range(_PORTION // 100):
                ids = [new_id() for _ in range(100)]
                for each in ids:
                    node.invoke(peer, invoke(each), wait=False)
                await until(lambda: len(node.invoker.rows) == 100)
                for each in ids:
                    effects: list[Effect] = [output(), End()] if fate == "completed" else [Suspend([], [17], [])]
                    node.leader.propose(InvokerEffects(each, node.invoker.rows[each].generation, effects))
                applied: list[bool] = []
                node.leader.when_applied(lambda: applied.append(True))  # noqa: B023  (awaited right here)
                await until(lambda: applied)  # noqa: B023
                node.invoker.rows.clear()
                node.invoker.calls.clear()
                peer.replies.clear()
                node.log.group("p-0").trim(node.processor.applied_lsn)

        await portion()
        tracemalloc.start()
        try:
            before = _held()
            await portion()
            after = _held()
        finally:
            tracemalloc.stop()
        assert after - before < _PORTION * _BYTES_OF_ONE_MAX, f"{(after - before) / _PORTION:.0f} bytes for each"
        assert node.processor.status().inflight == 0
        node.crash()
        node.store.close()

    simulate(scenario())


def _held() -> int:
    gc.collect()
    # The log in memory keeps records, as the one on disk does.
    records = tracemalloc.Filter(False, "*/wal/batch.py")
    ours = [tracemalloc.Filter(True, f"*/{name}/*") for name in ("partitiond", "shared")]
    snapshot = tracemalloc.take_snapshot().filter_traces([records, *ours])
    return sum(entry.size for entry in snapshot.statistics("filename"))
