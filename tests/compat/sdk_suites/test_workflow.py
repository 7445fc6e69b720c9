"""A workflow runs once, waits for its promise, and its result is kept."""

from __future__ import annotations

import pytest

from tests.compat.sdk_suites.client import Client, fresh, until

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(180)]
CONFIGURATIONS = ("default", "alwaysSuspending", "singlePartition", "requestResponse")


def test_set_and_resolve(client: Client) -> None:
    key = fresh()
    path = f"/BlockAndWaitWorkflow/{key}"
    first = client.send(f"{path}/run", "Francesco", key=None)
    assert first.status == "Accepted"
    assert client.get(f"/restate/workflow{path}/output").status == 470
    until(lambda: client.call(f"{path}/getState", key=None).result() == "Francesco", what="its state is set")
    client.call(f"{path}/unblock", "Till").result()
    assert client.get(f"/restate/workflow{path}/attach").result() == "Till"
    assert client.get(f"/restate/workflow{path}/output").result() == "Till"
    second = client.send(f"{path}/run", "Francesco", key=None)
    assert (second.status, second.id) == ("PreviouslyAccepted", first.id)
    assert client.get(f"/restate/workflow{path}/output").result() == "Till"


def test_a_promise_is_completed_once(client: Client) -> None:
    path = f"/BlockAndWaitWorkflow/{fresh()}"
    client.call(f"{path}/unblock", "first").result()
    again = client.call(f"{path}/unblock", "second")
    assert again.status == 409, again.body
    assert client.call(f"{path}/run", "x", key=None).result() == "first"
