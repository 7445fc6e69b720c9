"""The prompt of `everlog sql`. Owns: the terminal between statements, and the file of what was typed."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from scripts.console.admin import Admin
from scripts.console.filters import literal
from scripts.console.statements import split
from shared.errors import EverlogError

__all__ = ["converse"]

_HELP = r"""A statement ends with ;
  \d          the tables        \d TABLE    its columns
  \x          a block for each row, or tables again
  \q, Ctrl-D  leave             Ctrl-C      end a query, or forget what is typed"""
_TABLES = "select table_name from information_schema.tables where table_schema = 'public' order by 1"
_COLUMNS = (
    "select column_name, data_type from information_schema.columns where table_name = {} order by ordinal_position"
)
_HISTORY_LINES = 1000


def converse(admin: Admin, answer: Callable[[str, bool], None]) -> None:
    """Until the user leaves. `answer(sql, expanded)` prints what comes of a statement."""
    print(f"SQL over {admin.url}; \\? for help.")
    history = _History(admin)
    expanded = False
    begun = ""
    try:
        while True:
            try:
                typed = input("everlog> " if not begun else "    ...> ")
            except KeyboardInterrupt:
                print()
                begun = ""
                continue
            if not begun and typed.strip().startswith("\\"):
                word, _, name = typed.strip().rstrip(";").partition(" ")
                if word in ("\\q", "\\quit"):
                    return
                if word == "\\x":
                    expanded = not expanded
                    print("a block for each row" if expanded else "tables")
                    continue
                if word not in ("\\d", "\\dt"):
                    print(_HELP)
                    continue
                whole = [_COLUMNS.format(literal(name.strip())) if name.strip() else _TABLES]
            else:
                whole, begun = split(f"{begun}\n{typed}")
            for sql in whole:
                _run(sql, expanded, answer)
    except EOFError:
        print()
    finally:
        history.keep()


def _run(sql: str, expanded: bool, answer: Callable[[str, bool], None]) -> None:
    try:
        answer(sql, expanded)
    except EverlogError as error:
        print(f"{error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nThe query was ended.", file=sys.stderr)


class _History:
    """What was typed, kept for the next time where there is a place for it; and names to complete."""

    def __init__(self, admin: Admin) -> None:
        home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
        self._path = Path(home) / "everlog" / "sql_history"
        self._admin = admin
        self._names: list[str] | None = None
        try:
            import readline
        except ImportError:
            self._readline = None
            return
        self._readline = readline
        with contextlib.suppress(OSError):
            readline.read_history_file(self._path)
        readline.set_completer(self._complete)
        readline.set_completer_delims(" \t\n,()=<>;.'\"")
        readline.parse_and_bind("tab: complete")

    def keep(self) -> None:
        if self._readline is None:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._readline.set_history_length(_HISTORY_LINES)
            self._readline.write_history_file(self._path)
            self._path.chmod(0o600)

    def _complete(self, text: str, number: int) -> str | None:
        if self._names is None:
            self._names = []
            with contextlib.suppress(EverlogError):
                rows = self._admin.rows("select table_name, column_name from information_schema.columns")
                self._names = sorted({row[name] for row in rows for name in ("table_name", "column_name")})
        found = [name for name in self._names if name.startswith(text)]
        return found[number] if number < len(found) else None
