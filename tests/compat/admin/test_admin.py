"""The admin API answers as the real server did: statuses, headers and the shape of bodies.

What that one answered is stored (`goldens/`), so that every run compares. `EVERLOG_ORACLE_LIVE=1` asks it again and
compares the stored answers with it; `EVERLOG_ORACLE_LIVE=store` stores what it says now.
"""

from __future__ import annotations

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
    cases_state,
)
from tests.compat.admin.case import Ask, Case, Raw
from tests.compat.admin.differences import DIFFERENCES
from tests.compat.admin.play import Side, play
from tests.compat.admin.sdk_services import sdk_app
from tests.compat.case import Difference
from tests.fakes.private_oracle import private_oracle
from tests.metad.harness import Deployments
from tests.processes.node import running_node

#: By the file that has the oracle's answers.
TABLES: dict[str, tuple[Case, ...]] = {
    "absent": cases_absent.CASES,
    "deployments": cases_deployments.CASES,
    "invocations": cases_invocations.CASES,
    "manifests": cases_manifests.CASES,
    "requests": cases_requests.CASES,
    "rules": cases_rules.CASES,
    "services": cases_services.CASES,
    "state": cases_state.CASES,
}
CASES = tuple(case for table in TABLES.values() for case in table)
#: Virtual queues are an experiment there, without a description elsewhere.
_NOT_DESCRIBED = {
    "POST /vqueues/{vqueue_id}/pause pause_vqueue",
    "POST /vqueues/{vqueue_id}/resume resume_vqueue",
}
_GOLDENS = Path(__file__).with_name("goldens")
_LIVE = os.environ.get("EVERLOG_ORACLE_LIVE", "")

pytestmark = [pytest.mark.slow, pytest.mark.processes]


@contextlib.asynccontextmanager
async def _serving() -> AsyncIterator[tuple[Deployments, dict[str, str]]]:
    """What both sides ask for manifests, and the SDK's services."""
    deployments, sdk = Deployments(), Deployments(app=sdk_app())
    async with deployments.serving(), sdk.serving():
        yield deployments, {"sdk": sdk.uri("")}


async def _played(admin: str, ingress: str, cases: Iterable[Case]) -> dict[str, list[str]]:
    async with _serving() as (deployments, known):
        return await play(Side(admin, ingress, deployments, known), cases)


def test_a_node_answers_as_the_oracle_did() -> None:
    with running_node(partitions=2, workers=1) as node:
        told = uvloop.run(_played(node.admin, node.ingress, CASES))
    stored: dict[str, list[str]] = {}
    for name in TABLES:
        stored |= json.loads((_GOLDENS / f"{name}.json").read_text())
    problems = [problem for case in CASES if (problem := _problem(case, told[case.title], stored[case.title]))]
    assert not problems, f"{len(problems)} cases differ:\n" + "\n\n".join(problems)


@pytest.mark.timeout(300)
@pytest.mark.skipif(not _LIVE, reason="asks the oracle only when EVERLOG_ORACLE_LIVE is set")
def test_the_oracle_answers_as_is_stored(tmp_path: Path) -> None:
    with private_oracle(tmp_path) as oracle:
        told = uvloop.run(_played(oracle.admin, oracle.ingress, CASES))
        operations = _operations(oracle.call("GET", "/openapi", None))
    for name, table in TABLES.items():
        _check_stored(name, {case.title: told[case.title] for case in table})
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
    assert theirs - ours == _NOT_DESCRIBED
    assert {each.split()[1] for each in ours - theirs} == {"/openapi"}


def test_there_are_enough_requests_and_all_have_an_answer() -> None:
    for name, table in TABLES.items():
        titles = [case.title for case in table]
        assert len(titles) == len(set(titles)), name
        assert sorted(titles) == sorted(json.loads((_GOLDENS / f"{name}.json").read_text()))
    assert len({case.token for case in CASES}) == len({case.title for case in CASES}) == len(CASES)
    assert set(DIFFERENCES) <= {case.title for case in CASES}
    assert sum(isinstance(step, Ask | Raw) for case in CASES for step in case.steps) >= 500


def _problem(case: Case, ours: list[str], theirs: list[str]) -> str:
    """What differs without a reason that the case names; or nothing."""
    known = DIFFERENCES.get(case.title, Difference(""))
    ours = [their if _has_a_body_more(our, their) else our for our, their in zip(ours, theirs, strict=True)]
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


def _has_a_body_more(ours: str, theirs: str) -> bool:
    """Where the oracle says the status alone, Everlog says what to do: ARCHITECTURE.md has a row for it."""
    empty = re.fullmatch(r"(.* -> (?:404|405|501) )(\{.*\}) nothing", theirs)
    if empty is None:
        return False
    headers = json.dumps(json.loads(empty[2]) | {"content-type": "application/json"}, sort_keys=True)
    body = "nothing" if theirs.startswith("HEAD ") else '{"message": "<message>", "restate_code": null}'
    return ours == f"{empty[1]}{headers} {body}"
