"""The ways in which a runtime and a service may talk. Pure: no I/O."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["BOTH_WAYS", "MODES", "NEWEST", "REQUEST_RESPONSE", "SINCE_V6", "Mode"]


class Mode(NamedTuple):
    """`version`: of the service protocol. `both_ways`: one stream, open both ways; else request, then response."""

    version: int
    both_ways: bool


MODES: dict[str, Mode] = {
    f"{letter}{version}": Mode(version, letter == "b") for letter in "br" for version in (5, 6, 7)
}
BOTH_WAYS = tuple(name for name, mode in MODES.items() if mode.both_ways)
REQUEST_RESPONSE = tuple(name for name, mode in MODES.items() if not mode.both_ways)
SINCE_V6 = tuple(name for name, mode in MODES.items() if mode.version >= 6)
NEWEST = ("b7",)
