"""Verbs that change something: what is sent, and what is told when it did not come so."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from scripts.console import object_state
from scripts.console.object_state import version_of
from tests.fakes.http_node import Answer, Asked, HttpNode
from tests.scripts.console.conftest import Everlog
from tests.scripts.console.people_world import furnish


class _Object:
    """The state of Counter/apples, as the node's route changes it. `busy`: it takes what is sent and does nothing."""

    def __init__(self, stub: HttpNode, values: dict[str, bytes]) -> None:
        self.values = values
        self.busy = False
        self._stub = stub
        stub.answers["POST", "/services/Counter/state"] = self._write
        stub.answers["GET", "/services"] = 200, {}, {"services": [{"name": "Counter", "ty": "VirtualObject"}]}
        self.show()

    def show(self) -> None:
        rows = [{"key": name, "value": value.hex()} for name, value in self.values.items()]
        self._stub.rows[:] = [("service_key = 'apples'", rows)]

    def _write(self, asked: Asked) -> Answer:
        body = asked.json
        if not self.busy and body["version"] == version_of(self.values):
            self.values = {name: bytes(value) for name, value in body["new_state"].items()}
            self.show()
        return 202, {}, b""


@pytest.fixture
def apples(stub: HttpNode) -> _Object:
    return _Object(stub, {"value": b"7", "raw": b"\xff"})


def test_state_is_set_beside_what_is_there(apples: _Object, everlog: Everlog) -> None:
    done = everlog("state", "set", "Counter", "apples", "value=8", 'name="Ada"')
    assert done == (0, "Counter/apples has 3 values now.\n", "")
    assert apples.values == {"value": b"8", "raw": b"\xff", "name": b'"Ada"'}
    assert everlog("state", "set", "Counter", "apples", "value=8").out == (
        "Nothing is changed: Counter/apples has 3 values.\n"
    )
    assert everlog("state", "set", "Counter", "apples", "name=Ada", "--raw", "--json").json["name"]["$base64"] == "QWRh"


def test_state_is_cleared_by_name_or_whole(apples: _Object, everlog: Everlog) -> None:
    assert everlog("state", "clear", "Counter", "apples", "raw", "--yes").status == 0
    assert apples.values == {"value": b"7"}
    assert everlog("state", "clear", "Counter", "apples").status == 2
    assert everlog("state", "clear", "Counter", "apples", "--yes").status == 0
    assert apples.values == {}


def test_state_of_a_busy_object_is_told(apples: _Object, everlog: Everlog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_state, "_SEEN_WITHIN_S", 0.01)
    apples.busy = True
    done = everlog("state", "set", "Counter", "apples", "value=8")
    assert done.status == 1
    assert "accepted, but Counter/apples is busy" in done.err


def test_state_that_somebody_else_changed_is_told(
    apples: _Object, everlog: Everlog, monkeypatch: pytest.MonkeyPatch, stub: HttpNode
) -> None:
    """A handler ends between our look and our change: the node drops the change without a word."""
    monkeypatch.setattr(object_state, "_SEEN_WITHIN_S", 0.01)

    def write(asked: Asked) -> Answer:
        apples.values = {**apples.values, "value": b"9"}
        apples.show()
        return 202, {}, b""

    stub.answers["POST", "/services/Counter/state"] = write
    done = everlog("state", "set", "Counter", "apples", "value=8")
    assert done.status == 1
    assert "has changed since it was read, so nothing was written" in done.err


def _editor(folder: Path, script: str) -> str:
    file = folder / "editor"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return str(file)


