"""The entry of `everlog`: finds the verb, imports its module, turns our errors into one line and a status.

Exit status: 0 done, 1 failed (the text on stderr says why and what to do), 2 wrong usage, 3 no node runs or answers.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from scripts.cli.deeds import COMPLETING, VerbParser
from scripts.node.ahead import begin, give_up
from scripts.node.programs import PROGRAMS, Program
from shared.errors import EverlogError

__all__ = ["GROUPS", "VERBS", "main"]

#: Verb -> one line of help. Each is a module here with `add_arguments(parser)` and `run(arguments, programs)`.
VERBS: dict[str, str] = {
    "up": "start a node on this machine and stay with it",
    "down": "stop the node",
    "status": "show each program: state, readiness, pid, uptime, restarts",
    "restart": "restart one program of the node",
    "config": "print the merged settings and what they mean",
    "logs": "print the programs' logs",
    "checkpoint": "make a checkpoint of the node's partitions now",
    "snapshot": "write the node's whole state somewhere else, or make a node of it",
    "invoke": "call a handler and wait for its result; send, attach",
    "invocations": "list them, look into one, cancel, kill, pause, resume, restart, purge",
    "services": "list what can be called; one: handlers, settings, counts",
    "deployments": "list where services run; register and remove them",
    "state": "show the state of an object or workflow; set, clear, edit it",
    "rules": "show, set and delete limits of scopes",
    "sql": "ask about everything, with SQL",
    "completion": "let the shell complete verbs, services, handlers, ids",
    "story": "tell all that ever happened to an invocation",
    "log": "show the records of the log: dump, tail, stat",
    "doctor": "check a node's data, and say what is wrong and what to do",
    "replay": "make partitions anew from their logs, and compare",
    "diff": "compare two stores, row by row",
    "step": "replay one command at a time and look around",
}

#: How `everlog --help` orders them; a verb that is in none comes last.
GROUPS: dict[str, tuple[str, ...]] = {
    "a node": ("up", "down", "status", "restart", "config", "logs", "checkpoint", "snapshot"),
    "what runs on it, here or elsewhere (--admin URL)": (
        "invoke",
        "invocations",
        "services",
        "deployments",
        "state",
        "rules",
        "sql",
    ),
    "its data, running or stopped": ("story", "log", "doctor", "replay", "diff", "step"),
}

_EPILOG = "Settings come from --config FILE (TOML), EVERLOG_* variables and flags; `everlog config` lists all."


class _Version(argparse.Action):
    def __call__(self, *unused: object, **also_unused: object) -> None:
        from scripts.node.version import is_compiled, version

        print(f"everlog {version()}{' (compiled)' if is_compiled() else ''}")
        sys.exit(0)


def main(argv: Sequence[str] | None = None, programs: Sequence[Program] = PROGRAMS) -> int:
    """Run one verb. `programs` is the table of what a node consists of; tests give another.

    Without `argv` this process is ours: it ends with the verb.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if argv is None and words[:1] == ["up"]:
        _start_quickly(words, programs)
    return _run(words, programs)


def _start_quickly(words: Sequence[str], programs: Sequence[Program]) -> NoReturn:
    """`everlog up`, whose every millisecond people wait for."""
    # Nothing of what imports make is garbage, and to look for some takes a tenth of their time.
    gc.disable()
    if not {"-h", "--help"} & {*words}:
        begin([program.module for program in programs if program.early and program.module])
    try:
        status = _run(words, programs)
    finally:
        give_up()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    # Without taking all apart that was imported: what ran is written down, and nothing else is open.
    os._exit(status)


def _run(words: Sequence[str], programs: Sequence[Program]) -> int:
    if COMPLETING in os.environ:
        # The shell asks what could be typed: the words are in the environment.
        from scripts.cli.completion import complete, words_so_far

        complete(_parser(words_so_far()))
    arguments = _parser(words).parse_args(words)
    try:
        return int(importlib.import_module(f"scripts.cli.{arguments.verb}").run(arguments, programs))
    except EverlogError as error:
        print(f"everlog {arguments.verb}: {error}", file=sys.stderr)
        return getattr(error, "exit_status", 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1


def _parser(words: Sequence[str]) -> VerbParser:
    """With the arguments of the verb among `words`, whose module alone is loaded."""
    parser = VerbParser(
        prog="everlog",
        usage="everlog [-h] [--version] VERB ...",
        description=_overview(),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="verb", metavar="VERB", required=True, help=argparse.SUPPRESS, prog="everlog")
    asked_for = next((word for word in words if not word.startswith("-")), None)
    for verb, text in VERBS.items():
        command = commands.add_parser(verb, help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=_EPILOG)
        if verb == asked_for:
            importlib.import_module(f"scripts.cli.{verb}").add_arguments(command)
    return parser


def _overview() -> str:
    """The verbs by group: argparse knows no groups of them."""
    grouped = {verb for verbs in GROUPS.values() for verb in verbs}
    groups = GROUPS | {"more": tuple(verb for verb in VERBS if verb not in grouped)}
    parts = [
        "\n".join([f"{title}:", *(f"  {verb:<13}{VERBS[verb]}" for verb in verbs)])
        for title, verbs in groups.items()
        if verbs
    ]
    return "\n\n".join(["A durable-execution runtime.", *parts])


if __name__ == "__main__":
    sys.exit(main())
