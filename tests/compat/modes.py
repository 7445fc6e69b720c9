"""The ways in which a runtime and a service may talk. Pure: no I/O."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ALL", "BOTH_WAYS", "FEW", "MODES", "OF_SDK", "SINCE_V6", "Mode"]


class Mode(NamedTuple):
    """`version`: of the service protocol. `both_ways`: one stream, open both ways; else request, then response."""

    version: int
    both_ways: bool


MODES: dict[str, Mode] = {
    f"{letter}{version}": Mode(version, letter == "b") for letter in "br" for version in (5, 6, 7)
}
BOTH_WAYS = tuple(name for name, mode in MODES.items() if mode.both_ways)
SINCE_V6 = tuple(name for name, mode in MODES.items() if mode.version >= 6)
#: For what does not depend on how runtime and service talk.
FEW = ("b7", "r6")
ALL = tuple(MODES)
#: Of the modes of a case, those that an SDK plays unless EVERLOG_ALL_MODES is set: together they play all.
OF_SDK = {"Py": ("b5", "b7", "r6", "r7"), "Ts": ("b6", "b7", "r5", "r7")}
