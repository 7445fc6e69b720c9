"""The official command line says the same of our rule book as of the oracle's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fakes.private_oracle import oracle_cli, private_oracle
from tests.processes.node import running_node

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(240)]

_TIME = re.compile(r"\w{3} \d+ \w{3} \d{4} [\d:]+ \+00:00")
_COMMANDS = [
    "list",
    "set s --concurrency 3",
    "set s/* --concurrency 2 --description two-each",
    "set */l1 --unlimited --disabled",
    "set s/l1/l2",
    "list",
    "list --extra",
    "set s --description kept",
    "set s --unlimited",
    "set s --concurrency 4294967295",
    "list -x",
    "disable s",
    "disable s",
    "list",
    "enable s",
    "enable s",
    "enable */l1",
    "set s --disabled",
    "disable nope",
    "enable nope",
    "set s --concurrency 0",
    "set a/b/c/d --concurrency 1",
    "set s/ --concurrency 7",
    "delete s/l1/l2 --yes",
    "delete s/l1/l2 --yes",
    "delete nope --yes",
    "list -x",
    "set s/l1/l2 --concurrency 1",
    "delete s --yes",
    "set s --concurrency 1",
    "list -x",
]


def test_rules_by_the_command_line_are_as_the_oracles(tmp_path: Path) -> None:
    with private_oracle(tmp_path) as oracle, running_node(partitions=1, workers=1) as node:
        differing = []
        for command in _COMMANDS:
            ours, theirs = (_told(admin, command) for admin in (node.admin, oracle.admin))
            if ours != theirs:
                differing.append(f"restate rules {command}\n   ours   {ours}\n   theirs {theirs}")
        assert not differing, "\n".join(differing)


def _told(admin: str, command: str) -> tuple[int, str]:
    code, text = oracle_cli(admin, "rules", *command.split())
    # A table's width follows from its times.
    return code, re.sub(r" +", " ", _TIME.sub("TIME", text))
