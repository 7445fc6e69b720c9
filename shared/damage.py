"""What is damaged is put aside under another name, never deleted. Owns nothing."""

from __future__ import annotations

from pathlib import Path

__all__ = ["aside_name", "aside_names"]

#: Between the old name and a number.
_ASIDE = ".damaged-"
#: Where in a data directory such things may be.
_PLACES = ("partitions/*/*", "partitions/*/checkpoints/*", "partitions/*/store/*", "log/*")


def aside_name(path: Path) -> Path:
    """A name beside `path` that is free."""
    number = 1
    while (name := path.with_name(f"{path.name}{_ASIDE}{number}")).exists():
        number += 1
    return name


def aside_names(data_path: Path) -> list[Path]:
    """All that was put aside in a data directory. The operator may delete it when it is of no interest any more."""
    return sorted(path for place in _PLACES for path in data_path.glob(f"{place}{_ASIDE}*"))
