"""Partitions beside one another: messages, and who can wake whom. Pure: no I/O.

On stores of one moment each finding is a fault; on a node that runs, what is found twice is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from partitiond.machine import wakers
from scripts.debug.doctor.findings import Finding, rebuild_remedy
from scripts.debug.ports import Rows
from shared.storage import keys, values

__all__ = ["check_between"]


def check_between(stores: Mapping[int, Rows], *, complete: bool) -> Iterator[Finding]:
    """By partition. All rows are known to be readable. `complete`: there should be no other partition."""
    metas = {number: meta for number, rows in stores.items() if (meta := rows.meta()) is not None}
    for number in metas:
        where = f"partition {number}"
        for key, value in stores[number].scan(keys.DEDUP, keys.META):
            sender, seen = int.from_bytes(key[1:], "big"), int.from_bytes(value, "big")
            if sender not in metas:
                if not complete:
                    continue
                what = f"has messages of partition {sender}, of which there is no store"
                yield Finding("messages", where, what, "was the store of that partition removed? restore it")
            elif seen > metas[sender].outbox_seq:
                what = (
                    f"has taken message {seen} of partition {sender}, which has made only {metas[sender].outbox_seq}: "
                    "later ones would be taken for repetitions"
                )
                yield Finding("messages", where, what, rebuild_remedy(sender))
        for key, value in stores[number].scan(keys.OUTBOX, keys.DEDUP):
            place = values.decode_outbox_row(value).partition_key
            if complete and not any(meta.start_key <= place <= meta.end_key for meta in metas.values()):
                what = f"message {keys.decode_outbox(key)} is for the place {place:#x}, which is of no partition here"
                yield Finding("messages", where, what, "was the store of that partition removed? restore it")
    for sentence in wakers.check(stores[number] for number in sorted(stores)):
        what = f"nothing can wake it: {sentence}"
        yield Finding(
            "wakers", "all partitions", what, "everlog story tells how it came so; kill or restart it by PATCH"
        )
