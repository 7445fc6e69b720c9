"""The terminal: how wide, in colours or not, and what people answer. Owns: stdout and stdin of a verb."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from scripts.cli.people import Paint
from scripts.console.failures import UsageError
from scripts.console.grid import Cell, Column, grid, pairs

__all__ = ["Screen", "confirmed", "print_json"]


class Screen:
    """What goes to stdout. Elsewhere than on a terminal nothing is cut and nothing is coloured."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdout.isatty()
        self._paint = Paint()

    @property
    def width(self) -> int | None:
        """Places in a line; None: as many as there are."""
        return shutil.get_terminal_size((100, 24)).columns if self.is_terminal else None

    @property
    def height(self) -> int:
        return shutil.get_terminal_size((100, 24)).lines

    def paint(self, style: str, text: str) -> str:
        """`style`: a method of Paint, or empty."""
        shown: str = getattr(self._paint, style)(text) if style else text
        return shown

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
        for line in grid(columns, rows, width=self.width, paint=self.paint):
            print(line)

    def facts(self, facts: Sequence[tuple[str, Cell]]) -> None:
        """`name  value`, indented."""
        for line in pairs(facts, paint=self.paint):
            print(line)

    def title(self, text: str) -> None:
        print(self.paint("bold", text))


def print_json(value: Any) -> None:
    """For scripts: indented, in UTF-8 as it is."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def confirmed(question: str, *, yes: bool) -> bool:
    """What the user answers to `question`; `yes` answers for them. Raises UsageError where nobody can be asked."""
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{question} Say --yes, as there is nobody to ask here")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
