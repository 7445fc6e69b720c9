"""Commits to a store until it is killed: each commit writes its LSN into the meta row and into 50 others.

python -m tests.partitiond.store.writer PATH CHECKPOINT_EVERY
"""

from __future__ import annotations

import sys
from pathlib import Path

from partitiond.store.rocksdb import RocksStore
from shared.storage import keys
from shared.storage.values import STORE_FORMAT, PartitionMeta, encode


def row_key(number: int) -> bytes:
    return keys.STATE + number.to_bytes(8, "big")


def write(store: RocksStore, lsn: int) -> None:
    value = lsn.to_bytes(8, "big")
    writes: dict[bytes, bytes | None] = {row_key(number): value * 10 for number in range(50)}
    # One row that every second commit deletes.
    writes[row_key(1000)] = value if lsn % 2 else None
    writes[keys.META_KEY] = encode(PartitionMeta(STORE_FORMAT, 0, 0, 9, lsn, 0, 0, b"", 0, 0))
    store.commit(writes)


def main() -> None:
    store = RocksStore(Path(sys.argv[1]))
    checkpoint_every = int(sys.argv[2])
    meta = store.meta()
    lsn = 0 if meta is None else meta.applied_lsn
    while True:
        lsn += 1
        write(store, lsn)
        print(lsn, flush=True)
        if checkpoint_every and lsn % checkpoint_every == 0:
            store.checkpoint()
            print(f"durable {lsn}", flush=True)


if __name__ == "__main__":
    main()
