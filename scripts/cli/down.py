"""`everlog down`: stop a node, wait for it and say so."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from scripts.cli import options
from scripts.node.launch import stop_pid
from scripts.node.programs import Program

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog down` takes."""
    options.add_data_dir(parser)


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """Stop the node. That none runs is no failure."""
    try:
        settings, pid = options.running_settings(arguments)
    except options.NotRunningError:
        print(f"No node runs on {options.load(arguments).data_dir}.")
        return 0
    began = time.monotonic()
    stop_pid(pid, settings.data_path)
    print(f"The node on {settings.data_dir} has stopped ({time.monotonic() - began:.1f} s).")
    return 0
