"""Timers: one, a thousand, and while the service is down."""

from __future__ import annotations

import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.compat.sdk_suites.client import Client, fresh
from tests.compat.sdk_suites.conftest import Suite
from tests.compat.sdk_suites.requests import awaitable, interpret, sleeps

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(180)]
CONFIGURATIONS = ("default", "alwaysSuspending", "singlePartition", "requestResponse")
INTERPRETER = "/VirtualObjectCommandInterpreter"


def one(millis: int) -> dict[str, object]:
    return interpret({"type": "awaitOne", "command": sleeps(millis)})


def test_sleep(client: Client) -> None:
    begun = time.monotonic()
    assert client.call(f"{INTERPRETER}/{fresh()}/interpretCommands", one(10)).status == 200
    assert time.monotonic() - begun >= 0.01


def test_many_sleeps(client: Client) -> None:
    def run(_: int) -> int:
        commands = [sleeps(random.randint(10, 50)) for _ in range(20)]
        request = interpret(awaitable("awaitAllCompleted", *commands))
        return client.call(f"{INTERPRETER}/{fresh()}/interpretCommands", request).status

    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(run, range(50))) == [200] * 50


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "terminated"])
def test_sleep_while_the_service_is_down(suite: Suite, client: Client, number: signal.Signals) -> None:
    begun = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.call, f"{INTERPRETER}/{fresh()}/interpretCommands", one(4000))
        time.sleep(random.uniform(1, 2))
        suite.services.stop(number)
        suite.services.start()
        assert answer.result().status == 200
    assert time.monotonic() - begun >= 4
