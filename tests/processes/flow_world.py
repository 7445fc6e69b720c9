"""A runtime, ours or the oracle, with the services of `flow_service`, as tests of flow control drive it."""

from __future__ import annotations

import contextlib
import json
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.conftest import eventually
from tests.fakes.private_oracle import private_oracle
from tests.processes.endpoint import Endpoint, running_endpoint
from tests.processes.node import Node, running_node
from tests.processes.running import Running

__all__ = ["World", "everlog_world", "oracle_world", "request"]

_APPLICATION = "tests.processes.flow_service:app"


def request(method: str, url: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """Status and JSON (or None) of an answer."""
    sent = {"accept": "application/json"} | ({} if body is None else {"content-type": "application/json"})
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, sent, method=method), timeout=60) as reply:
            status, text = reply.status, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            status, text = error.code, error.read()
    return status, json.loads(text) if text else None


class World:
    """`node` None: the oracle. `name` makes scopes and rules of one test its own."""

    def __init__(self, ingress: str, admin: str, folder: Path, endpoint: Endpoint, node: Node | None) -> None:
        self.ingress = ingress
        self.admin = admin
        self.folder = folder
        self.endpoint = endpoint
        self.node = node
        self.name = ""

    def rule(self, pattern: str, concurrency: int | None, **fields: Any) -> None:
        """Set a rule; it holds soon after."""
        limits = {} if concurrency is None else {"concurrency": concurrency}
        status, answer = request(
            "PUT", f"{self.admin}/limits/rules", [{"pattern": pattern, "limits": limits, **fields}]
        )
        assert status == 200, answer

    def no_rule(self, pattern: str) -> None:
        status, answer = request("POST", f"{self.admin}/limits/rules/bulk-delete", [{"pattern": pattern}])
        assert (status, answer) == (200, [pattern])

    def send(self, scope: str | None, handler: str, body: Any = None, limit_key: str = "", **headers: str) -> str:
        """Invoke `Service/[key/]handler` without waiting; the id of the invocation."""
        place = "/restate" if scope is None else f"/restate/scope/{scope}"
        status, answer = request(
            "POST", f"{self.ingress}{place}/send/{handler}", body, **headers, **_limit_key(limit_key)
        )
        assert status == 202, answer
        return str(answer["invocationId"])

    def call(self, scope: str | None, handler: str, body: Any = None, limit_key: str = "", **headers: str) -> Any:
        """Invoke and wait."""
        place = "/restate" if scope is None else f"/restate/scope/{scope}"
        status, answer = request(
            "POST", f"{self.ingress}{place}/call/{handler}", body, **headers, **_limit_key(limit_key)
        )
        assert status == 200, answer
        return answer

    def send_many(self, count: int, scope: str, handler: str, body: Any = None, limit_key: str = "") -> list[str]:
        """Several at once."""
        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(lambda _: self.send(scope, handler, body, limit_key), range(count)))

    def attach(self, invocation: str) -> tuple[int, Any]:
        return request("GET", f"{self.ingress}/restate/attach/{invocation}")

    def wait_all(self, invocations: list[str], *, deadline_s: float = 60.0) -> None:
        """Until all have succeeded."""
        wanted = set(invocations)

        def done() -> bool:
            rows = self.rows(
                "SELECT id, completion_result FROM sys_invocation_status WHERE status = 'completed'"
                f" AND scope LIKE '{self.name}%'"
            )
            failed = [row["id"] for row in rows if row["id"] in wanted and row["completion_result"] != "success"]
            assert not failed, failed
            return wanted <= {row["id"] for row in rows}

        eventually(done, deadline_s, what=f"all of {len(wanted)} invocations are done")

    def rows(self, sql: str) -> list[dict[str, Any]]:
        status, answer = request("POST", f"{self.admin}/query", {"query": sql})
        assert status == 200, answer
        found: list[dict[str, Any]] = answer["rows"]
        return found

    def statuses(self, scope: str) -> dict[str, int]:
        """How many invocations of a scope have each status."""
        rows = self.rows(f"SELECT status, count(*) AS n FROM sys_invocation WHERE scope = '{scope}' GROUP BY status")
        return {row["status"]: row["n"] for row in rows}

    def running(self) -> Running:
        return Running(self.folder / "flow")

    def open(self, gate: str) -> None:
        """Let those go that hold until there is this file."""
        (self.folder / gate).touch()

    def until(self, condition: Callable[[Running], Any], *, what: str, deadline_s: float = 30.0) -> None:
        eventually(lambda: condition(self.running()), deadline_s, what=what)


def _limit_key(limit_key: str) -> dict[str, str]:
    return {"x_restate_limit_key": limit_key} if limit_key else {}


@contextlib.contextmanager
def everlog_world(**settings: object) -> Iterator[World]:
    """A node of ours."""
    with (
        tempfile.TemporaryDirectory(prefix="everlog-flow-") as folder,
        running_node(**settings) as node,
        running_endpoint(_APPLICATION, Path(folder), FLOW_FILE=f"{folder}/flow") as endpoint,
    ):
        endpoint.register(node)
        yield World(node.ingress, node.admin, Path(folder), endpoint, node)


@contextlib.contextmanager
def oracle_world() -> Iterator[World]:
    """The oracle. Skips when it cannot be had."""
    with tempfile.TemporaryDirectory(prefix="everlog-flow-") as folder:
        data = Path(folder) / "oracle"
        data.mkdir()
        with (
            private_oracle(data) as oracle,
            running_endpoint(_APPLICATION, Path(folder), FLOW_FILE=f"{folder}/flow") as endpoint,
        ):
            oracle.register(endpoint.uri)
            yield World(oracle.ingress, oracle.admin, Path(folder), endpoint, None)
