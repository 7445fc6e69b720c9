"""Runs rows of the table of misbehaviours on a runtime, ours or the oracle, and brings back what can be read there."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tests.conftest import eventually
from tests.processes.misbehaver import Misbehaver, misbehaving
from tests.processes.misbehaviours import Row

__all__ = ["Runtime", "Seen", "run_rows"]

NEIGHBOURS = 3
_SERVICES: dict[str, tuple[str, str | None]] = {
    "service": ("SERVICE", None),
    "exclusive": ("VIRTUAL_OBJECT", "EXCLUSIVE"),
    "shared": ("VIRTUAL_OBJECT", "SHARED"),
    "query": ("WORKFLOW", "SHARED"),
}


class Runtime(NamedTuple):
    """Base URLs."""

    ingress: str
    admin: str

    def call(self, method: str, url: str, body: Any = None) -> Any:
        headers = {"content-type": "application/json", "accept": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=30) as reply:
            text = reply.read()
        return json.loads(text) if text else None

    def query(self, sql: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.call("POST", f"{self.admin}/query", {"query": sql})["rows"]
        return rows

    def register(self, server: Misbehaver) -> None:
        body = {"uri": server.uri, "use_http_11": server.http1}

        def registered() -> bool:
            with contextlib.suppress(urllib.error.HTTPError):
                self.call("POST", f"{self.admin}/deployments", body)
                return True
            return False

        eventually(registered, 20, what=f"{server.uri} is registered")

    def send(self, path: str) -> str:
        return str(self.call("POST", f"{self.ingress}/{path}/send", "x")["invocationId"])


class Seen(NamedTuple):
    """What became of a row's invocation: its row of sys_invocation while the attempt was failed (None: it never was),
    the first event of it, and how it ended."""

    failed: dict[str, Any] | None
    event: dict[str, Any] | None
    status: str
    attempts: int


def services_of(rows: Sequence[Row], suffix: str) -> dict[str, tuple[str, dict[str, str | None]]]:
    services: dict[str, tuple[str, dict[str, str | None]]] = {f"Neighbour{suffix}": ("SERVICE", {"hold": None})}
    for row in rows:
        ty, handler = _SERVICES[row.kind]
        name = f"Bad{ty.title().replace('_', '')}{suffix}"
        services.setdefault(name, (ty, {"run": "WORKFLOW"} if ty == "WORKFLOW" else {}))[1][row.name] = handler
    return services


def path_of(row: Row, suffix: str) -> str:
    ty, _ = _SERVICES[row.kind]
    key = "" if ty == "SERVICE" else f"/{row.name}"
    return f"Bad{ty.title().replace('_', '')}{suffix}{key}/{row.name}"


@contextlib.contextmanager
def _served(rows: Sequence[Row], suffix: str, *, http1: bool) -> Iterator[Misbehaver]:
    server = Misbehaver(
        services_of(rows, suffix),
        {row.name: row.act for row in rows},
        options={row.name: row.options for row in rows if row.options},
        http1=http1,
        settings={key: value for row in rows for key, value in row.settings.items()},
    )
    with misbehaving(server):
        yield server


def run_rows(
    runtime: Runtime, groups: Sequence[Sequence[Row]], *, suffix: str = "", http1: bool = False
) -> tuple[dict[str, Seen], list[Misbehaver], dict[str, list[int]]]:
    """Each group on a server of its own, all at once, with neighbours on the same connections. Returns what was seen
    by the row's name, the servers, and by the group's first row how many attempts its neighbours took."""
    with contextlib.ExitStack() as stack:
        servers = []
        for number, rows in enumerate(groups):
            end = suffix if number == 0 else f"{suffix}{number}"
            servers.append((stack.enter_context(_served(rows, end, http1=http1)), end, rows))
        neighbours: dict[str, list[str]] = {}
        windowed = [each for each in servers if 4 not in each[0].settings]
        for server, end, rows in servers:
            runtime.register(server)
            neighbours[rows[0].name] = [runtime.send(f"Neighbour{end}/hold") for _ in range(NEIGHBOURS)]
        for server, _, _ in windowed:
            eventually(lambda server=server: len(server.held) >= NEIGHBOURS, 20, what="the neighbours are held")
        sent = {row.name: runtime.send(path_of(row, end)) for _, end, rows in servers for row in rows}
        failed = _watch(runtime, sent, {row.name: row for _, _, rows in servers for row in rows})
        for server, _, _ in servers:
            server.let_go()
        for _, _, rows in servers:
            for row in rows:
                if row.stays:
                    runtime.call("PATCH", f"{runtime.admin}/invocations/{sent[row.name]}/resume")
        everybody = [*sent.values(), *(each for ids in neighbours.values() for each in ids)]
        ended = _wait_all(runtime, everybody)
        attempts = {
            rows[0].name: [server.attempts[each] for each in neighbours[rows[0].name]] for server, _, rows in servers
        }
        seen = {
            name: Seen(
                failed.get(name), _first_event(runtime, each), ended[each], sum(s.attempts[each] for s, _, _ in servers)
            )
            for name, each in sent.items()
        }
        return seen, [server for server, _, _ in servers], attempts


def _watch(runtime: Runtime, sent: dict[str, str], rows: dict[str, Row]) -> dict[str, dict[str, Any]]:
    """The failed ones as SQL shows them between two attempts; until each has failed or ended."""
    names = {each: name for name, each in sent.items()}
    failed: dict[str, dict[str, Any]] = {}
    over: set[str] = set()
    deadline = time.monotonic() + 20
    ids = ", ".join(f"'{each}'" for each in names)
    while len(failed.keys() | over) < len(sent) and time.monotonic() < deadline:
        for row in runtime.query(f"SELECT * FROM sys_invocation WHERE id IN ({ids})"):
            name = names[row["id"]]
            if row.get("last_failure") is not None:
                failed.setdefault(name, row)
            elif row["status"] in ("completed", "paused", "suspended"):
                over.add(name)
        time.sleep(0.1)
    return failed


def _wait_all(runtime: Runtime, ids: Sequence[str]) -> dict[str, str]:
    """The statuses once all have ended, or after a while."""
    listed = ", ".join(f"'{each}'" for each in ids)
    deadline = time.monotonic() + 40
    while True:
        rows = runtime.query(f"SELECT id, status FROM sys_invocation WHERE id IN ({listed})")
        found = {row["id"]: str(row["status"]) for row in rows}
        if all(found.get(each) == "completed" for each in ids) or time.monotonic() > deadline:
            return {each: found.get(each, "gone") for each in ids}
        time.sleep(0.2)


def _first_event(runtime: Runtime, invocation: str) -> dict[str, Any] | None:
    sql = f"SELECT event_type, event_json FROM sys_journal_events WHERE id = '{invocation}' ORDER BY appended_at"
    for row in runtime.query(sql):
        event: dict[str, Any] = json.loads(row["event_json"])
        if row["event_type"] == "TransientError":
            return event
        # Of a failure that is not retried the pause tells.
        if row["event_type"] == "Paused" and "last_failure" in event:
            failure: dict[str, Any] = event["last_failure"]
            return failure
    return None
