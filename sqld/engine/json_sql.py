"""Calls of JSON functions, and the operators `->` and `->>`, as DataFusion can plan them. Pure: no I/O.

Restate registers functions with any number of arguments and operators; from Python a function has a fixed number of
them, and there are no operators. So `json_get_str(x, 'a', 0)` is written `json_get_str_2(x, 'a', '0')`, and
`x -> 'a' ->> 'b'` is `json_as_text(json_get(x, 'a'), 'b')`. A query without any of these is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["FUNCTIONS", "PATH_MAX", "with_json_functions"]

#: Functions of a JSON text and a path into it.
FUNCTIONS = (
    *("json_as_text", "json_contains", "json_get", "json_get_array", "json_get_bool", "json_get_float", "json_get_int"),
    *("json_get_json", "json_get_str", "json_length", "json_object_keys"),
)
#: Steps of a path.
PATH_MAX = 8

_OPERATORS = {"->": "json_get", "->>": "json_as_text"}
_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)
    |(?P<text>[eE]?'(?:[^']|'')*')
    |(?P<name>"(?:[^"]|"")*"|[^\W\d]\w*|\$\d+)
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<sign>->>|->|::|.)""",
    re.VERBOSE | re.DOTALL,
)
#: Words before a parenthesis, or an operand, that name no function.
_KEYWORDS = frozenset(
    (
        *(
            "all",
            "and",
            "any",
            "as",
            "between",
            "by",
            "case",
            "distinct",
            "else",
            "end",
            "from",
            "having",
            "ilike",
            "in",
        ),
        *("is", "like", "limit", "not", "on", "or", "over", "select", "then", "union", "when", "where"),
    )
)
_Token = tuple[str, str]


def with_json_functions(sql: str) -> str:
    """The same query, planned by DataFusion where it uses none of the functions in another way."""
    if "->" not in sql and "json_" not in sql.lower():
        return sql
    tokens = _tokens(sql)
    while (at := next((i for i, token in enumerate(tokens) if token[1] in _OPERATORS and token[0] == "sign"), -1)) > 0:
        first, last = _operand_before(tokens, at), _operand_after(tokens, at)
        if first is None or last is None:
            return sql
        left, right = _join(tokens[first:at]).strip(), _join(tokens[at + 1 : last]).strip()
        tokens[first:last] = _tokens(f"{_OPERATORS[tokens[at][1]]}({left}, {right})")
    for at in range(len(tokens) - 1, -1, -1):
        if tokens[at][0] == "name" and tokens[at][1].lower() in FUNCTIONS:
            tokens[at:] = _with_count(tokens[at:])
    return _join(tokens)


def _tokens(sql: str) -> list[_Token]:
    return [(match.lastgroup or "", match[0]) for match in _TOKEN.finditer(sql)]


def _join(tokens: list[_Token]) -> str:
    return "".join(text for _, text in tokens)


def _operand_before(tokens: list[_Token], end: int) -> int | None:
    """Where the operand begins that ends before `end`: a name, a text, a call, or what is in parentheses."""
    at = _skip(tokens, end - 1, -1)
    if at is None:
        return None
    if tokens[at][1] == ")":
        opening = _matching(tokens, at, -1)
        if opening is None:
            return None
        before = _skip(tokens, opening - 1, -1)
        at = opening if before is None or not _is_name(tokens[before]) else before
    elif tokens[at][0] != "text" and not _is_name(tokens[at]):
        return None
    before = _skip(tokens, at - 1, -1)
    if before is not None and tokens[before][1] in (".", "::"):
        return _operand_before(tokens, before)
    return at


def _is_name(token: _Token) -> bool:
    return token[0] == "name" and token[1].lower() not in _KEYWORDS


def _operand_after(tokens: list[_Token], at: int) -> int | None:
    """Behind the operand that follows an operator: a text, a number, a name, or what is in parentheses."""
    start = _skip(tokens, at + 1, 1)
    if start is None:
        return None
    if tokens[start][1] == "(":
        closing = _matching(tokens, start, 1)
        return None if closing is None else closing + 1
    return start + 1 if tokens[start][0] in ("name", "text", "number") else None


def _skip(tokens: list[_Token], at: int, step: int) -> int | None:
    """The next place that holds no white space."""
    while 0 <= at < len(tokens):
        if tokens[at][0] != "space":
            return at
        at += step
    return None


def _matching(tokens: list[_Token], at: int, step: int) -> int | None:
    """The other parenthesis of a pair."""
    depth = 0
    while 0 <= at < len(tokens):
        depth += {"(": step, ")": -step}.get(tokens[at][1], 0) if tokens[at][0] == "sign" else 0
        if depth == 0:
            return at
        at += step
    return None


def _with_count(tokens: list[_Token]) -> list[_Token]:
    """Tokens that begin with a function's name: it is told how long its path is, and the path is all text."""
    opening = _skip(tokens, 1, 1)
    if opening is None or tokens[opening][1] != "(":
        return tokens
    closing = _matching(tokens, opening, 1)
    if closing is None:
        return tokens
    arguments = _split(tokens[opening + 1 : closing])
    steps = len(arguments) - 1
    name = tokens[0][1].lower() + ("" if steps == 1 else f"_{steps}")
    path = [f"'{text}'" if text.isdecimal() else text for text in (_join(each).strip() for each in arguments[1:])]
    call = f"{name}({', '.join([_join(arguments[0]).strip(), *path])})"
    return [*_tokens(call), *tokens[closing + 1 :]]


def _split(tokens: list[_Token]) -> list[list[_Token]]:
    """At the commas that are in no parentheses."""
    parts: list[list[_Token]] = [[]]
    depth: Callable[[str], int] = {"(": 1, "[": 1, ")": -1, "]": -1}.get  # type: ignore[assignment]
    level = 0
    for token in tokens:
        level += (depth(token[1]) or 0) if token[0] == "sign" else 0
        if token == ("sign", ",") and level == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts
