"""The answer to a query, batch by batch as it comes. Owns: nothing; the connection is `http`'s.

The node holds the query at the pace of who reads. When the connection ends, the query ends.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pyarrow as pa

from scripts.console.admin import Admin
from scripts.console.failures import UnreachableError

__all__ = ["Answer", "ask"]

#: Read in pieces of this size, and not in the few bytes that a message's head has.
_BUFFER_BYTES = 64 * 1024


class Answer:
    """`rows`: how many came so far."""

    def __init__(self, reader: pa.RecordBatchReader) -> None:
        self.schema: pa.Schema = reader.schema
        self.rows = 0
        self._reader = reader

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._reader:
            self.rows += batch.num_rows
            if batch.num_rows:
                yield batch


@contextlib.contextmanager
def ask(admin: Admin, sql: str) -> Iterator[Answer]:
    """Raises RefusedError for what the node does not run, UnreachableError when it stops in the midst of it."""
    with admin.arrow(sql) as response:
        body = pa.BufferedInputStream(pa.PythonFile(response, mode="r"), _BUFFER_BYTES)
        try:
            yield Answer(pa.ipc.open_stream(body))
        except pa.ArrowInvalid as error:
            raise UnreachableError(
                f"{admin.url} ended its answer in the midst of it: the query took too long, or failed; "
                "its log tells why (`everlog logs sqld`)"
            ) from error
