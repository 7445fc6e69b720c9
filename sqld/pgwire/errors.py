"""Failures -> the fields of ErrorResponse and NoticeResponse. Pure: no I/O."""

from __future__ import annotations

import re

from sqld.engine.failures import QueryFailure
from sqld.pgwire.statements import Piece, code_of

__all__ = ["error_fields", "notice_fields"]

_PLACE = re.compile(r"Line: (\d+), Column: (\d+)")
#: What a message names by its name, where DataFusion does not say the place.
_NAMED = re.compile(
    r"No field named (?P<field>[^\s,]+?)\.?(?:\s|$)|[Tt]able '(?P<table>[^']+)' not found"
    r"|Invalid function '(?P<function>[^']+)'|Ambiguous reference to unqualified field (?P<ambiguous>\S+)"
)


def error_fields(failure: QueryFailure, *, statement: Piece | None = None, fatal: bool = False) -> dict[str, str]:
    """With the place in the query string, when the failure names one of `statement`: clients point at it."""
    fields = _fields("FATAL" if fatal else "ERROR", failure.sqlstate, failure.message)
    position = 0 if statement is None else _position(failure.message, statement)
    if position:
        fields["P"] = str(position)
    return fields


def notice_fields(severity: str, sqlstate: str, message: str) -> dict[str, str]:
    """`severity`: WARNING or NOTICE."""
    return _fields(severity, sqlstate, message)


def _fields(severity: str, sqlstate: str, message: str) -> dict[str, str]:
    # A NUL would end the field, and with it everything behind.
    return {"S": severity, "V": severity, "C": sqlstate, "M": message.replace("\0", "\ufffd")}


def _position(message: str, statement: Piece) -> int:
    """1-based, in characters; 0 when unknown. DataFusion counts lines and columns from 1."""
    match = _PLACE.search(message)
    if match is None:
        return _position_of_name(message, statement)
    lines = statement.sql.split("\n")
    line, column = int(match[1]), int(match[2])
    if not 1 <= line <= len(lines) or column < 1:
        return 0
    return statement.start + sum(len(text) + 1 for text in lines[: line - 1]) + column


def _position_of_name(message: str, statement: Piece) -> int:
    """Where the name that is wrong stands, if it stands there once."""
    match = _NAMED.search(message)
    if match is None:
        return 0
    name = next(text for text in match.groups() if text is not None).split(".")[-1].strip('"')
    code = code_of(statement.sql)
    places = [found.start() for found in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", code, re.I)]
    return statement.start + places[0] + 1 if len(places) == 1 else 0
