"""Calls and sends from service to service: with delay, with idempotency keys."""

from __future__ import annotations

import json
import time

import pytest

from tests.compat.sdk_suites.client import Client, fresh, until
from tests.compat.sdk_suites.requests import proxied

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(180)]
CONFIGURATIONS = ("default", "alwaysSuspending", "singlePartition", "requestResponse")


def add_one(counter: str, **fields: object) -> dict[str, object]:
    return proxied("Counter", "add", 1, key=counter, **fields)


def count(client: Client, counter: str) -> int:
    return int(client.call(f"/Counter/{counter}/get", key=None).result())


def test_regular_call(client: Client) -> None:
    answer = client.call("/Proxy/call", proxied("TestUtilsService", "uppercaseEcho", "ping")).result()
    assert bytes(answer) == b'"PING"'


def test_one_way_call(client: Client) -> None:
    counter = fresh()
    assert client.call("/Proxy/oneWayCall", add_one(counter)).result().startswith("inv_1")
    until(lambda: count(client, counter) == 1)


def test_one_way_call_with_idempotency_key(client: Client) -> None:
    counter, key = fresh(), fresh()
    first, second = (client.call("/Proxy/oneWayCall", add_one(counter, idempotencyKey=key)).result() for _ in range(2))
    assert first == second
    handle = f"/restate/invocation/Counter/{counter}/add/{key}"
    assert client.get(f"{handle}/attach").result() == {"oldValue": 0, "newValue": 1}
    assert client.get(f"{handle}/output").result() == {"oldValue": 0, "newValue": 1}
    assert count(client, counter) == 1


def test_call_with_idempotency_key(client: Client) -> None:
    counter, key = fresh(), fresh()
    for _ in range(2):
        answer = client.call("/Proxy/call", add_one(counter, idempotencyKey=key)).result()
        assert json.loads(bytes(answer)) == {"oldValue": 0, "newValue": 1}
    assert count(client, counter) == 1
    output = client.get(f"/restate/invocation/Counter/{counter}/add/{key}/output")
    assert output.result() == {"oldValue": 0, "newValue": 1}


def test_one_way_call_with_delay(client: Client) -> None:
    """The delays run side by side: none waits for its turn at the object."""
    counter = fresh()
    begun = time.monotonic()
    for _ in range(10):
        client.call("/Proxy/oneWayCall", add_one(counter, delayMillis=3000)).result()
    until(lambda: count(client, counter) == 10)
    assert 3 <= time.monotonic() - begun < 15