def test_state_is_edited_in_the_editor(
    apples: _Object, everlog: Everlog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", _editor(tmp_path, """sed -i 's/"value": 7/"value": {"n": 1}/' "$1" """))
    assert everlog("state", "edit", "Counter", "apples").status == 0
    assert apples.values == {"value": b'{"n":1}', "raw": b"\xff"}
    monkeypatch.setenv("EDITOR", _editor(tmp_path, "exit 3"))
    assert "nothing is changed" in everlog("state", "edit", "Counter", "apples").err
    monkeypatch.setenv("EDITOR", _editor(tmp_path, """echo '{"a":' > "$1" """))
    done = everlog("state", "edit", "Counter", "apples")
    assert done.status == 2
    kept = Path(done.err.rpartition("kept in ")[2].strip())
    assert kept.read_text() == '{"a":\n'
    kept.unlink()


def test_rule_that_is_changed_keeps_what_is_not_said(stub: HttpNode, everlog: Everlog) -> None:
    furnish(stub)

    def put(asked: Asked) -> Answer:
        return 200, {}, [{"disabled": each["disabled"], **each} for each in asked.json]

    stub.answers["PUT", "/limits/rules"] = put
    rule = {"pattern": "acme/*", "concurrency": 2, "disabled": True, "version": 3}
    stub.rows.insert(0, ("pattern = 'acme/*'", [rule]))
    done = everlog("rules", "set", "acme/*", "--description", "two")
    assert done.out == "acme/*: at most 2 at once, but it is disabled.\n"
    assert everlog("rules", "set", "acme/*", "--unlimited", "--enable").out == "acme/*: no limit.\n"
    assert everlog("rules", "set", "other", "--concurrency", "5").out == "other: at most 5 at once.\n"
    first, second, third = (body[0] for body in stub.bodies("/limits/rules"))
    assert first["limits"] == {"concurrency": 2}
    assert first["precondition"] == {"type": "matches", "version": 3}
    assert second["limits"] == {}
    assert third["precondition"] == {"type": "does_not_exist"}


def test_many_invocations_go_in_portions(stub: HttpNode, everlog: Everlog) -> None:
    furnish(stub)
    ids: list[dict[str, Any]] = [{"id": f"inv_{n}", "target": f"S/{n}/h"} for n in range(2500)]
    stub.rows.insert(0, ("target_service_name = 'S'", ids))
    assert everlog("invocations", "cancel", "--service", "S", "--yes").out == "2500 cancelled.\n"
    sent = stub.bodies("/internal/invocations_batch_operations/cancel")
    assert [len(body["invocation_ids"]) for body in sent] == [1000, 1000, 500]
    assert "status != 'completed'" in stub.queries()[0]
    done = everlog("invocations", "cancel", "--service", "S")
    assert "Cancel 2500 invocations (2500 of S/h)?" in done.err


def test_resume_and_restart_name_the_deployment(stub: HttpNode, everlog: Everlog) -> None:
    furnish(stub)
    assert everlog("invocations", "resume", "inv_1", "--deployment", "latest").status == 0
    assert everlog("invocations", "restart", "--deployment", "dp_1x", "inv_1").status == 0
    assert [asked.json["deployment"] for asked in stub.asked] == ["Latest", "dp_1x"]
    stub.answers["PATCH", "/invocations/inv_1/restart-as-new?from=3&deployment=keep"] = (
        200,
        {},
        {"new_invocation_id": "inv_2"},
    )
    done = everlog("invocations", "restart", "inv_1", "--from", "3", "--deployment", "keep")
    assert done.out == "inv_1 runs again as inv_2\n"


def test_node_that_does_not_answer_is_told_with_the_remedy(
    everlog: Everlog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EVERLOG_ADMIN_URL", "http://127.0.0.1:1")
    done = everlog("services")
    assert done.status == 3
    assert done.err == (
        "everlog services: no node answers at http://127.0.0.1:1: connection refused; "
        "start one with `everlog up`, or say where it is with --admin URL\n"
    )
    # A flag says more than the environment.
    monkeypatch.setenv("EVERLOG_ADMIN_PORT", "2")
    assert "127.0.0.1:2:" in everlog("services", "--data-dir", str(tmp_path)).err
    assert everlog("services", "--admin", "ftp://x").status == 2
    assert everlog("services", "--admin", "localhost:1").status == 3
