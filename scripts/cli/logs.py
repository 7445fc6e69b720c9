"""`everlog logs`: the end of the programs' logs, and what follows."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.cli import options
from scripts.node.logfiles import LogFollower, tail
from scripts.node.programs import Program

__all__ = ["add_arguments", "run"]

_FOLLOW_EVERY_S = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog logs` takes."""
    parser.add_argument("program", metavar="PROGRAM", nargs="?", help="only this program's log (also: supervisord)")
    parser.add_argument("--follow", "-f", action="store_true", help="go on with what comes, until Ctrl-C")
    parser.add_argument("--lines", "-n", type=_count, default=50, metavar="N", help="lines from the end (default: 50)")
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
    followers = [LogFollower(file) for file in files]
    for line in _merged(files, arguments.lines):
        print(line)
    if arguments.follow:
        _follow(followers)
    return 0


def _merged(files: Sequence[Path], count: int) -> list[str]:
    """The last lines of all files in the order of their time stamps; a line without one stays with the one before."""
    stamped: list[tuple[str, int, str]] = []
    for file in files:
        stamp = ""
        for line in tail(file, count):
            stamp = line[:23].replace(" ", "T").replace(",", ".") if line[:4].isdigit() else stamp
            stamped.append((stamp, len(stamped), line))
    return [line for _, _, line in sorted(stamped)][-count:] if count else []


def _follow(followers: Sequence[LogFollower]) -> None:
    while True:
        for follower in followers:
            for line in follower.new_lines():
                print(line)
        sys.stdout.flush()
        time.sleep(_FOLLOW_EVERY_S)
