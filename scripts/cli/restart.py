"""`everlog restart PROGRAM`: end one program (SIGTERM first) and start it again, while the others go on."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

from scripts.cli import options
from scripts.node.control import ProgramStatus, program_statuses, restart_program
from scripts.node.programs import Program
from scripts.node.readiness import program_answers
from shared.config import Settings

__all__ = ["add_arguments", "run"]

_WITHIN_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog restart` takes."""
    parser.add_argument("program", metavar="PROGRAM", help="logd, metad, partitiond, ingress or sqld")
    options.add_data_dir(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """Restart and wait until the program answers again."""
    settings, _ = options.running_settings(arguments)
    before = {status.name: status for status in program_statuses(settings.run_path)}
    name: str = arguments.program
    if name not in before or not restart_program(settings.run_path, name):
        print(f"everlog restart: there is no program {name!r}; there are {', '.join(before)}", file=sys.stderr)
        return 1
    began = time.monotonic()
    table = {program.name: program for program in programs}
    while time.monotonic() < began + _WITHIN_S:
        now = next(status for status in program_statuses(settings.run_path) if status.name == name)
        if _is_back(before[name], now) and (name not in table or _answers(table[name], settings)):
            took_s = round(time.monotonic() - began, 1)
            text = f"{name} is back after {took_s} s with pid {now.pid}."
            print(json.dumps({"program": name, "pid": now.pid, "took_s": took_s}) if arguments.json else text)
            return 0
        time.sleep(0.05)
    print(f"everlog restart: {name} does not answer after {_WITHIN_S:.0f} s; see: everlog logs {name}", file=sys.stderr)
    return 1


def _is_back(before: ProgramStatus, now: ProgramStatus) -> bool:
    return now.pid not in (0, before.pid) and now.state in ("starting", "running")


def _answers(program: Program, settings: Settings) -> bool:
    return program_answers(program, settings)
