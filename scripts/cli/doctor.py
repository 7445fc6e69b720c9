"""`everlog doctor`: check a node's data, and say what is wrong and what to do."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Sequence
from contextlib import closing

import msgspec

from scripts.cli import inspecting, options
from scripts.cli.people import Paint
from scripts.debug.doctor.examine import examine
from scripts.debug.doctor.findings import Checked, Finding
from scripts.debug.opening import open_source
from scripts.node.programs import Program

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog doctor` takes."""
    inspecting.add_source(parser)
    text = "make each partition anew from its log, too, and compare: takes as long as all of that took"
    parser.add_argument("--replay", action="store_true", help=text)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """0: all is well. 1: there are findings."""
    checked = Checked()
    with closing(open_source(options.load(arguments).data_path)) as source:
        running = source.running
        found = list(examine(source, checked, replay=arguments.replay))
    if arguments.json:
        report = {"running": running, "findings": msgspec.to_builtins(found), "checked": msgspec.to_builtins(checked)}
        print(json.dumps(report, ensure_ascii=False))
    else:
        _tell(found, checked, running=running)
    return 1 if found else 0


def _tell(found: list[Finding], checked: Checked, *, running: bool) -> None:
    paint = Paint()
    for finding in found:
        print(f"{paint.bad(finding.check)}  {paint.bold(finding.where)}")
        print(textwrap.indent(textwrap.fill(finding.what, 110), "    "))
        print(paint.note(textwrap.indent(textwrap.fill(f"remedy: {finding.remedy}", 110), "    ")))
    counts = ", ".join(f"{count} {what}" for what, count in checked.counts.items())
    print(f"Checked on a node that {'runs' if running else 'is stopped'}: {counts}.")
    for skipped in checked.skipped:
        print(paint.note(f"Not checked: {skipped}."))
    print(paint.bad(f"{len(found)} findings.") if found else paint.good("All is well."))
