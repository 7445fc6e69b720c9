"""Each partition's rows: readable, in range, and the machine's own invariants."""

from __future__ import annotations

from collections.abc import Iterator

from partitiond.machine import invariants
from scripts.debug.doctor.findings import Checked, Finding, rebuild_remedy
from scripts.debug.ports import FIRST_KEY, LAST_KEY, Rows
from scripts.debug.rows import decode_row, table_of
from shared.errors import CorruptionError
from shared.ids import partition_key_of
from shared.storage import keys
from shared.storage.values import PartitionMeta

__all__ = ["check_durable", "check_store"]

#: Kinds whose keys go on with something else than the partition key.
_PARTITIONS_OWN = frozenset({keys.OUTBOX, keys.DEDUP, keys.META, keys.RULES})


def check_store(partition_id: int, rows: Rows, checked: Checked) -> Iterator[Finding]:
    where, remedy = f"partition {partition_id}", rebuild_remedy(partition_id)
    meta = rows.meta()
    if meta is None:
        return
    if meta.partition_id != partition_id:
        yield Finding("store", where, f"its store says that it is partition {meta.partition_id}", remedy)
    readable = True
    try:
        for key, value in rows.scan(FIRST_KEY, LAST_KEY):
            checked.add("rows")
            row = decode_row(key, value)
            if row.error is not None:
                readable = False
                yield Finding("store", where, f"{row.name}: {row.error}", remedy)
            elif not _is_own(key, meta):
                yield Finding("store", where, f"{row.name} is not of its keys", remedy)
            elif table_of(key) == "outbox" and keys.decode_outbox(key) > meta.outbox_seq:
                yield Finding("store", where, f"{row.name} is behind the newest sequence {meta.outbox_seq}", remedy)
    except CorruptionError as error:
        yield Finding("store", where, str(error), remedy)
        return
    if readable:
        checked.add("machine invariants")
        for sentence in invariants.check(rows):
            yield Finding("machine", where, sentence, remedy)


def _is_own(key: bytes, meta: PartitionMeta) -> bool:
    kind = key[:1]
    if kind in _PARTITIONS_OWN:
        return True
    place = partition_key_of(keys.decode_timer(key)[1]) if kind == keys.TIMER else int.from_bytes(key[1:9], "big")
    return meta.start_key <= place <= meta.end_key


def check_durable(partition_id: int, durable: PartitionMeta | None, trim_lsn: int) -> Iterator[Finding]:
    """`durable`: what a power loss would leave of the store."""
    lsn = 0 if durable is None else durable.applied_lsn
    if trim_lsn > lsn:
        what = f"the log is trimmed up to LSN {trim_lsn}, and only {lsn} would be left of the store after a power loss"
        yield Finding("store", f"partition {partition_id}", what, "start the node and let it make a checkpoint")
