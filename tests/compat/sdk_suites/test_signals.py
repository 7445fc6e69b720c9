"""Named signals: a value, or a failure."""

from __future__ import annotations

import pytest

from tests.compat.sdk_suites.client import Client, Sent, fresh
from tests.compat.sdk_suites.requests import create_signal, interpret

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(180)]
CONFIGURATIONS = ("default", "alwaysSuspending", "singlePartition", "requestResponse")


@pytest.fixture
def waiting(client: Client) -> Sent:
    request = interpret({"type": "awaitOne", "command": create_signal("mysignal")})
    return client.send(f"/VirtualObjectCommandInterpreter/{fresh()}/interpretCommands", request)


def test_resolve(client: Client, waiting: Sent) -> None:
    request = {"invocationId": waiting.id, "signalName": "mysignal", "value": "hello"}
    client.call("/TestUtilsService/resolveSignal", request).result()
    assert waiting.attach().result() == "hello"


def test_reject(client: Client, waiting: Sent) -> None:
    request = {"invocationId": waiting.id, "signalName": "mysignal", "reason": "boom"}
    client.call("/TestUtilsService/rejectSignal", request).result()
    answer = waiting.attach()
    assert answer.status == 500
    assert "boom" in answer.message
