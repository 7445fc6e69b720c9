"""The admin API answers as the real server did: statuses, headers and the shape of bodies.

What that one answered is stored (`goldens/`), so that every run compares. `EVERLOG_ORACLE_LIVE=1` asks it again and
compares the stored answers with it; `EVERLOG_ORACLE_LIVE=store` stores what it says now.
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import json
import os
import re
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from metad.admin.openapi import admin_openapi

from tests.compat.admin import (
    cases_absent,
    cases_deployments,
    cases_invocations,
    cases_manifests,
    cases_requests,
    cases_rules,
    cases_services,
)
from tests.compat.admin.case import Ask, Case, Difference, Raw
from tests.compat.admin.play import Side, play
from tests.compat.admin.sdk_services import sdk_app
from tests.fakes.private_oracle import private_oracle
from tests.metad.harness import Deployments, Node, new_settings
from tests.processes.node import running_node

#: By the file that has the oracle's answers. Those of `invocations` need a whole node, the others metad alone.
TABLES: dict[str, tuple[Case, ...]] = {
    "absent": cases_absent.CASES,
    "deployments": cases_deployments.CASES,
    "invocations": cases_invocations.CASES,
    "manifests": cases_manifests.CASES,
    "requests": cases_requests.CASES,
    "rules": cases_rules.CASES,
    "services": cases_services.CASES,
}
_WITH_A_NODE = ("invocations",)
_GOLDENS = Path(__file__).with_name("goldens")
_LIVE = os.environ.get("EVERLOG_ORACLE_LIVE", "")

pytestmark = pytest.mark.slow


@contextlib.asynccontextmanager
async def _serving() -> AsyncIterator[tuple[Deployments, dict[str, str]]]:
    """What both sides ask for manifests, and the SDK's services."""
    deployments, sdk = Deployments(), Deployments(app=sdk_app())
    async with deployments.serving(), sdk.serving():
        yield deployments, {"sdk": sdk.uri("")}


async def _played(admin: str, ingress: str, cases: Iterable[Case]) -> dict[str, list[str]]:
    async with _serving() as (deployments, known):
        return await play(Side(admin, ingress, deployments, known), cases)


def test_metad_answers_as_the_oracle_did(tmp_path: Path) -> None:
    cases = [case for name, table in TABLES.items() if name not in _WITH_A_NODE for case in table]

    async def main() -> dict[str, list[str]]:
        async with Node(new_settings(tmp_path)) as node:
            return await _played(f"http://127.0.0.1:{node.settings.admin_port}", "", cases)

    _compare(cases, uvloop.run(main()))


@pytest.mark.processes
def test_a_node_answers_as_the_oracle_did() -> None:
    cases = [case for name in _WITH_A_NODE for case in TABLES[name]]
    with running_node(partitions=2, workers=1) as node:
        _compare(cases, asyncio.run(_played(node.admin, node.ingress, cases)))


@pytest.mark.processes
@pytest.mark.timeout(300)
@pytest.mark.skipif(not _LIVE, reason="asks the oracle only when EVERLOG_ORACLE_LIVE is set")
def test_the_oracle_answers_as_is_stored(tmp_path: Path) -> None:
    for name, table in TABLES.items():
        folder = tmp_path / name
        folder.mkdir()
        with private_oracle(folder) as oracle:
            told = asyncio.run(_played(oracle.admin, oracle.ingress, table))
            operations = _operations(oracle.call("GET", "/openapi", None))
        _check_stored(name, told)
    _check_stored("operations", operations)


def _check_stored(name: str, told: object) -> None:
    file = _GOLDENS / f"{name}.json"
    if _LIVE == "store":
        file.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    assert told == json.loads(file.read_text()), name


def _operations(document: dict[str, Any]) -> list[str]:
    """Methods, paths and ids in an OpenAPI document."""
    return sorted(
        f"{method.upper()} {path} {each['operationId']}"
        for path, operations in document["paths"].items()
        for method, each in operations.items()
    )


def test_what_the_oracle_describes_is_described() -> None:
    """By the same ids and names of parameters, so that clients which are generated have the same names."""
    theirs = set(json.loads((_GOLDENS / "operations.json").read_text()))
    ours = set(_operations(admin_openapi("1")))
    # State is not edited by this API yet, which is being built.
    assert theirs - ours <= {"POST /services/{service}/state modify_service_state"}
    assert {each.split()[1] for each in ours - theirs} == {"/openapi"}


def test_there_are_enough_requests_and_all_have_an_answer() -> None:
    for name, table in TABLES.items():
        titles = [case.title for case in table]
        assert len(titles) == len(set(titles)), name
        assert sorted(titles) == sorted(json.loads((_GOLDENS / f"{name}.json").read_text()))
    cases = [case for table in TABLES.values() for case in table]
    assert len({case.token for case in cases}) == len({case.title for case in cases})
    assert sum(isinstance(step, Ask | Raw) for case in cases for step in case.steps) >= 500


def _compare(cases: Iterable[Case], told: dict[str, list[str]]) -> None:
    stored: dict[str, list[str]] = {}
    for name in TABLES:
        stored |= json.loads((_GOLDENS / f"{name}.json").read_text())
    problems = [problem for case in cases if (problem := _problem(case, told[case.title], stored[case.title]))]
    assert not problems, f"{len(problems)} cases differ:\n" + "\n\n".join(problems)


def _problem(case: Case, ours: list[str], theirs: list[str]) -> str:
    """What differs without a reason that the case names; or nothing."""
    known = case.differs or Difference("")
    difference = list(difflib.unified_diff(theirs, ours, "the oracle", "Everlog", lineterm="", n=0))[2:]
    unknown = [
        *_unmatched([line for line in difference if line[0] == "-"], known.theirs),
        *_unmatched([line for line in difference if line[0] == "+"], known.ours),
    ]
    return "\n".join([f"{case.title}: {len(unknown)}", *unknown]) if unknown else ""


def _unmatched(lines: list[str], patterns: tuple[str, ...]) -> list[str]:
    """Lines that no pattern explains, and patterns that no line has."""
    return [line for line in lines if not any(re.search(each, line) for each in patterns)] + [
        f"no line has {each!r}" for each in patterns if not any(re.search(each, line) for line in lines)
    ]
