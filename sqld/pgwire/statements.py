"""Cuts query strings into statements and knows those that need no engine. Pure: no I/O."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

__all__ = ["Command", "Piece", "command_of", "split_statements"]

# Longest first: what begins a quoted or commented stretch, and with what it ends.
_STRETCH = re.compile(
    r"""
      (?P<line>--[^\n]*)
    | (?P<block>/\*)
    | (?P<escape>\b[eE]'(?:[^'\\]|\\.|'')*'?)
    | (?P<text>'(?:[^']|'')*'?)
    | (?P<name>"(?:[^"]|"")*"?)
    | (?P<dollar>\$(?P<tag>[A-Za-z_]\w*)?\$)
    | (?P<end>;)
    """,
    re.VERBOSE | re.DOTALL,
)


class Piece(NamedTuple):
    """One statement and where in its query string it begins."""

    sql: str
    start: int


def split_statements(text: str) -> list[Piece]:
    """The statements of a query string, without empty ones; semicolons in quotes and comments are left alone."""
    statements: list[Piece] = []
    start = at = 0
    while (match := _STRETCH.search(text, at)) is not None:
        at = match.end()
        if match.lastgroup == "end" or match["end"]:
            statements.append(_piece(text, start, match.start()))
            start = at
        elif match["block"]:
            at = _after_comment(text, match.start())
        elif match["dollar"]:
            close = text.find(match["dollar"], at)
            at = len(text) if close < 0 else close + len(match["dollar"])
    statements.append(_piece(text, start, len(text)))
    return [piece for piece in statements if _without_comments(piece.sql).strip()]


def _piece(text: str, start: int, end: int) -> Piece:
    sql = text[start:end]
    return Piece(sql.strip(), start + len(sql) - len(sql.lstrip()))


def _after_comment(text: str, start: int) -> int:
    """Block comments nest in PostgreSQL."""
    depth, at = 0, start
    for match in re.compile(r"/\*|\*/").finditer(text, start):
        depth += 1 if match[0] == "/*" else -1
        at = match.end()
        if depth == 0:
            return at
    return len(text)


def _without_comments(statement: str) -> str:
    return re.sub(r"--[^\n]*|/\*.*?\*/", " ", statement, flags=re.DOTALL)


class Command(msgspec.Struct, frozen=True):
    """A statement that the session answers itself.

    `kind`: `begin`, `commit`, `rollback`, `set`, `reset`, `show`, `deallocate`, `discard` or `ignored`. `tag` is for
    CommandComplete; `name` and `value` are a setting's, or a prepared statement's name.
    """

    kind: str
    tag: str
    name: str = ""
    value: str = ""


_SET = re.compile(r"set\s+(?:session\s+|local\s+)?(?:(time\s+zone)\s+|([\w.]+)\s*(?:=|\s+to\s)\s*)(.+)", re.I | re.S)
_TRANSACTION = re.compile(r"(begin|start\s+transaction|commit|end|rollback|abort)\b(.*)", re.I | re.S)
_SHOW = re.compile(r"show\s+(transaction\s+isolation\s+level|time\s+zone|session\s+authorization|[\w.]+)$", re.I)
_DEALLOCATE = re.compile(r'deallocate\s+(?:prepare\s+)?("?)(.+?)\1$', re.I)
_RESET = re.compile(r"reset\s+(.+)$", re.I)
_WORD = re.compile(r"\w+")
#: What a client may say and what changes nothing here.
_IGNORED = {
    "savepoint": "SAVEPOINT",
    "release": "RELEASE",
    "listen": "LISTEN",
    "unlisten": "UNLISTEN",
    "close": "CLOSE",
}
#: SHOW of these is DataFusion's.
_ENGINE_SHOWS = frozenset(("tables", "columns", "all", "functions"))


def command_of(statement: str) -> Command | None:
    """The command, when the session answers it; None: ask the engine."""
    text = _without_comments(statement).strip()
    word = _WORD.match(text)
    first = word[0].lower() if word else ""
    if (match := _TRANSACTION.match(text)) is not None:
        return _transaction(match[1].split()[0].lower(), match[2].strip().lower())
    if first == "set":
        return _set(text)
    if (match := _SHOW.match(text)) is not None and match[1].lower() not in _ENGINE_SHOWS:
        return Command("show", "SHOW", re.sub(r"\s+", " ", match[1].lower()))
    if (match := _RESET.match(text)) is not None:
        return Command("reset", "RESET", match[1].strip().lower())
    if (match := _DEALLOCATE.match(text)) is not None:
        everything = match[2].lower() == "all"
        return Command("deallocate", "DEALLOCATE ALL" if everything else "DEALLOCATE", "" if everything else match[2])
    if first == "discard":
        return Command("discard", f"DISCARD {text.split()[-1].upper()}")
    return Command("ignored", _IGNORED[first]) if first in _IGNORED else None


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
    name = "timezone" if match[1] else match[2].lower()
    value = match[3].strip()
    if len(value) >= 2 and value[0] == value[-1] == "'":
        value = value[1:-1].replace("''", "'")
    return Command("set", "SET", name, value)
