"""Look-ups: `select … from table where id = '…'`, read off the statement's text. Pure: no I/O.

To plan and start such a statement takes DataFusion five times as long as to read the row. What is not plainly of this
form, or names what the table does not have, is left to it, and so are all errors.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

__all__ = ["Lookup", "columns_of", "lookup_of"]

#: A longer statement is none.
_CHARACTERS_MAX = 4096
_NAME = r'(?:[a-z_][a-z0-9_]*|"[a-z_][a-z0-9_]*")'
_ITEM = rf"(?:{_NAME}\s*\.\s*)?{_NAME}(?:\s+as\s+{_NAME})?"
_LOOKUP = re.compile(
    rf"""\s*select\s+(?P<items>(?:{_NAME}\s*\.\s*)?\*|{_ITEM}(?:\s*,\s*{_ITEM})*)
    \s+from\s+(?P<table>{_NAME})(?:\s+(?:as\s+)?(?P<alias>{_NAME}))?
    \s+where\s+(?:(?P<of>{_NAME})\s*\.\s*)?(?P<column>{_NAME})\s*=\s*(?:'(?P<text>[^'\\]*)'|\$(?P<number>[1-9][0-9]?))
    (?:\s+limit\s+(?P<limit>[0-9]{{1,9}}))?\s*;?\s*""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_ITEM_PARTS = re.compile(rf"(?:({_NAME})\s*\.\s*)?({_NAME}|\*)(?:\s+as\s+({_NAME}))?", re.IGNORECASE | re.ASCII)


class Lookup(NamedTuple):
    """`items`: (column, name in the answer), `*` for all. The value is `text`, or that of the parameter `number`."""

    table: str
    items: list[tuple[str, str]]
    column: str
    text: str | None
    number: int
    limit: int | None


def lookup_of(sql: str) -> Lookup | None:
    """None: it is of another form, for all that we can tell."""
    match = _LOOKUP.fullmatch(sql) if len(sql) <= _CHARACTERS_MAX else None
    if match is None:
        return None
    table = _plain(match["table"])
    known_as = _plain(match["alias"] or match["table"])
    items = []
    for item in match["items"].split(","):
        parts = _ITEM_PARTS.fullmatch(item.strip())
        assert parts is not None, item
        if parts[1] is not None and _plain(parts[1]) != known_as:
            return None
        column = _plain(parts[2])
        items.append((column, _plain(parts[3] or column)))
    if match["of"] is not None and _plain(match["of"]) != known_as:
        return None
    limit = None if match["limit"] is None else int(match["limit"])
    return Lookup(table, items, _plain(match["column"]), match["text"], int(match["number"] or 0), limit)


def columns_of(lookup: Lookup, known: Collection[str]) -> list[tuple[str, str]] | None:
    """What the answer has, as (column, name); None when the table does not have that, or a name comes twice."""
    if lookup.items == [("*", "*")]:
        return [(name, name) for name in known]
    if any(column not in known for column, _ in lookup.items):
        return None
    return lookup.items if len({name for _, name in lookup.items}) == len(lookup.items) else None


def _plain(name: str) -> str:
    """As the engine reads it: in lower case, unless it is in quotes."""
    return name[1:-1] if name.startswith('"') else name.lower()
