"""Not of the SDKs' suites: a name awaited again and again, also across suspensions."""

from __future__ import annotations

import pytest

from tests.compat.sdk_suites.client import Client, fresh
from tests.compat.sdk_suites.requests import create_signal, interpret

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(180)]
CONFIGURATIONS = ("default", "alwaysSuspending", "requestResponse")


def test_each_signal_is_heard(client: Client) -> None:
    path = f"/VirtualObjectCommandInterpreter/{fresh()}"
    command = {"type": "awaitOne", "command": create_signal("again")}
    sent = client.send(f"{path}/interpretCommands", interpret(command, command, command))
    for value in ("first", "second", "third"):
        request = {"invocationId": sent.id, "signalName": "again", "value": value}
        client.call("/TestUtilsService/resolveSignal", request).result()
    assert sent.attach().result() == "third"
    assert client.call(f"{path}/getResults").result() == ["first", "second", "third"]
