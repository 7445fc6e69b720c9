"""Batches as JSON text, lines of JSON or an Arrow stream: the bodies of `POST /query`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import orjson
import pyarrow as pa

from sqld.engine.json_values import json_values

__all__ = ["FORMATS", "ArrowStream", "BodyWriter", "JsonLines", "JsonRows"]


class BodyWriter(Protocol):
    """Makes a body piece by piece. The pieces, joined in order, are the body."""

    def begin(self, schema: pa.Schema) -> bytes: ...

    def batch(self, batch: pa.RecordBatch) -> Iterator[bytes]: ...

    def end(self) -> bytes: ...


#: Rows and about as many bytes that become one piece: small enough to flow, large enough to pay.
_PIECE_ROWS = 1024
_PIECE_BYTES = 256 * 1024


def _pieces_of(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Journal entries and state may be large: some megabytes a row."""
    if batch.num_rows <= _PIECE_ROWS and batch.get_total_buffer_size() <= _PIECE_BYTES:
        return iter((batch,))
    rows = max(1, min(_PIECE_ROWS, batch.num_rows * _PIECE_BYTES // max(1, batch.nbytes)))
    return (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))


def _json_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """A column that is null is left out of its row."""
    names = batch.schema.names
    columns = [json_values(column) for column in batch.columns]
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in zip(*columns, strict=True)
    ]


class JsonRows:
    """`{"rows":[{…},…]}`"""

    def __init__(self) -> None:
        self._first = True

    def begin(self, schema: pa.Schema) -> bytes:
        return b'{"rows":['

    def batch(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        for piece in _pieces_of(batch):
            text = orjson.dumps(_json_rows(piece))[1:-1]
            yield text if self._first else b"," + text
            self._first = False

    def end(self) -> bytes:
        return b"]}"


class JsonLines:
    """One object a line."""

    def begin(self, schema: pa.Schema) -> bytes:
        return b""

    def batch(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        for piece in _pieces_of(batch):
            yield b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in _json_rows(piece))

    def end(self) -> bytes:
        return b""


class ArrowStream:
    """The Arrow IPC streaming format."""

    def __init__(self) -> None:
        self._pieces = _Pieces()
        self._schema = pa.schema([])
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None

    def begin(self, schema: pa.Schema) -> bytes:
        self._schema = schema
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._pieces, mode="w"), schema)
        return self._pieces.take()

    def batch(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        assert self._writer is not None
        for piece in _pieces_of(_as_planned(batch, self._schema)):
            self._writer.write_batch(piece)
            yield self._pieces.take()

    def end(self) -> bytes:
        assert self._writer is not None
        self._writer.close()
        return self._pieces.take()


def _as_planned(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """DataFusion's batches may say otherwise than its plan whether a column can be null; a stream has one schema."""
    if batch.schema.equals(schema):
        return batch
    columns = [
        column if column.type.equals(field.type) else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


class _Pieces:
    """A file that keeps what is written until it is taken."""

    closed = False

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None: ...

    def take(self) -> bytes:
        taken = b"".join(self._written)
        self._written.clear()
        return taken


#: By the words of `QueryRequest.format`.
FORMATS: dict[str, Callable[[], BodyWriter]] = {"json": JsonRows, "jsonl": JsonLines, "arrow": ArrowStream}
