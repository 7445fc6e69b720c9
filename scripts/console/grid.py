"""Tables that fit a terminal. Pure: no I/O.

A cell is text, or (text, style) with a style of `people.Paint`: `good`, `bad`, `note`, `dim`, `bold`. Widths are those
of a terminal: East Asian letters take two places, combining marks none; control characters become blanks, so that no
value can move the cursor.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import NamedTuple

__all__ = ["Cell", "Column", "clean", "cut", "fits", "grid", "head", "line", "pairs", "planned", "width_of"]

Cell = str | tuple[str, str]
#: (style, text) -> the text with what makes the terminal show it so.
Paint = Callable[[str, str], str]

_GAP = 2
#: No column is cut below this.
_LEAST = 6


class Column(NamedTuple):
    """`whole`: never cut, for what people copy. `right`: for numbers."""

    title: str
    whole: bool = False
    right: bool = False


def clean(text: str) -> str:
    """In one line, without control characters."""
    if text.isprintable():
        return text
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def width_of(text: str) -> int:
    """Places on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_places(letter) for letter in text)


def _places(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def cut(text: str, width: int) -> str:
    """At most `width` places, with … for what is left out."""
    if width_of(text) <= width:
        return text
    room, kept = width - 1, []
    for letter in text:
        room -= _places(letter)
        if room < 0:
            break
        kept.append(letter)
    return "".join(kept) + "…" if width > 0 else ""


def grid(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, width: int | None = None, paint: Paint | None = None
) -> list[str]:
    """Lines: the head, then the rows. `width` None: as wide as it comes."""
    widths = planned(columns, rows, width)
    return [head(columns, widths, paint), *(line(columns, row, widths, paint) for row in rows)]


def planned(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int | None) -> list[int]:
    """How wide each column is to be for these rows."""
    wanted = [
        max([width_of(column.title), *(width_of(_split(row[place])[0]) for row in rows)])
        for place, column in enumerate(columns)
    ]
    return wanted if width is None else _fitted(columns, wanted, width)


def fits(columns: Sequence[Column], width: int) -> bool:
    """Is there room for something of each column."""
    return sum(min(width_of(column.title), _LEAST) + _GAP for column in columns) - _GAP <= width


def head(columns: Sequence[Column], widths: Sequence[int], paint: Paint | None) -> str:
    """The titles."""
    return line(columns, [(column.title, "dim") for column in columns], widths, paint)


def line(
    columns: Sequence[Column],
    row: Sequence[Cell],
    widths: Sequence[int],
    paint: Paint | None,
    *,
    cutting: bool = True,
) -> str:
    """One row. `cutting` False: what is longer than its column goes over it."""
    parts = []
    last = len(columns) - 1
    for place, (column, cell, width) in enumerate(zip(columns, row, widths, strict=True)):
        text, style = _split(cell)
        shown = cut(text, width) if cutting else text
        blanks = " " * (width - width_of(shown))
        painted = paint(style, shown) if paint is not None and style and shown else shown
        if column.right:
            parts.append(blanks + painted)
        else:
            parts.append(painted if place == last else painted + blanks)
    return (" " * _GAP).join(parts).rstrip()


def _split(cell: Cell) -> tuple[str, str]:
    text, style = cell if isinstance(cell, tuple) else (cell, "")
    return clean(text), style


def _fitted(columns: Sequence[Column], wanted: Sequence[int], width: int) -> list[int]:
    """Widths that fit: the widest columns that may be cut give first, to one common width."""
    room = width - _GAP * (len(columns) - 1)
    fixed = sum(each for column, each in zip(columns, wanted, strict=True) if column.whole)
    open_to_cuts = sorted(each for column, each in zip(columns, wanted, strict=True) if not column.whole)
    left, limit = room - fixed, max(wanted, default=0)
    if sum(open_to_cuts) > left:
        limit = _LEAST
        for place, each in enumerate(open_to_cuts):
            share = left // (len(open_to_cuts) - place)
            if each > share:
                limit = max(share, _LEAST)
                break
            left -= each
    return [each if column.whole else min(each, limit) for column, each in zip(columns, wanted, strict=True)]


def pairs(facts: Sequence[tuple[str, Cell]], *, indent: str = "  ", paint: Paint | None = None) -> list[str]:
    """`name  value` in lines; facts without a value are left out."""
    shown = [(name, _split(cell)) for name, cell in facts if _split(cell)[0]]
    width = max((width_of(name) for name, _ in shown), default=0)
    lines = []
    for name, (text, style) in shown:
        title = name + " " * (width - width_of(name))
        value = paint(style, text) if paint is not None and style else text
        lines.append(f"{indent}{paint('dim', title) if paint is not None else title}  {value}")
    return lines
