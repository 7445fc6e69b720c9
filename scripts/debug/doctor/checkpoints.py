"""Kept checkpoints: they can be opened, are of the LSN that their name says, and the log goes on behind them."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.debug.doctor.findings import Checked, Finding
from scripts.debug.ports import LogReader
from scripts.debug.source import Base, Source
from shared.errors import EverlogError

__all__ = ["check_checkpoints"]

_REMOVE = "remove it: the next checkpoint replaces it (everlog checkpoint)"


def check_checkpoints(source: Source, partition_id: int, log: LogReader | None, checked: Checked) -> Iterator[Finding]:
    for base in source.bases(partition_id):
        checked.add("kept checkpoints")
        where = str(base.path)
        try:
            lsn = _applied(source, base)
        except (EverlogError, OSError) as error:
            yield Finding("checkpoint", where, str(error), _REMOVE)
            continue
        if lsn != base.lsn:
            yield Finding("checkpoint", where, f"its rows are as of LSN {lsn}, not {base.lsn}", _REMOVE)
        if log is not None and log.last_lsn and log.first_lsn > base.lsn + 1:
            what = f"the log begins at LSN {log.first_lsn}: it does not go on where this one ends"
            yield Finding("checkpoint", where, what, "a newer one will do; the next checkpoint replaces it")


def _applied(source: Source, base: Base) -> int:
    rows = source.open_base(base)
    try:
        meta = rows.meta()
    finally:
        rows.close()
    return 0 if meta is None else meta.applied_lsn
