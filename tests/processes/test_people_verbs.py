"""The verbs for people on a node with the example services: what they tell is what is so."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from scripts.cli.main import main
from tests.conftest import eventually
from tests.processes.endpoint import running_endpoint
from tests.processes.node import Node, running_node

pytestmark = [pytest.mark.processes, pytest.mark.slow, pytest.mark.timeout(180)]

_ROOT = Path(__file__).resolve().parents[2]
Everlog = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with (
        running_endpoint("scripts.examples.app:app", tmp_path_factory.mktemp("endpoint")) as endpoint,
        running_node(partitions=2, workers=1) as started,
    ):
        done = started.everlog("deployments", "register", endpoint.uri)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("Registered: dp_1")
        yield started


@pytest.fixture
def everlog(node: Node, capsys: pytest.CaptureFixture[str]) -> Everlog:
    """In this process; a process each would cost a hundred times as much."""

    def run(*words: str) -> tuple[int, str, str]:
        try:
            status = main([*words, "--data-dir", str(node.data_dir)])
        except SystemExit as ended:
            status = int(ended.code or 0)
        return status, *capsys.readouterr()

    return run


def _json(done: tuple[int, str, str]) -> Any:
    assert done[0] == 0, done
    return json.loads(done[1])


def test_calls_are_made_and_told(node: Node, everlog: Everlog) -> None:
    assert everlog("invoke", "Greeter/greet", '"Ada"') == (0, '"Hello, Ada!"\n', "")
    assert everlog("invoke", "Counter/apples of Ada/add", "5")[1] == "5\n"
    assert everlog("invoke", "Counter/apples of Ada/get")[1] == "5\n"
    status, out, err = everlog("invoke", "Trip/book", '{"traveller": "Ada", "city": "Atlantis"}')
    assert (status, out) == (1, "")
    assert err.startswith("everlog invoke: [404] nothing is booked: there is no hotel in Atlantis (inv_1")
    status, out, err = everlog("invoke", "Greeter/nothing", "1")
    assert status == 1
    assert "the handler 'nothing' was not found" in err
    services = {service["name"] for service in _json(everlog("services", "--json"))}
    assert services == {"Counter", "Greeter", "SignUp", "Trip"}
    assert everlog("services", "Counter")[0] == 0
    (deployment,) = _json(everlog("deployments", "--json"))
    assert everlog("deployments", deployment["id"])[0] == 0


def test_invocation_is_looked_into(node: Node, everlog: Everlog) -> None:
    trip = '{"traveller": "Ada", "city": "Oslo"}'
    invocation_id = _json(everlog("invoke", "Trip/book", trip, "--json"))["invocation_id"]
    status, out, _ = everlog("invocations", invocation_id)
    assert status == 0
    for text in ("Trip/book", "completed: success", "timeline", "begun", "“book the car”", "Output"):
        assert text in out, out
    found = _json(everlog("invocations", invocation_id, "--json"))
    assert found["invocation"]["id"] == invocation_id
    assert "Command" in found["journal"][0]["entry_lite_json"]
    listed = _json(everlog("invocations", "--service", "Trip", "--since", "1h", "--status", "completed", "--json"))
    assert invocation_id in [row["id"] for row in listed]
    assert _json(everlog("invocations", "--since", "2100-01-01T00:00:00Z", "--json")) == []
    assert invocation_id in everlog("invocations", "--handler", "book")[1]


def test_workflow_is_sent_killed_and_purged(node: Node, everlog: Everlog) -> None:
    body = '{"email": "ada@example.org"}'
    ids = [everlog("invoke", f"SignUp/{name}/run", body, "--send")[1].strip() for name in ("ada", "alan", "grace")]

    assert len(_json(everlog("invocations", "--service", "SignUp", "--status", "active", "--json"))) == 3
    status, _, err = everlog("invoke", "--output", ids[0])
    assert status == 1
    assert f"{ids[0]} has no result yet" in err
    assert everlog("invoke", "SignUp/ada/confirm", "true")[0] == 0
    assert everlog("invoke", "--attach", ids[0])[1].startswith('"confirmed: ')
    status, _, err = everlog("invocations", "kill", "--service", "SignUp", "--handler", "run")
    assert status == 2
    assert "Kill 2 invocations (2 of SignUp/run)?" in err
    assert everlog("invocations", "kill", "--service", "SignUp", "--yes")[:2] == (0, "2 killed.\n")
    eventually(
        lambda: len(_json(everlog("invocations", "--service", "SignUp", "--status", "failed", "--json"))) == 2,
        what="both are killed",
    )
    assert everlog("invoke", "--attach", ids[1])[2] == f"everlog invoke: [409] killed ({ids[1]})\n"
    assert everlog("invocations", "purge", *ids)[:2] == (0, "3 purged.\n")
    assert everlog("invocations", "cancel", ids[0])[0] == 1


def test_ctrl_c_leaves_the_call_running(node: Node, everlog: Everlog) -> None:
    command = [
        sys.executable,
        "-P",
        "-m",
        "scripts.cli.main",
        "invoke",
        "SignUp/joan/run",
        '{"email": "j@example.org"}',
    ]
    waiting = subprocess.Popen(
        [*command, "--data-dir", str(node.data_dir)],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(
            lambda: _json(everlog("invocations", "--key", "joan", "--status", "running", "--json")),
            30,
            what="the workflow runs",
        )
        waiting.send_signal(signal.SIGINT)
        _, err = waiting.communicate(timeout=20)
    finally:
        waiting.kill()
    assert waiting.returncode == 130
    invocation_id = err.rpartition("everlog invoke --attach ")[2].strip()
    assert everlog("invoke", "SignUp/joan/confirm", "true")[0] == 0
    assert everlog("invoke", "--attach", invocation_id)[1].startswith('"confirmed: ')


def test_rules_are_set_and_deleted(node: Node, everlog: Everlog) -> None:
    assert everlog("rules", "set", "acme/*", "--concurrency", "2", "--description", "two each")[0] == 0
    assert everlog("rules", "set", "acme/*", "--disable")[1] == "acme/*: at most 2 at once, but it is disabled.\n"
    (rule,) = _json(everlog("rules", "--json"))
    assert (rule["pattern"], rule["concurrency"], rule["disabled"]) == ("acme/*", 2, True)
    assert everlog("rules", "delete", "acme/*", "--yes")[1] == "Deleted acme/*.\n"
    assert _json(everlog("rules", "--json")) == []


def test_queries_come_in_every_form(node: Node, everlog: Everlog, tmp_path: Path) -> None:
    assert everlog("invoke", "Counter/pears/add", "1")[0] == 0
    query = "select service_key, value_utf8, value, key_length from state where service_key = 'pears'"
    assert everlog("sql", query, "--csv")[1] == "service_key,value_utf8,value,key_length\npears,1,31,5\n"
    (row,) = _json(everlog("sql", query, "--json"))
    assert row == {"service_key": "pears", "value_utf8": "1", "value": "31", "key_length": 5}
    whole = tmp_path / "invocations.arrow"
    assert everlog("sql", "select * from sys_invocation", "--arrow", str(whole))[0] == 0
    assert everlog("sql", "select * from sys_invocation", "--parquet", str(tmp_path / "p"))[0] == 0
    assert "created_at" in pa.ipc.open_file(whole).schema.names
    status, out, err = everlog("sql", "select no_such_column from state")
    assert (status, out, err.count("\n")) == (1, "", 1)


def test_state_is_set_and_cleared(node: Node, everlog: Everlog) -> None:
    assert everlog("invoke", "Counter/plums/add", "3")[0] == 0
    done = everlog("state", "set", "Counter", "plums", "value=40", 'note="for jam"')
    assert done == (0, "Counter/plums has 2 values now.\n", "")
    assert everlog("invoke", "Counter/plums/add", "2")[1] == "42\n"
    assert _json(everlog("state", "Counter", "plums", "--json")) == {"value": 42, "note": "for jam"}
    assert everlog("state", "clear", "Counter", "plums", "note", "--yes")[0] == 0
    assert _json(everlog("state", "Counter", "plums", "--json")) == {"value": 42}
    status, _, err = everlog("state", "set", "Greeter", "plums", "value=1")
    assert (status, err.count("\n")) == (1, 1)
    # An object that never was called may be given a state too.
    assert everlog("state", "set", "Counter", "figs", "value=1")[0] == 0
    assert everlog("invoke", "Counter/figs/get")[1] == "1\n"
