"""Rows of a query for people: a table, or a block for each row where a table has no room. Owns: nothing.

The first rows decide how wide the columns are; the others are printed as they come, so that an answer of any length
needs no memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import pyarrow as pa

from scripts.console.answers import Answer
from scripts.console.grid import Cell, Column, fits, head, line, pairs, planned
from scripts.console.screen import Screen
from scripts.console.values import is_number, text_column

__all__ = ["lines_of"]

_PEEK_ROWS = 500
_NULL = ("null", "dim")


def lines_of(answer: Answer, screen: Screen, *, expanded: bool = False) -> Iterator[str]:
    """Of the whole answer. `expanded`: a block for each row."""
    columns = [Column(field.name, right=is_number(field.type)) for field in answer.schema]
    width = screen.width
    rows = _rows(answer)
    if expanded or (width is not None and not fits(columns, width)):
        yield from _blocks(columns, rows, screen)
        return
    first = list(itertools.islice(rows, _PEEK_ROWS))
    widths = planned(columns, first, width)
    yield head(columns, widths, screen.paint)
    for row in itertools.chain(first, rows):
        yield line(columns, row, widths, screen.paint, cutting=width is not None)


def _rows(batches: Iterable[pa.RecordBatch]) -> Iterator[list[Cell]]:
    for batch in batches:
        for row in zip(*map(text_column, batch.columns), strict=True):
            yield [_NULL if cell is None else cell for cell in row]


def _blocks(columns: list[Column], rows: Iterator[list[Cell]], screen: Screen) -> Iterator[str]:
    """What is null is left out: wide rows are mostly empty."""
    for number, row in enumerate(rows, start=1):
        yield screen.paint("dim", f"── {number} ──")
        facts = [(column.title, cell) for column, cell in zip(columns, row, strict=True) if cell is not _NULL]
        yield from pairs(facts, indent="", paint=screen.paint)
