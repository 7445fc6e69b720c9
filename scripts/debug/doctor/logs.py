"""Each group's log: whole, readable, its bounds in order."""

from __future__ import annotations

from collections.abc import Iterator

from metad.registry.codec import decode_proposal
from scripts.debug.doctor.findings import Checked, Finding
from scripts.debug.ports import LogReader, Rows
from shared.api.log import META_GROUP
from shared.errors import EverlogError
from shared.wal.batch import decode_batch

__all__ = ["check_bounds", "check_log"]

_RESTORE = (
    "stop the node and keep the files; a kept checkpoint or snapshot from behind this LSN still gives the state "
    "(everlog snapshot import), and so does another replica"
)


def check_log(group: str, log: LogReader, checked: Checked) -> Iterator[Finding]:
    """Every entry that is there: none is missing, damaged or unknown; terms never shrink."""
    where, term = f"log {group}", 0
    for entry in log.entries(log.first_lsn, log.last_lsn):
        checked.add("log entries")
        if entry.problem is not None:
            yield Finding("log", where, f"LSN {entry.lsn}: {entry.problem[:300]}", _RESTORE)
            continue
        if entry.term < term:
            yield Finding("log", where, f"LSN {entry.lsn} is of term {entry.term}, behind one of term {term}", _RESTORE)
        term = entry.term
        if entry.payload is None:
            continue
        try:
            if group == META_GROUP:
                decode_proposal(entry.payload)
            else:
                decode_batch(entry.payload)
        except EverlogError as error:
            remedy = "use the Everlog that wrote it, if that is a newer one; else restore: " + _RESTORE
            yield Finding("log", where, f"LSN {entry.lsn} cannot be decoded: {error}", remedy)


def check_bounds(group: str, log: LogReader, rows: Rows | None) -> Iterator[Finding]:
    """first <= trim + 1 <= applied + 1 <= last + 1, and the log goes on where the store ends."""
    where = f"log {group}"
    if log.trim_lsn > log.last_lsn:
        yield Finding("log", where, f"its trim point {log.trim_lsn} is behind its end {log.last_lsn}", _RESTORE)
    meta = None if rows is None else rows.meta()
    applied = 0 if meta is None else meta.applied_lsn
    if applied > log.last_lsn:
        what = (
            f"the store has applied LSN {applied}, and the log ends at {log.last_lsn}: one of them is not this node's"
        )
        yield Finding("log", where, what, "restore both from one snapshot (everlog snapshot import)")
    if log.first_lsn > applied + 1:
        what = f"the log begins at LSN {log.first_lsn}, the store has applied only {applied}: what is between is lost"
        remedy = "put a kept checkpoint in place of the store, or restore a snapshot (everlog snapshot import)"
        yield Finding("log", where, what, remedy)
    elif log.trim_lsn > applied:
        what = f"trimmed up to LSN {log.trim_lsn}, and the store has applied only {applied}"
        yield Finding("log", where, what, "put a kept checkpoint in place of the store, or restore a snapshot")
