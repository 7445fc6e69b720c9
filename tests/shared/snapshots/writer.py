"""Commits to a store as fast as it can until it is killed, with tables that come and go all the time.

python -m tests.shared.snapshots.writer PATH

The rows at an LSN are known (`rows_at`), so that a checkpoint of any moment can be compared.
"""

from __future__ import annotations

import sys

from rocksdict import Options, Rdict, WriteBatch

from shared.storage import keys
from shared.storage.values import STORE_FORMAT, PartitionMeta, encode

_ROWS = 400


def writes_of(lsn: int) -> dict[bytes, bytes | None]:
    """What the commit of an LSN changes."""
    first = lsn * 7919
    writes: dict[bytes, bytes | None] = {}
    for number in range(8):
        key = keys.STATE + ((first + number * 31) % _ROWS).to_bytes(8, "big")
        writes[key] = None if (lsn + number) % 11 == 0 else lsn.to_bytes(8, "big") * 20
    writes[keys.META_KEY] = encode(PartitionMeta(STORE_FORMAT, 3, 10, 99, lsn, 0, lsn // 100, b"", 0, 0))
    return writes


def rows_at(lsn: int) -> dict[bytes, bytes]:
    """All rows after the commit of an LSN."""
    rows: dict[bytes, bytes] = {}
    for at in range(1, lsn + 1):
        for key, value in writes_of(at).items():
            if value is None:
                rows.pop(key, None)
            else:
                rows[key] = value
    return rows


def main() -> None:
    options = Options(raw_mode=True)
    options.set_write_buffer_size(64 * 1024)
    options.set_max_write_buffer_number(4)
    options.set_level_zero_file_num_compaction_trigger(2)
    options.set_target_file_size_base(16 * 1024)
    options.set_max_manifest_file_size(8 * 1024)
    db = Rdict(sys.argv[1], options)
    lsn = 0
    while True:
        lsn += 1
        batch = WriteBatch(raw_mode=True)
        for key, value in writes_of(lsn).items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        db.write(batch)
        if lsn == 1:
            db.flush(True)
            print("began", flush=True)


if __name__ == "__main__":
    main()
