"""Failures -> the fields of ErrorResponse. Pure: no I/O."""

from __future__ import annotations

import re

from sqld.engine.failures import QueryFailure
from sqld.pgwire.statements import Piece

__all__ = ["error_fields"]

_PLACE = re.compile(r"Line: (\d+), Column: (\d+)")


def error_fields(failure: QueryFailure, *, statement: Piece | None = None, fatal: bool = False) -> dict[str, str]:
    """With the place in the query string, when the failure names one of `statement`: clients point at it."""
    severity = "FATAL" if fatal else "ERROR"
    fields = {"S": severity, "V": severity, "C": failure.sqlstate, "M": failure.message}
    position = 0 if statement is None else _position(failure.message, statement)
    if position:
        fields["P"] = str(position)
    return fields


def _position(message: str, statement: Piece) -> int:
    """1-based, in characters; 0 when unknown. DataFusion counts lines and columns from 1."""
    match = _PLACE.search(message)
    if match is None:
        return 0
    lines = statement.sql.split("\n")
    line, column = int(match[1]), int(match[2])
    if not 1 <= line <= len(lines) or column < 1:
        return 0
    return statement.start + sum(len(text) + 1 for text in lines[: line - 1]) + column
