"""`everlog down`: stop a node, wait for it and say so."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence

from scripts.cli import options
from scripts.node.launch import stop_pid
from scripts.node.programs import Program

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog down` takes."""
    options.add_data_dir(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """Stop the node. That none runs is no failure."""
    try:
        settings, pid = options.running_settings(arguments)
    except options.NotRunningError:
        data_dir = options.load(arguments).data_dir
        _tell(arguments, f"No node runs on {data_dir}.", data_dir=data_dir, pid=None, stopped_after_s=None)
        return 0
    began = time.monotonic()
    stop_pid(pid, settings.data_path)
    took_s = round(time.monotonic() - began, 1)
    text = f"The node on {settings.data_dir} has stopped ({took_s} s)."
    _tell(arguments, text, data_dir=settings.data_dir, pid=pid, stopped_after_s=took_s)
    return 0


def _tell(arguments: argparse.Namespace, text: str, **facts: object) -> None:
    print(json.dumps(facts) if arguments.json else text)
