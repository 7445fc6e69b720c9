"""State of an object of the official SDK, changed over the admin API: between its calls, and across kill -9."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shared.state_version import state_version
from tests.conftest import eventually
from tests.processes.endpoint import running_endpoint
from tests.processes.node import running_node
from tests.processes.test_features import Client, fresh

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("state")
    with (
        running_node(partitions=2, workers=1) as node,
        running_endpoint("tests.processes.state_service:app", folder) as endpoint,
    ):
        endpoint.register(node)
        yield Client(node)


class _Ledger:
    """One object."""

    def __init__(self, client: Client) -> None:
        self.key = fresh()
        self._client = client

    def edit(self, new: dict[str, Any], *, when: dict[str, Any] | None = None) -> None:
        """`when`: the state that it is made for."""
        entries = None if when is None else sorted((name.encode(), _bytes(value)) for name, value in when.items())
        body = {
            "object_key": self.key,
            "version": None if entries is None else state_version(entries),
            "new_state": {name: list(_bytes(value)) for name, value in new.items()},
        }
        status, answer, _ = self._client.request("/services/Ledger/state", body, base=self._client.node.admin)
        assert (status, answer) == (202, None)

    def append(self, text: str) -> str:
        return str(self._client.call(f"/Ledger/{self.key}/append", text))

    def send(self, handler: str, body: Any = None) -> str:
        path = f"/Ledger/{self.key}/{handler}/send"
        status, answer, _ = self._client.request(path, body)
        assert status == 202, answer
        return str(answer["invocationId"])

    @property
    def state(self) -> dict[str, Any]:
        rows = self._client.sql(f"SELECT key, value_utf8 FROM state WHERE service_key = '{self.key}'")
        return {row["key"]: json.loads(row["value_utf8"]) for row in rows}

    def hold(self) -> str:
        """The awakeable that lets it go on."""
        self.send("hold")
        return str(eventually(lambda: self.state.get("awakeable"), what="the object is held"))

    def let_go(self, awakeable: str) -> None:
        self._client.call(f"/restate/awakeables/{awakeable}/resolve", "on")


def _bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_an_object_that_nobody_holds_is_changed_at_once(client: Client) -> None:
    ledger = _Ledger(client)
    ledger.edit({"log": "a", "other": {"x": [1]}})
    assert ledger.state == {"log": "a", "other": {"x": [1]}}
    assert ledger.append("b") == "ab"
    ledger.edit({"log": "no"}, when={"log": "ab"})
    assert ledger.state == {"log": "ab", "other": {"x": [1]}}
    ledger.edit({"log": "c"}, when={"log": "ab", "other": {"x": [1]}})
    assert ledger.state == {"log": "c"}
    ledger.edit({}, when={"log": "c"})
    assert ledger.state == {}
    assert ledger.append("d") == "d"


def test_changes_wait_between_the_calls_and_survive_kill_9(client: Client) -> None:
    ledger, other = _Ledger(client), _Ledger(client)
    awakeable = ledger.hold()
    calls = [ledger.send("append", "1")]
    ledger.edit({"log": "x"})
    calls.append(ledger.send("append", "2"))
    ledger.edit({"log": "no"}, when={"log": "x"})
    ledger.edit({"log": "y"}, when={"log": "x2"})
    calls.append(ledger.send("append", "3"))
    assert ledger.state == {"awakeable": awakeable}
    inbox = f"SELECT id FROM sys_inbox WHERE service_key = '{ledger.key}' ORDER BY sequence_number"
    assert [row["id"] for row in client.sql(inbox)] == calls
    client.node.kill_all()
    client.node.up()
    assert ledger.state == {"awakeable": awakeable}
    # The lock of one object holds no other one up.
    other.edit({"log": "free"})
    assert other.append("!") == "free!"
    ledger.let_go(awakeable)
    told = [client.call(f"/restate/invocation/{call}/attach") for call in calls]
    assert told == ["1", "x2", "y3"]
    assert ledger.state == {"log": "y3"}


def test_a_change_behind_the_last_call_is_made_at_its_end_though_that_is_killed(client: Client) -> None:
    ledger = _Ledger(client)
    holder = ledger.send("hold")
    eventually(lambda: ledger.state.get("awakeable"), what="the object is held")
    ledger.edit({"log": "after"})
    client.node.kill("worker-0")
    client.node.wait_ready()
    assert "log" not in ledger.state
    request = {"invocation_ids": [holder]}
    path = "/internal/invocations_batch_operations/kill"
    _, answer, _ = client.request(path, request, base=client.node.admin)
    assert answer["succeeded"] == [holder]
    assert ledger.state == {"log": "after"}
