"""Cuts query strings into statements and knows those that need no engine. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

__all__ = ["Command", "Piece", "code_of", "command_of", "parameter_count", "split_statements", "tag_of"]

# Longest first: what begins a quoted or commented stretch, and with what it ends.
_STRETCH = re.compile(
    r"""
      (?P<line>--[^\n]*)
    | (?P<block>/\*)
    | (?P<escape>\b[eE]'(?:[^'\\]|\\.|'')*'?)
    | (?P<text>'(?:[^']|'')*'?)
    | (?P<name>"(?:[^"]|"")*"?)
    | (?P<dollar>(?<!\w)\$(?P<tag>[A-Za-z_]\w*)?\$)
    | (?P<end>;)
    """,
    re.VERBOSE | re.DOTALL,
)
_BLOCK_EDGE = re.compile(r"/\*|\*/")


class Piece(NamedTuple):
    """One statement and where in its query string it begins."""

    sql: str
    start: int


def _stretches(text: str) -> Iterator[tuple[str, int, int]]:
    """(kind, start, end) of each stretch that is quoted or a comment, and of each semicolon."""
    at = 0
    while (match := _STRETCH.search(text, at)) is not None:
        at = match.end()
        kind = match.lastgroup or ""
        if match["block"]:
            kind, at = "block", _after_comment(text, match.start())
        elif match["dollar"]:
            close = text.find(match["dollar"], at)
            kind, at = "dollar", len(text) if close < 0 else close + len(match["dollar"])
        yield kind, match.start(), at


def split_statements(text: str) -> list[Piece]:
    """The statements of a query string, without empty ones; semicolons in quotes and comments are left alone."""
    statements: list[Piece] = []
    start = 0
    # Most have one statement, and some have a list of 100,000 quoted ids.
    for kind, begin, end in _stretches(text) if ";" in text else ():
        if kind == "end":
            statements.append(_piece(text, start, begin))
            start = end
    statements.append(_piece(text, start, len(text)))
    return [piece for piece in statements if _without_comments(piece.sql).strip()]


def _piece(text: str, start: int, end: int) -> Piece:
    sql = text[start:end]
    return Piece(sql.strip(), start + len(sql) - len(sql.lstrip()))


def _after_comment(text: str, start: int) -> int:
    """Block comments nest in PostgreSQL."""
    depth, at = 0, start
    for match in _BLOCK_EDGE.finditer(text, start):
        depth += 1 if match[0] == "/*" else -1
        at = match.end()
        if depth == 0:
            return at
    return len(text)


_NO_CODE = ("line", "block", "escape", "text", "dollar")


def code_of(text: str, *, blank: tuple[str, ...] = _NO_CODE) -> str:
    """The same length, with blanks for comments and quoted text: what is left is code at its place."""
    parts: list[str] = []
    at = 0
    for kind, begin, end in _stretches(text):
        if kind in blank:
            parts += (text[at:begin], " " * (end - begin))
            at = end
    return "".join(parts) + text[at:]


def _without_comments(statement: str) -> str:
    if "--" not in statement and "/*" not in statement:
        return statement
    return code_of(statement, blank=("line", "block"))


_NUMBER = re.compile(r"(?<![\w$])\$(\d{1,6})")


def parameter_count(sql: str) -> int:
    """The highest number of a parameter in it."""
    if "$" not in sql:
        return 0
    return max((int(number) for number in _NUMBER.findall(code_of(sql, blank=(*_NO_CODE, "name")))), default=0)


class Command(msgspec.Struct, frozen=True):
    """A statement that the session answers itself.

    `kind`: `begin`, `commit`, `rollback`, `rollback to`, `set`, `set local`, `reset`, `show`, `deallocate`, `discard`,
    `declare`, `fetch`, `move`, `close` or `ignored`. `tag` is for CommandComplete; `name` and `value` are a setting's;
    `name` is also a prepared statement's or a cursor's, empty for all of them.
    """

    kind: str
    tag: str
    name: str = ""
    value: str = ""
    #: Of `declare`: the query, and where in the statement it begins.
    query: Piece = Piece("", 0)
    #: Of `declare`: it outlives its transaction; its rows are binary.
    hold: bool = False
    binary: bool = False
    #: Of `fetch` and `move`: rows; -1: all that are left.
    rows: int = 0


_NAME = r'((?:"(?:[^"]|"")+")|[^\s"(;]+)'
_SET = re.compile(
    r"set\s+(session\s+(?!characteristics\b|authorization\b)|local\s+)?"
    r"(?:(time\s+zone|names|session\s+authorization|role)\s+|([\w.]+)\s*(?:=|\s+to\s)\s*)(.+)",
    re.I | re.S,
)
_TRANSACTION = re.compile(r"(begin|start\s+transaction|commit|end|rollback|abort)\b(.*)", re.I | re.S)
_SHOW = re.compile(r"show\s+(transaction\s+isolation\s+level|time\s+zone|session\s+authorization|[\w.]+)$", re.I)
_DEALLOCATE = re.compile(rf"deallocate\s+(?:prepare\s+)?{_NAME}$", re.I)
_RESET = re.compile(r"reset\s+(.+)$", re.I | re.S)
_CLOSE = re.compile(rf"close\s+{_NAME}$", re.I)
_DECLARE = re.compile(
    rf"declare\s+{_NAME}\s+((?:binary\s+|insensitive\s+|asensitive\s+|no\s+scroll\s+|scroll\s+)*)cursor\s+"
    r"(with\s+hold\s+|without\s+hold\s+)?for\s+(.+)",
    re.I | re.S,
)
_FETCH = re.compile(
    r"(fetch|move)\s+(?:((?:absolute|relative|forward|backward)\s+(?:all|[+-]?\d+)|next|prior|first|last|forward|backward"
    rf"|all|[+-]?\d+)\s+)?(?:(?:from|in)\s+)?{_NAME}$",
    re.I,
)
_WORD = re.compile(r"\w+")
#: What a client may say and what changes nothing here.
_IGNORED = {"savepoint": "SAVEPOINT", "release": "RELEASE", "listen": "LISTEN", "unlisten": "UNLISTEN"}
#: SHOW of these is DataFusion's.
_ENGINE_SHOWS = frozenset(("tables", "columns", "all", "functions"))
_DISCARDS = ("all", "plans", "sequences", "temp", "temporary")


def command_of(statement: str) -> Command | None:
    """The command, when the session answers it; None: ask the engine."""
    code = _without_comments(statement)
    text = code.strip()
    word = _WORD.match(text)
    first = word[0].lower() if word else ""
    if first in ("declare", "fetch", "move", "close"):
        return _cursor(first, text, len(code) - len(code.lstrip()))
    if (match := _TRANSACTION.match(text)) is not None:
        return _transaction(match[1].split()[0].lower(), match[2].strip().lower())
    if first == "set":
        return _set(text)
    if (match := _SHOW.match(text)) is not None and match[1].lower() not in _ENGINE_SHOWS:
        return Command("show", "SHOW", re.sub(r"\s+", " ", match[1].lower()))
    if (match := _RESET.match(text)) is not None:
        return Command("reset", "RESET", re.sub(r"\s+", " ", match[1].strip().lower()))
    if (match := _DEALLOCATE.match(text)) is not None:
        everything = match[1].lower() == "all"
        name = "" if everything else _identifier(match[1])
        return Command("deallocate", "DEALLOCATE ALL" if everything else "DEALLOCATE", name)
    if first == "discard" and text.split()[-1].lower() in _DISCARDS:
        what = text.split()[-1].upper()
        return Command("discard", f"DISCARD {what}", value=what.lower())
    return Command("ignored", _IGNORED[first]) if first in _IGNORED else None


def tag_of(statement: str, rows: int) -> str:
    """CommandComplete of what the engine ran."""
    word = _WORD.search(_without_comments(statement))
    first = word[0].upper() if word else ""
    return first if first in ("EXPLAIN", "SHOW") else f"SELECT {rows}"


def _identifier(text: str) -> str:
    return text[1:-1].replace('""', '"') if text.startswith('"') else text.lower()


def _transaction(word: str, rest: str) -> Command:
    if word in ("begin", "start"):
        return Command("begin", "START TRANSACTION" if word == "start" else "BEGIN")
    if word in ("commit", "end"):
        return Command("commit", "COMMIT")
    if rest.startswith(("to ", "transaction to ", "work to ")):
        # To a savepoint: nothing was written since, but the error state ends.
        return Command("rollback to", "ROLLBACK")
    return Command("rollback", "ROLLBACK")


def _set(text: str) -> Command:
    match = _SET.match(text)
    if match is None:
        # SET TRANSACTION …, SET SESSION CHARACTERISTICS …: all of ours are read only anyway.
        return Command("ignored", "SET")
    name = re.sub(r"\s+", " ", (match[2] or match[3]).lower())
    parts = [_plain(part) for part in re.split(r",(?=(?:[^']*'[^']*')*[^']*$)", match[4])]
    local = (match[1] or "").strip().lower() == "local"
    return Command("set local" if local else "set", "SET", name, ", ".join(parts))


def _plain(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] == "'":
        return value[1:-1].replace("''", "'")
    return value


def _cursor(first: str, text: str, offset: int) -> Command | None:
    if first == "close":
        match = _CLOSE.match(text)
        if match is None:
            return None
        everything = match[1].lower() == "all"
        tag = "CLOSE CURSOR ALL" if everything else "CLOSE CURSOR"
        return Command("close", tag, "" if everything else _identifier(match[1]))
    if first == "declare":
        match = _DECLARE.match(text)
        if match is None:
            return None
        hold = (match[3] or "").lower().startswith("with ")
        query = Piece(match[4], offset + match.start(4))
        binary = "binary" in match[2].lower()
        return Command("declare", "DECLARE CURSOR", _identifier(match[1]), query=query, hold=hold, binary=binary)
    match = _FETCH.match(text)
    if match is None:
        return None
    # Backwards is -2: refused by the session, which knows the cursor.
    return Command(first, first.upper(), _identifier(match[3]), rows=_count((match[2] or "next").lower().split()))


def _count(direction: list[str]) -> int:
    word, number = direction[0], direction[-1]
    if word in ("next", "all", "forward") or word.lstrip("+-").isdigit():
        if number == "all":
            return -1
        rows = 1 if number in ("next", "forward") else int(number)
        return rows if rows >= 0 else -2
    return -2
