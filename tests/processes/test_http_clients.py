"""Every HTTP client on a whole node: what people have installed, and the official clients of both SDKs."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import restate
from restate.client_types import HttpError

from scripts.benchmark.services import installed_sdk
from shared.errors import EverlogError
from tests.conftest import eventually
from tests.processes import features_service as features
from tests.processes.endpoint import running_endpoint
from tests.processes.http_tools import TOOLS, Ask, Told
from tests.processes.node import Node, running_node
from tests.processes.test_features import Client, fresh

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(120)]

_JSON = {"content-type": "application/json"}
_SCRIPT = Path(__file__).with_name("typescript_clients.mjs")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("clients")
    with (
        running_node(partitions=2, workers=1) as node,
        running_endpoint("tests.processes.features_service:app", folder) as endpoint,
    ):
        status, answer, _ = Client(node).request("/deployments", {"uri": endpoint.uri}, base=node.admin)
        assert status == 201, answer
        yield node


def _post(ask: Ask, path: str, body: Any, **headers: str) -> Told:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask("POST", path, json.dumps(body).encode(), _JSON | named)


def _get(ask: Ask, path: str) -> Told:
    return ask("GET", path, None, {})


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_does_all_that_the_ingress_offers(node: Node, tool: str) -> None:
    make, version = TOOLS[tool]
    key = fresh()
    with make(node.ingress) as ask:
        called = _post(ask, f"/Box/{key}/put", ["x", 1])
        assert (called.status, json.loads(called.body), called.version) == (200, ["x"], version)
        assert called.headers["x-restate-id"].startswith("inv_1")

        once, twice = (_post(ask, f"/Box/{key}/slow_append", "a", idempotency_key=key) for _ in range(2))
        assert once.body == twice.body
        assert once.headers["x-restate-id"] == twice.headers["x-restate-id"]
        assert "idempotency-expires" in twice.headers

        sent = _post(ask, f"/restate/send/Box/{key}/put", ["y", 2])
        assert (sent.status, json.loads(sent.body)["status"]) == (202, "Accepted")
        attached = _get(ask, f"/restate/attach/{json.loads(sent.body)['invocationId']}")
        assert (attached.status, json.loads(attached.body)) == (200, ["texts", "x", "y"])
        delayed = _post(ask, f"/Box/{key}/put/send?delay=1h", ["z", 3])
        assert "executionTime" in json.loads(delayed.body)
        assert _get(ask, f"/restate/output/{delayed.headers['x-restate-id']}").status == 470

        assert _post(ask, f"/Gate/{key}/run/send", "word").status == 202
        assert _get(ask, f"/restate/workflow/Gate/{key}/output").status == 470
        assert _post(ask, f"/Gate/{key}/open_gate", "me").status == 200
        assert json.loads(_get(ask, f"/restate/workflow/Gate/{key}/attach").body) == "word me"
        assert _post(ask, f"/Gate/{key}/run", "word").status == 409

        waiting = _post(ask, "/Tour/awaits_outside/send", key).headers["x-restate-id"]
        name = eventually(lambda: _post(ask, f"/Box/{key}/look", "awakeable").body, what="the awakeable")
        assert ask("POST", f"/restate/awakeables/{json.loads(name)}/reject", b"no", {}).status == 202
        rejected = _get(ask, f"/restate/attach/{waiting}")
        assert (rejected.status, json.loads(rejected.body)["message"]) == (500, "no")

        for told, status, source in (
            (_post(ask, "/Tour/fails", 418), 418, "invocation"),
            (_post(ask, "/Nope/fails", 1), 404, "ingress"),
            (ask("DELETE", "/Tour/fails", None, {}), 405, "ingress"),
        ):
            assert (told.status, told.headers["x-restate-error-source"]) == (status, source)
            assert json.loads(told.body)["source"] == source


def test_the_python_client(node: Node) -> None:
    async def main() -> None:
        key = fresh()
        async with restate.create_client(node.ingress) as client:
            assert await client.object_call(features.put, key=key, arg=["x", 1]) == ["x"]
            assert await client.object_call(features.look, key=key, arg="x") == 1
            for _ in range(2):
                texts = await client.object_call(features.slow_append, key=key, arg="a", idempotency_key=key)
                assert texts == ["a"]
            sent = await client.object_send(features.put, key=key, arg=["y", 2])
            assert sent.invocation_id.startswith("inv_1")
            with pytest.raises(HttpError) as refused:
                # It sends a number without a unit, which Restate 1.7.12 refuses as well.
                await client.service_send(features.fails, arg=418, send_delay=timedelta(hours=1))
            assert refused.value.status_code == 400
            await client.workflow_send(features.run, key=key, arg="word")
            await client.workflow_call(features.open_gate, key=key, arg="me")
            scoped = client.scope("s")
            assert await scoped.service_call(features.flaky, arg=fresh(), limit_key="a/b") == 3
            assert json.loads(await client.generic_call("Box", "look", b'"x"', key=key, headers=dict(_JSON))) == 1
            with pytest.raises(HttpError) as failed:
                await client.service_call(features.fails, arg=418)
            assert failed.value.status_code == 418
            assert json.loads(failed.value.body or "")["source"] == "invocation"

    asyncio.run(main())


def test_the_typescript_client(node: Node, tmp_path: Path) -> None:
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        pytest.skip("node or npm is missing: the TypeScript client is NOT tested")
    try:
        sdk = installed_sdk(npm)
    except (OSError, EverlogError) as error:
        pytest.skip(f"the TypeScript client cannot be installed and is NOT tested: {error}")
    for name in ("node_modules", "package.json"):
        (tmp_path / name).symlink_to(sdk / name)
    shutil.copy(_SCRIPT, tmp_path)
    command = [program, _SCRIPT.name, node.ingress, fresh()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "called": ["x"],
        "looked": 1,
        "once": [["a"], ["a"]],
        "sent": ["Accepted", True, ["texts", "x", "y"]],
        "delayed": "Accepted",
        "generic": 2,
        "scoped": 3,
        "submitted": "Accepted",
        "early": False,
        "attached": "word me",
        "late": "word me",
        "again": "PreviouslyAccepted",
        "resolved": {"deep": [1]},
        "rejected": [500, "invocation"],
        "failed": [418, "invocation"],
        "unknown": [404, "ingress"],
        "bad": [400, "ingress"],
    }


def _sockets(pid: int) -> int:
    """Sockets that a process has open."""
    count = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            count += os.readlink(entry).startswith("socket:")
        except OSError:
            continue
    return count


def test_clients_that_go_away_leave_nothing_behind(node: Node) -> None:
    """Hundreds give up waiting; each invocation goes on and ends, and the process has no socket more than before."""
    client, key = Client(node), fresh()
    pid = node.pid("ingress")
    before = _sockets(pid)
    words = [f"{key}-{number}" for number in range(200)]
    waiting = []
    for word in words:
        body = json.dumps("word").encode()
        connection = socket.create_connection(("127.0.0.1", node.ingress_port))
        head = f"POST /Gate/{word}/run HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n"
        connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        waiting.append(connection)
    mine = f"FROM sys_invocation WHERE target_service_name = 'Gate' AND target_service_key LIKE '{key}%'"
    going = f"SELECT count(*) AS n {mine} AND status IN ('running', 'suspended')"
    eventually(lambda: client.sql(going)[0]["n"] == len(words), 30, what="all have begun")
    assert _sockets(pid) >= before + len(words)
    for connection in waiting:
        connection.close()
    eventually(lambda: _sockets(pid) <= before, what="the sockets are closed")
    client.call(f"/Gate/{words[0]}/open_gate", "me")
    assert client.call(f"/restate/workflow/Gate/{words[0]}/attach") == "word me"
    assert client.sql(going)[0]["n"] == len(words) - 1


def test_a_client_of_a_stopping_ingress_is_told_what_to_attach_to(node: Node) -> None:
    """It waits longer than the drain. supervisord starts the ingress again, and there it gets its result."""
    client, key = Client(node), fresh()
    body = json.dumps("word").encode()
    with socket.create_connection(("127.0.0.1", node.ingress_port), timeout=30) as connection:
        head = f"POST /Gate/{key}/run HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n"
        connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        eventually(lambda: client.sql(f"SELECT id FROM sys_invocation WHERE target_service_key = '{key}'"))
        node.kill("ingress", signal.SIGTERM)
        answer = b""
        while data := connection.recv(65_536):
            answer += data
    lines = answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    assert lines[0].startswith("HTTP/1.1 503 ")
    assert headers["connection"] == "close"

    def serves() -> bool:
        try:
            return client.request("/restate/health")[0] == 200
        except OSError:
            return False

    eventually(serves, 30, what="the ingress is there again")
    client.call(f"/Gate/{key}/open_gate", "me")
    assert client.call(f"/restate/attach/{headers['x-restate-id']}") == "word me"
