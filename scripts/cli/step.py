"""`everlog step`: replay one command at a time in a scratch store, and look around."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

from scripts.cli import inspecting, options
from scripts.cli.people import Paint, time_text
from scripts.debug.opening import open_source
from scripts.debug.replaying import start_replay
from scripts.debug.source import partitions_asked_for
from scripts.debug.stepper import Stepper
from scripts.node.programs import Program

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog step` takes."""
    inspecting.add_source(parser)
    parser.add_argument("--partition", type=inspecting.number, metavar="P", required=True, help="which partition")
    parser.add_argument("--from", dest="start", type=inspecting.lsn, metavar="LSN", help="the first record to stop at")


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """Until `quit` or the end of the input."""
    with (
        closing(open_source(options.load(arguments).data_path)) as source,
        tempfile.TemporaryDirectory(prefix="everlog-step-") as scratch,
    ):
        (partition_id,) = partitions_asked_for(source, arguments.partition)
        start: int | None = arguments.start
        replay = start_replay(
            source, partition_id, Path(scratch) / "store", to_lsn=None if start is None else start - 1
        )
        with closing(replay.store):
            stepper = Stepper(replay, replay.log.last_lsn, time_text)
            reach = f"from {replay.begins_with} to LSN {replay.log.last_lsn}"
            print(f"Partition {partition_id} {reach}; `help` lists the commands.")
            if start is not None:
                stepper.run_to(start - 1)
            for line in _lines():
                told = stepper.execute(line)
                if told is None:
                    break
                _tell(told)
    return 0


def _lines() -> Iterator[str]:
    """What is typed, or what stdin holds."""
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    with suppress(ImportError):
        import readline  # noqa: F401 - line editing and a history, where Python has them
    with suppress(EOFError):
        while True:
            yield input("step> ")


def _tell(lines: Sequence[str]) -> None:
    paint = Paint()
    for line in lines:
        mark = line[2:4] if line.startswith("  ") else ""
        colour = {"+ ": paint.good, "- ": paint.bad, "> ": paint.note}.get(mark)
        print(colour(line) if colour is not None else paint.bold(line) if line.startswith("LSN ") else line)
    sys.stdout.flush()
