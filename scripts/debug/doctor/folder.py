"""The data directory: formats, rights, space, leftovers."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from logd.store import STORE_FORMAT as LOG_FORMAT
from scripts.debug.doctor.findings import Checked, Finding
from scripts.node.layout import read_format
from shared.damage import aside_names
from shared.errors import ConfigError
from shared.formats import DATA_FORMAT

__all__ = ["check_folder"]

_FREE_BYTES_MIN = 1 << 30
#: What an interrupted step leaves, and the next one would take away.
_LEFTOVERS = (
    "FORMAT.new",
    "log/FORMAT.tmp",
    "importing",
    "partitions/*/store.making",
    "partitions/*/checkpoints/.making",
    "partitions/*/checkpoints/.dropping",
)


def check_folder(path: Path, checked: Checked, *, running: bool) -> Iterator[Finding]:
    checked.add("folders")
    yield from _formats(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield _finding(path, f"others may look into it (mode {mode:04o})", f"chmod 700 {path}")
    free = shutil.disk_usage(path).free
    if free < _FREE_BYTES_MIN:
        remedy = "make room, or move the data directory; the log stops when the disk is full"
        yield _finding(path, f"only {free >> 20} MiB are free on its file system", remedy)
    for found in aside_names(path):
        what = "was put aside because it was damaged, and made anew from the log"
        yield _finding(found, what, "look at the disk and the memory of this machine; then it may be removed")
    if running:
        return  # They may be in use.
    for pattern in _LEFTOVERS:
        for found in sorted(path.glob(pattern)):
            yield _finding(found, "was left behind by a step that was interrupted", "harmless; remove it")


def _formats(path: Path) -> Iterator[Finding]:
    try:
        number = read_format(path)
    except ConfigError as error:
        yield _finding(path / "FORMAT", str(error), f"it holds {{'format': {DATA_FORMAT}}} as JSON: restore it")
        return
    if number is None:
        if (path / "log").is_dir():
            yield _finding(path / "FORMAT", "is missing", "restore it from a copy")
    elif number > DATA_FORMAT:
        remedy = "use the Everlog that wrote it"
        yield _finding(path / "FORMAT", f"says format {number}, this build knows up to {DATA_FORMAT}", remedy)
    log = path / "log" / "FORMAT"
    if not (path / "log").is_dir():
        return
    try:
        text = log.read_text().strip()
    except FileNotFoundError:
        yield _finding(log, "is missing", f"restore it from a copy (it holds `{LOG_FORMAT}`)")
        return
    if not text.isdecimal():
        yield _finding(log, f"is damaged: it holds {text!r}", f"restore it from a copy (it holds `{LOG_FORMAT}`)")
    elif int(text) > LOG_FORMAT:
        what = f"says format {text}, this build knows up to {LOG_FORMAT}"
        yield _finding(log, what, "use the Everlog that wrote it")


def _finding(path: Path, what: str, remedy: str) -> Finding:
    return Finding("folder", str(path), what, remedy)
