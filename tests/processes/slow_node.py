"""`everlog` with `slow_logd` in the place of logd: `python -m tests.processes.slow_node VERB ...`."""

from __future__ import annotations

import dataclasses
import sys

from scripts.cli.main import main
from scripts.node.programs import PROGRAMS

_SLOW = ("-m", "tests.processes.slow_logd")

if __name__ == "__main__":
    table = [dataclasses.replace(each, arguments=_SLOW) if each.name == "logd" else each for each in PROGRAMS]
    sys.exit(main(sys.argv[1:], table))
