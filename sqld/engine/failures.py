"""DataFusion's messages -> SQLSTATE and HTTP status. Pure: no I/O.

DataFusion's errors carry their kind only in their text. What is not known is an internal error. A query that is wrong
has status 400, always; the oracle answers 500 to some, by an accident of how DataFusion wraps its errors.
"""

from __future__ import annotations

import re

__all__ = [
    "CANCELLED",
    "INTERNAL",
    "OUT_OF_MEMORY",
    "READ_ONLY",
    "TIMED_OUT",
    "TOO_COMPLEX",
    "TOO_MANY",
    "TOO_WIDE",
    "UNAVAILABLE",
    "QueryFailure",
    "failure_of",
]

# PostgreSQL 17, appendix A.
CANCELLED = "57014"
TIMED_OUT = "57014"
INTERNAL = "XX000"
READ_ONLY = "25006"
UNAVAILABLE = "57P01"
OUT_OF_MEMORY = "53200"
TOO_MANY = "53300"
TOO_WIDE = "54000"
TOO_COMPLEX = "54001"
_FORBIDDEN = "42501"
_SYNTAX = "42601"


class QueryFailure(Exception):
    """Why a query gives no answer, for its client. `status` is the HTTP one."""

    def __init__(self, message: str, *, sqlstate: str, status: int) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate
        self.status = status


#: (pattern, SQLSTATE, HTTP status); the first that is found wins.
_KINDS: list[tuple[re.Pattern[str], str, int]] = [
    (re.compile(pattern), sqlstate, status)
    for pattern, sqlstate, status in (
        (r"used disk space during the spilling", "53100", 500),
        (r"[Rr]ecursion ?[Ll]imit", TOO_COMPLEX, 400),
        (r"ParserError|TokenizerError|SQL error", _SYNTAX, 400),
        (r"(DDL|DML|Statement) not supported|Query (?:INSERT|UPDATE|DELETE|MERGE)\b", READ_ONLY, 400),
        (r"only supports a single SQL statement|Unsupported SQL statement", _SYNTAX, 400),
        (
            r"table function '.*' not found|Invalid function|[Nn]o function matches|not supported by function",
            "42883",
            400,
        ),
        (r"[Tt]able '.*' not found|table .* not found", "42P01", 400),
        (r"No field named", "42703", 400),
        (r"Ambiguous reference", "42702", 400),
        (r"must appear in the GROUP BY|could not be resolved from available columns", "42803", 400),
        (r"Placeholder .* was not provided|Placeholder type could not be resolved", "08P01", 400),
        (r"Resources exhausted|Failed to allocate|ArrowMemoryError|malloc of size", OUT_OF_MEMORY, 500),
        (r"Regular expression did not compile|regex parse error", "2201B", 400),
        (r"Divide by zero", "22012", 500),
        (r"Cast error|Cannot cast|Parser error: Error parsing", "22P02", 500),
        (r"[Oo]verflow", "22003", 500),
        (r"NotImplemented|not implemented", "0A000", 400),
        (r"Error during planning|Schema error|type_coercion", "42000", 400),
    )
]
#: What the Python binding puts before DataFusion's own text; the oracle's prefix takes its place.
_PREFIX = re.compile(r"^DataFusion error: ")
#: A function or a relation that would be a file to other engines.
_FILE = re.compile(
    r"[Ff]unction '((?:pg_)?(?:read|scan|ls|stat|lo)_\w+|(?:csv|parquet|json|avro)_(?:scan|metadata)|glob)'"
    r"|[Tt]able '(?:restate\.public\.)?+([^']*(?:/|\.(?:csv|parquet|jsonl?|ndjson|avro|arrow|txt)\b)[^']*)' not found"
)


def failure_of(text: str) -> QueryFailure:
    """A DataFusion error's text -> what the client is told."""
    message = _PREFIX.sub("", text)
    file = _FILE.search(message)
    if file is not None:
        text = f"{file[1] or file[2]} is refused: a query reads Everlog's tables, and no files"
        return QueryFailure(text, sqlstate=_FORBIDDEN, status=400)
    for pattern, sqlstate, status in _KINDS:
        if pattern.search(message):
            return QueryFailure(message, sqlstate=sqlstate, status=status)
    return QueryFailure(message, sqlstate=INTERNAL, status=500)
