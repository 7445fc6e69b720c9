"""`everlog sql "…"`: ask about everything the node knows; one statement, a script, or a prompt."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator, Sequence

from scripts.cli.deeds import examples
from scripts.console import address
from scripts.console.admin import Admin
from scripts.console.failures import UsageError
from scripts.console.screen import Screen
from scripts.console.statements import split
from scripts.console.ticker import Ticker
from scripts.node.programs import Program

__all__ = ["add_arguments", "run"]

_WATCH_S = "2"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog sql` takes."""
    examples(
        parser,
        "everlog sql 'select target, status from sys_invocation limit 5'",
        "everlog sql 'select * from state' --parquet state.parquet",
        "everlog sql --watch 'select status, count(*) from sys_invocation group by status'",
    )
    parser.add_argument(
        "statement", nargs="?", metavar="SQL", help="none: a prompt on a terminal, else a script from stdin"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="CSV with a head")
    form.add_argument("--json", action="store_true", help="a JSON array")
    form.add_argument("--jsonl", action="store_true", help="a JSON object a line")
    form.add_argument("--arrow", metavar="FILE", help="into an Arrow file; -: a stream to stdout")
    form.add_argument("--parquet", metavar="FILE", help="into a Parquet file")
    form.add_argument("--expanded", "-x", action="store_true", help="a block for each row")
    parser.add_argument(
        "--watch", nargs="?", const=_WATCH_S, metavar="SECONDS", help=f"again and again ({_WATCH_S} s), until Ctrl-C"
    )
    address.add_node(parser)


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """1: the node refused a statement. Ctrl-C ends a query, at the node too."""
    admin = Admin(address.admin_url(arguments))
    statement: str | None = arguments.statement
    if arguments.watch is not None:
        return _watch(arguments, admin, statement)
    if statement is None and sys.stdin.isatty():
        if not sys.stdout.isatty() or _form(arguments):
            raise UsageError("say what to ask: everlog sql 'select …'")
        from scripts.console.prompt import converse

        converse(admin, lambda sql, expanded: _print_table(admin, sql, expanded=expanded))
        return 0
    whole, rest = split(sys.stdin.read() if statement in (None, "-") else str(statement))
    rest = rest.rstrip()
    statements = [*whole, *([rest] if rest else [])]
    if not statements:
        raise UsageError("that is no statement")
    if len(statements) > 1 and (arguments.arrow or arguments.parquet):
        raise UsageError("one file holds one statement's answer")
    for each in statements:
        _answer(arguments, admin, each)
    return 0


def _form(arguments: argparse.Namespace) -> bool:
    return bool(arguments.csv or arguments.json or arguments.jsonl or arguments.arrow or arguments.parquet)


def _watch(arguments: argparse.Namespace, admin: Admin, statement: str | None) -> int:
    from scripts.console.watching import watch

    seconds: str = arguments.watch
    try:
        every_s = float(seconds)
    except ValueError:
        # `--watch 'select 1'`: argparse takes the statement for the seconds.
        if statement is not None:
            raise UsageError(f"--watch {seconds!r}: want seconds") from None
        statement, every_s = seconds, float(_WATCH_S)
    if statement is None or _form(arguments):
        raise UsageError("--watch takes a statement, and draws tables only")
    if not 0.1 <= every_s <= 86_400:
        raise UsageError(f"--watch {every_s:g}: want 0.1 to 86400 seconds")
    screen, sql = Screen(), statement

    @contextlib.contextmanager
    def draw() -> Iterator[Iterator[str]]:
        from scripts.console.answers import ask
        from scripts.console.sheet import lines_of

        with ask(admin, sql) as answer:
            yield lines_of(answer, screen, expanded=arguments.expanded)

    with contextlib.suppress(KeyboardInterrupt):
        watch(screen, sql, every_s, draw)
    return 0


def _answer(arguments: argparse.Namespace, admin: Admin, sql: str) -> None:
    if not _form(arguments):
        _print_table(admin, sql, expanded=arguments.expanded)
        return
    from scripts.console import writers
    from scripts.console.answers import ask

    file = arguments.arrow or arguments.parquet
    with Ticker() as ticker, ask(admin, sql) as answer:

        def tell() -> None:
            ticker.rows = answer.rows

        if sys.stdout.isatty() and not file:
            ticker.stop()
        if file:
            (writers.write_arrow if arguments.arrow else writers.write_parquet)(answer, file, tell)
        elif arguments.csv:
            writers.write_csv(answer, tell)
        else:
            (writers.write_json if arguments.json else writers.write_json_lines)(answer, tell)
        rows = answer.rows
    if file and file != "-":
        print(f"{rows:,} {'row' if rows == 1 else 'rows'} in {file}", file=sys.stderr)


def _print_table(admin: Admin, sql: str, *, expanded: bool) -> None:
    from scripts.console.answers import ask
    from scripts.console.sheet import lines_of

    screen = Screen()
    began = time.monotonic()
    with Ticker() as ticker, ask(admin, sql) as answer:
        for line in lines_of(answer, screen, expanded=expanded):
            ticker.stop()
            print(line)
        rows = answer.rows
    if screen.is_terminal:
        passed = time.monotonic() - began
        print(screen.paint("dim", f"{rows:,} {'row' if rows == 1 else 'rows'}, {passed:.2f} s"))
