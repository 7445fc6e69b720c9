"""Operators at work on a whole node: pause, resume on another deployment, restart as new, purge the journal."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import eventually
from tests.processes.endpoint import Endpoint, running_endpoint
from tests.processes.node import Node, running_node

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(120)]

APPLICATION = "tests.processes.lifecycle_service:app"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with running_node(partitions=2, workers=1) as node:
        yield node


def call(method: str, url: str, body: Any = None) -> tuple[int, Any]:
    headers = {"content-type": "application/json", "accept": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=30) as reply:
            status, text = reply.status, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            status, text = error.code, error.read()
    return status, json.loads(text) if text else None


def rows(node: Node, sql: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call("POST", f"{node.admin}/query", {"query": sql})[1]["rows"]
    return found


def status_of(node: Node, invocation: str) -> str:
    (row,) = rows(node, f"SELECT status FROM sys_invocation WHERE id = '{invocation}'")
    return str(row["status"])


def test_an_operator_mends_what_hangs(node: Node, tmp_path: Path) -> None:
    steps = tmp_path / "steps"

    def patch(invocation: str, verb: str) -> tuple[int, Any]:
        return call("PATCH", f"{node.admin}/invocations/{invocation}/{verb}")

    first = Endpoint(APPLICATION, tmp_path, VERSION="1")
    first.start()
    with running_endpoint(APPLICATION, tmp_path, VERSION="2") as second:
        try:
            assert call("POST", f"{node.admin}/deployments", {"uri": first.uri})[0] == 201
            sent = call("POST", f"{node.ingress}/Life/work/send", str(tmp_path))[1]
            invocation = sent["invocationId"]
            # It fails, and would be tried again in five minutes only.
            eventually(lambda: status_of(node, invocation) == "backing-off", what="it backs off")
            assert patch(invocation, "restart-as-new")[0] == 409
            assert patch(invocation, "purge-journal")[0] == 409
            assert patch(invocation, "resume")[0] == 200
            eventually(
                lambda: (
                    rows(node, f"SELECT retry_count FROM sys_invocation WHERE id = '{invocation}'")
                    == [{"retry_count": 2}]
                ),
                what="the second attempt",
            )
            assert [patch(invocation, "pause")[0] for _ in range(2)] == [202, 200]
            assert status_of(node, invocation) == "paused"
            (failed, paused) = rows(
                node,
                "SELECT event_type, event_json, after_journal_entry_index AS after FROM sys_journal_events "
                f"WHERE id = '{invocation}' ORDER BY appended_at",
            )
            assert (failed["event_type"], failed["after"], paused["event_type"]) == ("TransientError", 2, "Paused")
            failure = json.loads(failed["event_json"])
            assert "not repaired" in failure.pop("error_message")
            assert failure["restate_doc_error_code"] == "RT0007"
            assert json.loads(paused["event_json"])["last_failure"]["error_stacktrace"] == failure["error_stacktrace"]

            # A new version is out, and what was broken is repaired.
            assert call("POST", f"{node.admin}/deployments", {"uri": second.uri})[0] == 201
        finally:
            first.kill()
        (tmp_path / "repaired").touch()
        assert patch(invocation, "resume?deployment=dp_1nosuch")[0] == 400
        assert patch(invocation, "resume?deployment=latest")[0] == 200
        result = call("GET", f"{node.ingress}/restate/invocation/{invocation}/attach")
        assert result == (200, "first second by version 2")
        assert steps.read_text().split() == ["first", "second"]

        # Again from the second step, then from the input alone.
        for from_index, executed in ((2, ["second"]), (0, ["first", "second"])):
            steps.unlink()
            status, answer = patch(invocation, f"restart-as-new?from={from_index}")
            assert status == 200
            new = answer["new_invocation_id"]
            eventually(lambda new=new: status_of(node, new) == "completed", what="the restarted one ends")
            assert steps.read_text().split() == executed
            assert rows(node, f"SELECT restarted_from, invoked_by FROM sys_invocation WHERE id = '{new}'") == [
                {"restarted_from": invocation, "invoked_by": "restart_as_new"}
            ]
        assert patch(invocation, "restart-as-new?from=99")[0] == 400
        assert [patch(invocation, verb)[0] for verb in ("pause", "resume")] == [409, 409]
        assert patch(invocation, "purge-journal")[0] == 200
        assert rows(node, f"SELECT id FROM sys_journal_events WHERE id = '{invocation}'") == []
        assert patch(invocation, "restart-as-new")[0] == 410
        assert status_of(node, invocation) == "completed"
