"""Batches as JSON text or as an Arrow stream: the bodies of `POST /query`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import orjson
import pyarrow as pa

from sqld.engine.json_values import json_values

__all__ = ["ArrowStream", "BodyWriter", "JsonRows"]


class BodyWriter(Protocol):
    """Makes a body piece by piece. The pieces, joined in order, are the body."""

    def begin(self, schema: pa.Schema) -> bytes: ...

    def batch(self, batch: pa.RecordBatch) -> Iterator[bytes]: ...

    def end(self) -> bytes: ...


#: Rows that become one piece: small enough to flow, large enough to pay.
_SLICE_ROWS = 1024


class JsonRows:
    """`{"rows":[{…},…]}`; a column that is null is left out of its row."""

    def __init__(self) -> None:
        self._first = True

    def begin(self, schema: pa.Schema) -> bytes:
        return b'{"rows":['

    def batch(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        names = batch.schema.names
        for start in range(0, batch.num_rows, _SLICE_ROWS):
            columns = [json_values(column) for column in batch.slice(start, _SLICE_ROWS).columns]
            rows = [
                {name: value for name, value in zip(names, row, strict=True) if value is not None}
                for row in zip(*columns, strict=True)
            ]
            text = orjson.dumps(rows)[1:-1]
            yield text if self._first else b"," + text
            self._first = False

    def end(self) -> bytes:
        return b"]}"


class ArrowStream:
    """The Arrow IPC streaming format."""

    def __init__(self) -> None:
        self._pieces = _Pieces()
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None

    def begin(self, schema: pa.Schema) -> bytes:
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._pieces, mode="w"), schema)
        return self._pieces.take()

    def batch(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        assert self._writer is not None
        self._writer.write_batch(batch)
        yield self._pieces.take()

    def end(self) -> bytes:
        assert self._writer is not None
        self._writer.close()
        return self._pieces.take()


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
