"""What is refused before it is planned. Pure: no I/O."""

from __future__ import annotations

import re

from sqld.engine.failures import READ_ONLY, TOO_COMPLEX, QueryFailure

__all__ = ["refusal_of", "setting_refusal"]

#: Of one statement: an IN list of 100,000 ids fits.
_STATEMENT_BYTES_MAX = 8 * 1024 * 1024
#: Operators of a statement: planning a sum of a thousand terms takes a second, of two thousand four.
_OPERATORS_MAX = 5_000
_OPERATOR = re.compile(r"\b(?:and|or|union|not)\b|[-+*/%|~]", re.I)
_TEXT = re.compile(r"'(?:[^']|'')*'")
_WRITES = frozenset(
    (
        *("alter", "analyze", "call", "cluster", "comment", "copy", "create", "deallocate", "delete", "do", "drop"),
        *("execute", "grant", "import", "insert", "listen", "load", "lock", "merge", "notify", "prepare", "refresh"),
        *("reindex", "revoke", "truncate", "update", "vacuum"),
    )
)
_SETTINGS = frozenset(("set", "reset", "use"))
_FIRST_WORD = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/|\()*([A-Za-z]+)", re.DOTALL)


def refusal_of(sql: str) -> QueryFailure | None:
    """A statement that would write is refused by name, before DataFusion finds some smaller fault in it; so is one
    that is so large that planning it is work without end."""
    match = _FIRST_WORD.match(sql)
    word = "" if match is None else match[1].upper()
    if word.lower() in _SETTINGS:
        return setting_refusal(word)
    if word.lower() not in _WRITES:
        return _too_large(sql)
    return QueryFailure(
        f"{word} is refused: Everlog's SQL is read-only, it takes SELECT, EXPLAIN, SHOW and DESCRIBE",
        sqlstate=READ_ONLY,
        status=400,
    )


def setting_refusal(word: str) -> QueryFailure:
    """A statement that would change how the engine runs. `word`: SET or the like."""
    text = f"{word} is refused: what bounds a query is set for the node (query_memory_bytes, query_timeout_s)"
    return QueryFailure(text, sqlstate=READ_ONLY, status=400)


def _too_large(sql: str) -> QueryFailure | None:
    if len(sql) > _STATEMENT_BYTES_MAX:
        text = f"a statement of {len(sql)} characters is over the limit of {_STATEMENT_BYTES_MAX}"
        return QueryFailure(text, sqlstate=TOO_COMPLEX, status=400)
    if len(sql) < _OPERATORS_MAX:
        return None
    operators = sum(1 for _ in _OPERATOR.finditer(_TEXT.sub("", sql)))
    if operators > _OPERATORS_MAX:
        text = f"a statement of {operators} operators is over the limit of {_OPERATORS_MAX}: use a list (IN)"
        return QueryFailure(text, sqlstate=TOO_COMPLEX, status=400)
    return None
