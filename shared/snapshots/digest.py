"""SHA-256 over all rows of a store. Reads only.

Two stores with the same rows have the same digest, whatever their files look like; the same that
`partitiond.store` computes of an open one.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from rocksdict import AccessType, Options, Rdict

from shared import bounded_scan
from shared.errors import CorruptionError
from shared.snapshots.checkpoints import copy_checkpoint
from shared.storage.digest import rows_digest

__all__ = ["checkpoint_digest"]

_TELL_EVERY = 10_000


def checkpoint_digest(path: Path, scratch: Path, progress: Callable[[int], None] = lambda rows: None) -> str:
    """The digest of a kept checkpoint's rows, in hex. `scratch` is made and removed: opening a store writes.

    `progress` is told now and then how many rows more were read. Raises CorruptionError for what cannot be read.
    """
    try:
        copy_checkpoint(path, scratch)
        return _digest(scratch, progress)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _digest(path: Path, progress: Callable[[int], None]) -> str:
    try:
        db = Rdict(str(path), Options(raw_mode=True), access_type=AccessType.read_only())
    except Exception as error:
        raise CorruptionError(f"{path} cannot be opened: {error}") from error
    try:
        return rows_digest(_telling(bounded_scan.scan(db, b"\x00", b"\xff" * 64), progress))
    except AssertionError:
        raise
    except Exception as error:
        raise CorruptionError(f"{path} cannot be read: {error}") from error
    finally:
        db.close()


def _telling(rows: Iterator[tuple[bytes, bytes]], progress: Callable[[int], None]) -> Iterator[tuple[bytes, bytes]]:
    for number, row in enumerate(rows):
        yield row
        if number % _TELL_EVERY == _TELL_EVERY - 1:
            progress(_TELL_EVERY)
