"""Which invocations may run, for a leader that takes over: it must not read all that have ended. Pure: no I/O.

The newest of them stand in the partition's own row, which every commit writes anyway; of older ones each has a RUNNING
row. So an invocation that is over soon, as most are, costs no row of its own.

Rules that always hold:
- whoever may run is in exactly one of the two places, and nobody else is;
- it is decided behind each command, so that it does not depend on what is stored together;
- behind an announcement each has a row: a store that did not know (`fresh` is None: an older build wrote it last),
  for which every invocation is looked at once, has then the same rows as one that always knew.
"""

from __future__ import annotations

from collections.abc import Iterator

from partitiond.machine.tables import Tables
from partitiond.machine.txn import Txn
from shared.storage import keys, values

__all__ = ["FRESH_MAX", "check_running", "index_all", "keep_index", "running_ids"]

#: Invocations in the partition's own row, 24 bytes each.
FRESH_MAX = 64


def keep_index(txn: Txn) -> None:
    """A command is applied: note who may run since, and who does no more."""
    fresh = txn.meta.fresh
    for invocation_id, may_run in txn.take_turns():
        if fresh is None:
            continue
        if may_run:
            fresh.append(invocation_id)
        elif invocation_id in fresh:
            fresh.remove(invocation_id)
        else:
            txn.delete(keys.running_key(invocation_id))
    if fresh is not None and len(fresh) > FRESH_MAX:
        for invocation_id in fresh[:-FRESH_MAX]:
            txn.put(keys.running_key(invocation_id), b"")
        del fresh[:-FRESH_MAX]


def index_all(txn: Txn) -> None:
    """A leader takes over: all who may run get a row."""
    fresh = txn.meta.fresh
    if fresh is None:
        # An older build has left them as they were.
        for key in list(txn.scan_keys(keys.RUNNING)):
            txn.delete(key)
        fresh = list(txn.runnable())
    for invocation_id in fresh:
        txn.put(keys.running_key(invocation_id), b"")
    txn.meta.fresh = []


def running_ids(tables: Tables) -> Iterator[bytes]:
    """All that may run. The partition has applied an announcement of this build."""
    stored = tables.get(keys.META_KEY)
    fresh = None if stored is None else values.decode_meta(stored).fresh
    assert fresh is not None, "a leader begins behind its own announcement"
    for key in tables.scan_keys(keys.RUNNING, keys.prefix_end(keys.RUNNING)):
        yield key[1:]
    yield from fresh


def check_running(tables: Tables) -> Iterator[str]:
    """What is wrong with the index."""
    stored = tables.get(keys.META_KEY)
    if stored is None or values.decode_meta(stored).fresh is None:
        return
    listed = list(running_ids(tables))
    if len(listed) != len(set(listed)):
        yield "an invocation is listed twice among those that may run"
    rest = set(listed)
    for key, value in tables.scan(keys.INVOCATION, keys.JOURNAL):
        row = values.decode_invocation(value)
        listed_here = key[1:] in rest
        if row.may_run != listed_here:
            verdict = "is listed" if listed_here else "is not listed"
            yield f"{row.target} {key[1:].hex()}: {verdict} among those that may run while {row.status.name}"
        rest.discard(key[1:])
    for invocation_id in rest:
        yield f"{invocation_id.hex()}: listed among those that may run, and does not exist"
