"""Replay a dumped log and print the digest of the store that it gives.

python -m tests.partitiond.simulation.replay FILE
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from partitiond.machine.apply import apply, initial_meta
from partitiond.machine.txn import Txn
from partitiond.store.memory import MemoryStore
from shared.catalog.partitions import even_partitions
from shared.wal.batch import decode_batch
from tests.fakes.log_server import MemoryLog

#: Per partition: (LSN, batch) in order.
Dump = list[list[tuple[int, bytes]]]


def dump(log: MemoryLog, partitions: int) -> Dump:
    return [list(log.group(f"p-{number}").batches.items()) for number in range(partitions)]


def digests(logs: Dump) -> list[str]:
    """One a partition. Batch by batch: commits of any size must give the same."""
    found = []
    for partition, log in zip(even_partitions(len(logs)), logs, strict=True):
        store, meta = MemoryStore(), initial_meta(partition.id, partition.start_key, partition.end_key)
        for lsn, payload in log:
            txn = Txn(store, meta)
            apply(txn, lsn, decode_batch(payload), [])
            store.commit(txn.finish())
        found.append(store.digest())
    return found


if __name__ == "__main__":
    print(*digests(msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=Dump)))
