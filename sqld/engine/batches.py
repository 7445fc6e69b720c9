"""Rows -> Arrow batches of a bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sqld.engine.failures import TOO_WIDE, QueryFailure
from sqld.tables.source import Columns

__all__ = ["Chunks", "kept_rows", "slices", "to_batch"]

#: Rows of the first batches: `limit 5` should not read thousands; later ones are as large as pays.
_ROWS_FIRST = 64
_ROWS_MAX = 4096
#: Stored bytes of one batch, but for a single row that is larger.
_BYTES_MAX = 1024 * 1024
_NUMBER = "\0number"
#: As text a row may be several times as large.
_ROW_BYTES_MAX = 128 * 1024 * 1024


class Chunks:
    """Rows in lists that grow. `rows` gives each with its bytes; `rows_hint`: more may not be wanted, 0 unknown."""

    def __init__(self, rows: Iterator[tuple[Any, int]], rows_hint: int) -> None:
        self._rows = rows
        self._count = min(rows_hint, _ROWS_MAX) or _ROWS_FIRST

    def __iter__(self) -> Iterator[list[Any]]:
        rows = self._rows
        while True:
            chunk: list[Any] = []
            left, room = self._count, _BYTES_MAX
            for row, size in rows:
                chunk.append(row)
                left -= 1
                room -= size
                if left == 0 or room <= 0:
                    break
            if not chunk:
                return
            yield chunk
            self._count = min(self._count * 4, _ROWS_MAX)


def to_batch(rows: list[Any], schema: pa.Schema, columns: Columns) -> pa.RecordBatch:
    """One batch; a column that `columns` does not have is null."""
    arrays = []
    for field in schema:
        column = columns.get(field.name)
        values = None if column is None else [column(row) for row in rows]
        # To make an array of nulls out of them takes seven times as long.
        if values is None or (len(values) == 1 and values[0] is None):
            arrays.append(pa.nulls(len(rows), field.type))
        else:
            arrays.append(pa.array(values, field.type))
    if not arrays:
        # count(*) needs no column, but the number of rows.
        return pa.RecordBatch.from_arrays([pa.nulls(len(rows))], ["_"]).select([])
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def kept_rows(rows: list[Any], tested: pa.RecordBatch, filter: pc.Expression) -> list[Any]:
    """The rows that pass a filter; `tested` has the columns that it reads."""
    numbers = pa.array(range(len(rows)), pa.uint32())
    numbered = pa.RecordBatch.from_arrays([*tested.columns, numbers], names=[*tested.schema.names, _NUMBER])
    kept = numbered.filter(filter).column(len(tested.schema.names))
    return rows if len(kept) == len(rows) else [rows[number] for number in kept.to_pylist()]


def slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A batch in pieces of a bounded size. Raises QueryFailure for a row that is too wide to be sent."""
    # The first tells of what a batch is a part of, too, but takes microseconds instead of hundreds of them.
    if batch.get_total_buffer_size() <= _BYTES_MAX or batch.nbytes <= _BYTES_MAX:
        yield batch
        return
    rows = max(1, batch.num_rows * _BYTES_MAX // batch.nbytes)
    for start in range(0, batch.num_rows, rows):
        piece = batch.slice(start, rows)
        if piece.num_rows == 1 and piece.nbytes > _ROW_BYTES_MAX:
            text = f"a row of {piece.nbytes} bytes is over the limit of {_ROW_BYTES_MAX}: ask for fewer columns"
            raise QueryFailure(text, sqlstate=TOO_WIDE, status=400)
        yield piece
