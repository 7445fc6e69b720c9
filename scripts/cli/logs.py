"""`everlog logs`: the end of the programs' logs, and what follows."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from scripts.cli import options
from scripts.cli.people import Paint
from scripts.node.logfiles import LogFollower, tail
from scripts.node.programs import Program

__all__ = ["add_arguments", "run"]

_FOLLOW_EVERY_S = 0.2
#: Words of a line's head, and how such a line looks.
_LEVELS = (("ERROR", "bad"), ("CRITICAL", "bad"), ("WARNING", "note"), ("DEBUG", "dim"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog logs` takes."""
    parser.add_argument("program", metavar="PROGRAM", nargs="?", help="only this program's log (also: supervisord)")
    parser.add_argument("--follow", "-f", action="store_true", help="go on with what comes, until Ctrl-C")
    parser.add_argument("--lines", "-n", type=_count, default=50, metavar="N", help="lines from the end (default: 50)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line: program, line")
    options.add_data_dir(parser)


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError(f"{count} is less than 0")
    return count


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """Print, and follow when asked. Needs no running node."""
    folder = options.load(arguments).data_path / "logs"
    try:
        files = sorted(folder / name for name in os.listdir(folder) if name.endswith(".log"))
    except OSError as error:
        print(f"everlog logs: cannot read {folder}: {error.strerror}; which node? (--data-dir)", file=sys.stderr)
        return 1
    if arguments.program is not None:
        names = [file.stem for file in files]
        if arguments.program not in names:
            print(f"everlog logs: no {arguments.program}.log in {folder}; there are {names}", file=sys.stderr)
            return 1
        files = [folder / f"{arguments.program}.log"]
    followers = [(file.stem, LogFollower(file)) for file in files]
    tell = _printer(arguments.json)
    for program, line in _merged(files, arguments.lines):
        tell(program, line)
    if arguments.follow:
        _follow(followers, tell)
    return 0


def _printer(as_json: bool) -> Callable[[str, str], None]:
    """(program, line) -> printed; on a terminal what is wrong is red, and what only developers need is dim."""
    if as_json:
        return lambda program, line: print(json.dumps({"program": program, "line": line}, ensure_ascii=False))
    paint = Paint()

    def tell(program: str, line: str) -> None:
        words = line[:60].split(" ", 4)
        style = next((style for level, style in _LEVELS if level in words), None)
        print(line if style is None else getattr(paint, style)(line))

    return tell


def _merged(files: Sequence[Path], count: int) -> list[tuple[str, str]]:
    """(program, line): the last lines of all files in the order of their time stamps; a line without one stays with
    the one before."""
    stamped: list[tuple[str, int, str, str]] = []
    for file in files:
        stamp = ""
        for line in tail(file, count):
            stamp = line[:23].replace(" ", "T").replace(",", ".") if line[:4].isdigit() else stamp
            stamped.append((stamp, len(stamped), file.stem, line))
    return [(program, line) for _, _, program, line in sorted(stamped)][-count:] if count else []


def _follow(followers: Sequence[tuple[str, LogFollower]], tell: Callable[[str, str], None]) -> None:
    while True:
        for program, follower in followers:
            for line in follower.new_lines():
                tell(program, line)
        sys.stdout.flush()
        time.sleep(_FOLLOW_EVERY_S)
