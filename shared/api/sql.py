"""What metad asks sqld for the admin API, and the answers. Pure: no I/O."""

from __future__ import annotations

import msgspec

__all__ = ["FORMATS", "QueryChunk", "QueryEnd", "QueryError", "QueryRequest", "SqlReply", "SqlRequest"]


#: {"rows":[…]} text, one JSON object a line, an Arrow IPC stream.
FORMATS = ("json", "jsonl", "arrow")


class QueryRequest(msgspec.Struct, array_like=True, tag=1):
    """Run one SELECT. `format`: one of `FORMATS`."""

    request_id: int
    sql: str
    format: str


class CancelQuery(msgspec.Struct, array_like=True, tag=2):
    """Nobody waits for this query any more."""

    request_id: int


SqlRequest = QueryRequest | CancelQuery


class QueryChunk(msgspec.Struct, array_like=True, tag=65):
    """The next bytes of the answer's body."""

    request_id: int
    data: bytes


class QueryEnd(msgspec.Struct, array_like=True, tag=66):
    """The body is complete."""

    request_id: int


class QueryError(msgspec.Struct, array_like=True, tag=67):
    """The query failed. `status` is the HTTP status: 400 (the query is wrong), 500, 503."""

    request_id: int
    status: int
    message: str


SqlReply = QueryChunk | QueryEnd | QueryError
