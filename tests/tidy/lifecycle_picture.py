"""Draws the table of an invocation's statuses into ARCHITECTURE.md: `scripts/draw`."""

from __future__ import annotations

from partitiond.machine.status import COLUMNS, TABLE, Also
from shared.storage.values import Status
from tests.tidy.sources import ROOT

__all__ = ["draw", "drawn_in"]

_PAGE = ROOT / "ARCHITECTURE.md"
_BEGIN = "<!-- drawn by scripts/draw -->\n"
_END = "<!-- end of what scripts/draw draws -->\n"


def draw() -> str:
    """A Mermaid picture of the moves, and a table of all that moves nothing or is refused."""
    return "\n".join(["```mermaid", "stateDiagram-v2", *_edges(), "```", "", *_rows(), ""])


def _edges() -> list[str]:
    """One arrow for each pair of statuses, with the steps that make it."""
    edges: dict[tuple[str, str], list[str]] = {}
    for step, cells in TABLE.items():
        for status, cell in zip(COLUMNS, cells, strict=True):
            for to in () if isinstance(cell, str) else cell:
                if isinstance(to, Status) or to is Also.FORGOTTEN:
                    # With a retention of 0 the end and the removal are one: the picture shows the end.
                    if to is Also.FORGOTTEN and status is not Status.COMPLETED:
                        continue
                    edges.setdefault((_state(status), _state(to)), []).append(step.value)
    return [f"    {start} --> {end}: {', '.join(steps).replace(':', ' –')}" for (start, end), steps in edges.items()]


def _state(status: Status | Also | None) -> str:
    return status.name.lower() if isinstance(status, Status) else "[*]"


def _rows() -> list[str]:
    names = ["none", *(status.name.lower() for status in Status)]
    head = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    return head + [f"| {step.value} | {' | '.join(_word(cell) for cell in cells)} |" for step, cells in TABLE.items()]


def _word(cell: object) -> str:
    if isinstance(cell, str):
        return f"*{cell.replace('_', ' ')}*"
    assert isinstance(cell, tuple)
    words = {Also.STAYS: "stays", Also.FORGOTTEN: "removed"}
    return " or ".join(words[to] if isinstance(to, Also) else f"**{to.name.lower()}**" for to in cell) or "–"


def drawn_in(page: str) -> tuple[str, str, str]:
    """What stands before the drawing, the drawing, and what comes behind it."""
    before, begin, rest = page.partition(_BEGIN)
    drawing, end, after = rest.partition(_END)
    assert begin, f"ARCHITECTURE.md has lost its line {_BEGIN!r}"
    assert end, f"ARCHITECTURE.md has lost its line {_END!r}"
    return before + begin, drawing, end + after


def main() -> None:
    before, _, after = drawn_in(_PAGE.read_text())
    _PAGE.write_text(before + draw() + after)


if __name__ == "__main__":
    main()
