"""Headers pass through, bodies as they are, idempotency keys, attach and output."""

from __future__ import annotations

import random

import pytest

from tests.compat.sdk_suites.client import Client, fresh, until

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(180)]
CONFIGURATIONS = ("default", "singlePartition", "requestResponse")


def test_headers_pass_through(client: Client) -> None:
    headers = {"x-my-custom-header": "x-my-custom-value", "idempotency-key": fresh()}
    answer = client.request("POST", f"{client.ingress}/TestUtilsService/echoHeaders", None, headers)
    assert answer.result()["x-my-custom-header"] == "x-my-custom-value"


def test_raw_handler(client: Client) -> None:
    sent = random.randbytes(100)
    answer = client.call("/TestUtilsService/rawEcho", raw=sent)
    assert (answer.status, answer.body) == (200, sent)


def test_idempotent_call_runs_once(client: Client) -> None:
    counter, key = fresh(), fresh()
    first = client.call(f"/Counter/{counter}/add", 2, key=key)
    second = client.call(f"/Counter/{counter}/add", 2, key=key)
    assert first.result() == second.result() == {"oldValue": 0, "newValue": 2}
    assert client.call(f"/Counter/{counter}/add", 2).result() == {"oldValue": 2, "newValue": 4}


def test_idempotent_send_runs_once(client: Client) -> None:
    counter, key = fresh(), fresh()
    first = client.send(f"/Counter/{counter}/add", 2, key=key)
    second = client.send(f"/Counter/{counter}/add", 2, key=key)
    assert (first.status, second.status) == ("Accepted", "PreviouslyAccepted")
    assert first.id.startswith("inv")
    assert first.id == second.id
    until(lambda: client.call(f"/Counter/{counter}/get", key=None).result() == 2)
    assert client.call(f"/Counter/{counter}/add", 2).result() == {"oldValue": 2, "newValue": 4}


def test_attach_and_output_by_idempotent_request(client: Client) -> None:
    """Output is 470 while it is not there."""
    interpreter, key = fresh(), fresh()
    path = f"/VirtualObjectCommandInterpreter/{interpreter}"
    command = {"type": "awaitOne", "command": {"type": "createAwakeable", "awakeableKey": "awk"}}
    sent = client.send(f"{path}/interpretCommands", {"commands": [command]}, key=key)
    handle = f"/restate/invocation{path}/interpretCommands/{key}"
    assert client.get(f"{handle}/output").status == sent.output().status == 470
    until(lambda: client.call(f"{path}/hasAwakeable", "awk", key=None).result())
    client.call(f"{path}/resolveAwakeable", {"awakeableKey": "awk", "value": "response"}).result()
    assert client.get(f"{handle}/attach").result() == "response"
    assert client.get(f"{handle}/output").result() == "response"
    assert sent.output().result() == "response"
