"""`everlog config`: the settings that `everlog up` would take here, and what each means."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

import msgspec

from scripts.cli import options, show
from scripts.node.programs import Program
from shared.config import SETTING_DOCS

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog config` takes."""
    options.add_settings(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object: setting -> value")


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """Print the table, or JSON."""
    values = msgspec.to_builtins(options.load(arguments))
    if arguments.json:
        print(json.dumps(values, indent=2))
    else:
        rows = [(name, json.dumps(values[name]), text) for name, text in SETTING_DOCS.items()]
        print(show.table([("SETTING", "VALUE", "MEANING"), *rows]))
    return 0
