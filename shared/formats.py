"""The versions of a node as a whole, and how a version that is not known here is refused. Pure: no I/O.

Each stored format has a version of its own, where it is encoded. Those here are of what a node is made of:
`tests/formats` fails when one of the parts has changed and they have not.

Rules that always hold:
- a format's version grows with each release in which anything was added to it: a tag, a field, a kind of key;
- an older version is read, a newer one is refused before anything is written.
"""

from __future__ import annotations

from shared.errors import CorruptionError, FormatError

__all__ = ["DATA_FORMAT", "INTERFACES", "check_format"]

#: Of a data directory as a whole, in `<data>/FORMAT`: no lower than what any file in it needs. 1: up to 0.3. Since 0.4.
DATA_FORMAT = 2
#: Of what the programs of a node say to each other, and of their settings: all of a node are of one. Since 0.4.
INTERFACES = 1


def check_format(what: str, found: int, *, newest: int) -> None:
    """Raises FormatError for a newer version, which names `what`, its version and those that this build reads;
    CorruptionError for a number that never was a version."""
    if 1 <= found <= newest:
        return
    if found < 1:
        raise CorruptionError(f"{what} is damaged: its format version is {found}")
    reads = "1" if newest == 1 else f"1 to {newest}"
    raise FormatError(f"{what} has format version {found}; this build reads {reads}: use the newer build that wrote it")
