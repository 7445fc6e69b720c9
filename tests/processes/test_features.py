"""Services of the official SDK on a whole node, over HTTP/2 streams and over HTTP/1.1 request-response."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conftest import eventually
from tests.processes.endpoint import running_endpoint
from tests.processes.node import Node, running_node

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(120)]


class Client:
    """Calls through the ingress and the admin API."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def request(
        self, path: str, body: Any = None, *, base: str = "", **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        """-> (status, JSON or None, headers). A body of None makes it a GET."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            named["content-type"] = "application/json"
        request = urllib.request.Request(f"{base or self.node.ingress}{path}", data=data, headers=named)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                text = response.read()
                return response.status, json.loads(text) if text else None, dict(response.headers)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read()), dict(error.headers)

    def sql(self, query: str) -> Any:
        """The rows of a query by the admin API."""
        _, answer, _ = self.request("/query", {"query": query}, base=self.node.admin, accept="application/json")
        return answer["rows"]

    def call(self, path: str, body: Any = None, **headers: str) -> Any:
        status, answer, _ = self.request(path, body, **headers)
        assert status in (200, 202), answer
        return answer


@pytest.fixture(scope="module", params=["http2", "http1"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("features")
    with (
        running_node(partitions=4, workers=2) as node,
        running_endpoint("tests.processes.features_service:app", folder) as endpoint,
    ):
        client = Client(node)
        body = {"uri": endpoint.uri, "use_http_11": request.param == "http1"}
        status, answer, _ = client.request("/deployments", body, base=node.admin)
        assert status == 201, answer
        yield client


def fresh() -> str:
    return uuid.uuid4().hex[:12]


def test_state_is_kept_by_key_and_cleared(client: Client) -> None:
    key = fresh()
    assert client.call(f"/Box/{key}/put", ["x", {"deep": [1, 2]}]) == ["x"]
    assert client.call(f"/Box/{key}/put", ["y", None]) == ["x", "y"]
    assert client.call(f"/Box/{key}/look", "x") == {"deep": [1, 2]}
    assert client.call(f"/Box/{fresh()}/look", "x") is None
    client.request(f"/Box/{key}/empty")
    assert client.call(f"/Box/{key}/look", "x") is None


def test_a_query_sees_what_was_answered_before_it(client: Client) -> None:
    """Many clients at once: who has an answer finds it in a query sent after it, and no partition goes back."""

    def lsns() -> dict[int, int]:
        rows = client.sql("select partition_id, applied_lsn from everlog_read_lsns()")
        return {row["partition_id"]: row["applied_lsn"] for row in rows}

    def one(_: int) -> None:
        key, before = fresh(), lsns()
        for turn in range(6):
            client.call(f"/Box/{key}/put", ["x", turn])
            state = f"select value_utf8 from state where service_name = 'Box' and service_key = '{key}' and key = 'x'"
            assert client.sql(state) == [{"value_utf8": str(turn)}]
            delayed = client.call(f"/Box/{key}/put/send?delay=60s", ["y", turn])["invocationId"]
            found = client.sql(f"select id, status from sys_invocation where id = '{delayed}'")
            assert found == [{"id": delayed, "status": "scheduled"}]
            count = f"select count(*) as n from sys_invocation where target = 'Box/{key}/put' and status = 'scheduled'"
            assert client.sql(count) == [{"n": turn + 1}]
            after = lsns()
            assert all(after[partition] >= lsn for partition, lsn in before.items())
            assert sum(after.values()) >= sum(before.values()) + 2
            before = after

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(one, range(6)))


def test_lazy_state_is_read_on_demand(client: Client) -> None:
    key = fresh()
    assert client.call(f"/LazyBox/{key}/swap", "a") == [None, [], "a"]
    assert client.call(f"/LazyBox/{key}/swap", "b") == ["a", ["value"], "b"]
    answer = client.sql(
        f"select entry_type from sys_journal j join sys_invocation i on i.id = j.id "
        f"where i.target = 'LazyBox/{key}/swap'"
    )
    assert {row["entry_type"] for row in answer} >= {"Command: GetLazyState", "Notification: GetLazyState"}


def test_calls_sends_and_delayed_sends_arrive_at_other_partitions(client: Client) -> None:
    assert client.call("/Tour/call_and_send", fresh()) == {"first": ["a"], "b": 2}


def test_exclusive_handlers_of_one_key_run_one_after_the_other(client: Client) -> None:
    key = fresh()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: client.call(f"/Box/{key}/slow_append", str(number)), range(8)))
    assert sorted(len(answer) for answer in answers) == list(range(1, 9))
    longest = max(answers, key=len)
    assert all(answer == longest[: len(answer)] for answer in answers)


def test_sends_to_one_key_run_in_the_order_of_sending(client: Client) -> None:
    key = fresh()
    for number in range(10):
        client.call(f"/Box/{key}/slow_append/send", str(number))
    assert client.call(f"/Box/{key}/slow_append", "last") == [*map(str, range(10)), "last"]


@pytest.mark.parametrize("verb", ["resolve", "reject"])
def test_an_awakeable_is_completed_from_outside(client: Client, verb: str) -> None:
    key = fresh()
    sent = client.call("/Tour/awaits_outside/send", key)
    awakeable = eventually(lambda: client.call(f"/Box/{key}/look", "awakeable"))
    status, _, _ = client.request(f"/restate/awakeables/{awakeable}/{verb}", "from outside")
    assert status == 202
    status, answer, _ = client.request(f"/restate/invocation/{sent['invocationId']}/attach")
    if verb == "resolve":
        assert (status, answer) == (200, "from outside")
    else:
        assert status == 500
        assert "from outside" in answer["message"]


def test_a_terminal_error_is_answered_with_its_code(client: Client) -> None:
    status, answer, headers = client.request("/Tour/fails", 418)
    assert (status, answer["message"], answer["source"]) == (418, "as asked", "invocation")
    assert headers["x-restate-id"].startswith("inv_1")


def test_a_step_is_retried_until_it_succeeds(client: Client) -> None:
    assert client.call("/Tour/flaky", fresh()) == 3


def test_a_cancelled_invocation_cleans_up_and_ends_with_409(client: Client) -> None:
    key = fresh()
    sent = client.call("/Tour/waits_for_ever/send", key)
    eventually(lambda: client.call(f"/Box/{key}/look", "invocation"))
    client.call("/Tour/cancels", sent["invocationId"])
    status, answer, _ = client.request(f"/restate/invocation/{sent['invocationId']}/attach")
    assert status == 409, answer
    assert client.call(f"/Box/{key}/look", "cleaned")


def test_a_workflow_runs_once_and_waits_for_its_promise(client: Client) -> None:
    key = fresh()
    results: list[Any] = []
    runner = threading.Thread(target=lambda: results.append(client.call(f"/Gate/{key}/run", "hello")))
    runner.start()
    eventually(lambda: client.request(f"/restate/workflow/Gate/{key}/output")[0] == 470)
    status, answer, _ = client.request(f"/Gate/{key}/run", "again")
    assert (status, answer["source"]) == (409, "invocation")
    assert client.call(f"/Gate/{key}/open_gate", "sesame") == "hello"
    runner.join(30)
    assert results == ["hello sesame"]
    assert client.call(f"/restate/workflow/Gate/{key}/attach") == "hello sesame"


def test_an_idempotent_call_runs_once_and_its_result_is_kept(client: Client) -> None:
    key, once = fresh(), fresh()
    first = client.call(f"/Box/{key}/slow_append", "x", idempotency_key=once)
    status, second, headers = client.request(f"/Box/{key}/slow_append", "x", idempotency_key=once)
    assert (status, first, second) == (200, ["x"], ["x"])
    assert "idempotency-expires" in headers
    assert client.call(f"/restate/invocation/Box/{key}/slow_append/{once}/output") == ["x"]


def test_a_delayed_send_waits(client: Client) -> None:
    key = fresh()
    before = time.time()
    sent = client.call(f"/Box/{key}/put/send?delay=500ms", ["late", 1])
    assert "executionTime" in sent
    client.call(f"/restate/invocation/{sent['invocationId']}/attach")
    assert time.time() - before >= 0.5
    assert client.call(f"/Box/{key}/look", "late") == 1


def test_an_idle_handler_suspends_and_wakes(client: Client) -> None:
    """Its service speaks request-response, or its sleep is over the inactivity time-out: nothing runs meanwhile."""
    key = fresh()
    sent = client.call("/Tour/awaits_outside/send", key)
    awakeable = eventually(lambda: client.call(f"/Box/{key}/look", "awakeable"))
    status, _, _ = client.request(f"/restate/invocation/{sent['invocationId']}/output")
    assert status == 470
    client.request(f"/restate/awakeables/{awakeable}/resolve", 5)
    assert client.call(f"/restate/invocation/{sent['invocationId']}/attach") == 5


def test_state_and_what_waits_survive_a_restart(client: Client) -> None:
    key = fresh()
    client.call(f"/Box/{key}/put", ["kept", "yes"])
    sent = client.call("/Tour/awaits_outside/send", key)
    awakeable = eventually(lambda: client.call(f"/Box/{key}/look", "awakeable"))
    client.node.down()
    client.node.up()
    assert client.call(f"/Box/{key}/look", "kept") == "yes"
    client.request(f"/restate/awakeables/{awakeable}/resolve", "after the restart")
    assert client.call(f"/restate/invocation/{sent['invocationId']}/attach") == "after the restart"


def test_an_answer_asked_for_by_its_bare_id_has_the_handlers_content_type(client: Client) -> None:
    sent = client.call(f"/Box/{fresh()}/put/send", ["x", 1])
    _, _, headers = client.request(f"/restate/invocation/{sent['invocationId']}/attach")
    assert headers["content-type"] == "application/json"


class Waiting:
    """A handler that waits for awakeables, whose ids it left in a box."""

    def __init__(self, client: Client, handler: str, box: str = "Box") -> None:
        self.client = client
        key = fresh()
        self.id = client.call(f"/{handler}/send", key)["invocationId"]
        self.awakeables = eventually(lambda: client.call(f"/{box}/{key}/look", "awakeables"))

    def row(self) -> dict[str, Any]:
        (row,) = self.client.sql(f"select * from sys_invocation where id = '{self.id}'")
        return dict(row)

    def suspended(self) -> dict[str, Any]:
        """Its row once it is suspended."""
        eventually(lambda: self.row()["status"] == "suspended", 20, what="it is suspended")
        return self.row()

    def complete(self, which: int, body: Any, verb: str = "resolve") -> None:
        self.client.request(f"/restate/awakeables/{self.awakeables[which]}/{verb}", body)

    def result(self) -> Any:
        return self.client.call(f"/restate/invocation/{self.id}/attach")


@pytest.mark.parametrize("verb", ["resolve", "reject"])
def test_gather_stays_suspended_until_the_last(client: Client, verb: str) -> None:
    waiting = Waiting(client, "Combine/gathers")
    before = waiting.suspended()
    assert before["pinned_service_protocol_version"] == 7
    assert before["suspended_waiting_for_signals"] == [1, 17, 18]
    assert "AllCompleted" in before["suspended_waiting_future_json"]
    assert "last_awaiting_on_future_json" not in before
    waiting.complete(1, "second", verb)
    after = waiting.suspended()
    assert after["journal_size"] == before["journal_size"] + 1
    assert after["journal_commands_size"] == before["journal_commands_size"]
    assert after["suspended_waiting_for_signals"] == [1, 17]
    time.sleep(0.3)
    assert waiting.row()["status"] == "suspended"
    assert waiting.row()["running_at"] == before["running_at"]
    waiting.complete(0, "first")
    assert waiting.result() == ["first", "second" if verb == "resolve" else 'failed: "second"']


def test_select_wakes_at_the_first(client: Client) -> None:
    waiting = Waiting(client, "Combine/selects")
    assert "FirstCompleted" in waiting.suspended()["suspended_waiting_future_json"]
    waiting.complete(1, "quick")
    assert waiting.result() == ["second", "quick"]


def test_as_completed_goes_by_arrival(client: Client) -> None:
    waiting = Waiting(client, "Combine/in_order_of_arrival")
    waiting.suspended()
    waiting.complete(1, "first to come")
    eventually(lambda: waiting.row().get("suspended_waiting_for_signals") == [1, 17], 20)
    waiting.complete(0, "last to come")
    assert waiting.result() == ["first to come", "last to come"]


def test_wait_completed_tells_the_ready_from_the_rest(client: Client) -> None:
    waiting = Waiting(client, "Combine/one_then_the_rest")
    waiting.suspended()
    waiting.complete(0, 1)
    eventually(lambda: waiting.row().get("suspended_waiting_for_signals") == [1, 18], 20)
    waiting.complete(1, 1)
    assert waiting.result() == [1, 1, 1, 0]


def test_combinators_one_after_the_other_find_what_came_before(client: Client) -> None:
    waiting = Waiting(client, "Combine/nests")
    waiting.suspended()
    waiting.complete(0, "a")
    eventually(lambda: "AllCompleted" in waiting.row().get("suspended_waiting_future_json", ""), 20)
    waiting.complete(1, "b")
    assert waiting.result() == [["first", "a"], ["a", "b"]]


def test_steps_side_by_side_are_acknowledged(client: Client) -> None:
    assert client.call("/Combine/steps_side_by_side", fresh()) == [0, 10, 20, 30, 40]


def test_a_suspended_combinator_survives_a_restart_and_a_cancel_wakes_it(client: Client) -> None:
    waiting = Waiting(client, "Combine/gathers")
    waiting.suspended()
    waiting.complete(0, "before")
    client.node.down()
    client.node.up()
    assert waiting.suspended()["suspended_waiting_for_signals"] == [1, 18]
    client.call("/Tour/cancels", waiting.id)
    status, answer, _ = client.request(f"/restate/invocation/{waiting.id}/attach")
    assert status == 409, answer


def test_what_an_open_handler_waits_for_is_shown(client: Client) -> None:
    """Tour's handlers are kept open; over request-response there is nothing open to ask, and it is suspended.

    The Python SDK sends what it waits for with its next message only: here, when it learns the callee's id.
    """
    _, sent, _ = client.request("/Tour/calls_a_sleeper/send")
    query = f"select * from sys_invocation where id = '{sent['invocationId']}'"

    def shown() -> bool:
        (row,) = client.sql(query)
        future = row.get("last_awaiting_on_future_json") or row.get("suspended_waiting_future_json") or ""
        return '{"Single":{"CompletionId":2}}' in future and '{"Single":{"SignalIndex":1}}' in future

    eventually(shown, 20, what="the call and the cancel signal are shown")
    client.call("/Tour/cancels", sent["invocationId"])
    assert client.request(f"/restate/invocation/{sent['invocationId']}/attach")[0] == 409
