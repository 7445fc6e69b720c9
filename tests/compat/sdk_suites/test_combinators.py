"""Combinators over awakeables, signals, sleeps and runs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.compat.sdk_suites.client import Client, Sent, fresh, until
from tests.compat.sdk_suites.requests import (
    awaitable,
    create_awakeable,
    create_signal,
    interpret,
    run_returns,
    run_throws,
    sleeps,
)

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(180)]
CONFIGURATIONS = ("default", "alwaysSuspending", "singlePartition", "requestResponse")
INTERPRETER = "/VirtualObjectCommandInterpreter"
SIGNALS = [create_signal(name) for name in ("sig0", "sig1", "sig2")]


def start(client: Client, kind: str, *commands: dict[str, Any]) -> Sent:
    return client.send(f"{INTERPRETER}/{fresh()}/interpretCommands", interpret(awaitable(kind, *commands)))


def signal(client: Client, sent: Sent, name: str, *, value: str = "", reason: str = "") -> None:
    """Resolve it with a value or reject it with a reason, from another handler."""
    if reason:
        request = {"invocationId": sent.id, "signalName": name, "reason": reason}
        client.call("/TestUtilsService/rejectSignal", request).result()
    else:
        request = {"invocationId": sent.id, "signalName": name, "value": value}
        client.call("/TestUtilsService/resolveSignal", request).result()


def test_awakeable_or_timeout_by_await_any(client: Client) -> None:
    request = interpret(awaitable("awaitAny", create_awakeable("awk1"), sleeps(100)))
    assert client.call(f"{INTERPRETER}/{fresh()}/interpretCommands", request).result() == "sleep"


def test_awakeable_or_timeout(client: Client) -> None:
    command = {"type": "awaitAwakeableOrTimeout", "awakeableKey": "should-timeout-awk", "timeoutMillis": 100}
    answer = client.call(f"{INTERPRETER}/{fresh()}/interpretCommands", interpret(command))
    assert answer.status == 500
    assert "await-timeout" in answer.message


def test_the_first_successful_awakeable_wins(client: Client) -> None:
    key = fresh()
    commands = [command for n in range(3) for command in (create_awakeable(f"awk{n}"), run_throws(f"run{n}"))]
    request = interpret(awaitable("awaitAnySuccessful", *commands))
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(client.call, f"{INTERPRETER}/{key}/interpretCommands", request)
        for name in ("awk2", "awk0", "awk1"):
            until(lambda name=name: client.call(f"{INTERPRETER}/{key}/hasAwakeable", name, key=None).result())
        client.call(f"{INTERPRETER}/{key}/rejectAwakeable", {"awakeableKey": "awk2", "reason": "fail"}).result()
        resolve = {"awakeableKey": "awk1", "value": "awk1-result"}
        client.call(f"{INTERPRETER}/{key}/resolveAwakeable", resolve).result()
        assert result.result().result() == "awk1-result"


def test_signals_first_successful_or_all_failed(client: Client) -> None:
    sent = start(client, "awaitAnySuccessful", *SIGNALS)
    signal(client, sent, "sig0", reason="fail0")
    signal(client, sent, "sig2", reason="fail2")
    signal(client, sent, "sig1", value="success1")
    assert sent.attach().result() == "success1"


def test_signals_all_successful_or_first_failed(client: Client) -> None:
    sent = start(client, "awaitAllSucceededOrFirstFailed", *SIGNALS)
    for number in range(3):
        signal(client, sent, f"sig{number}", value=f"val{number}")
    assert sent.attach().result() == "val0|val1|val2"


def test_signals_all_completed(client: Client) -> None:
    sent = start(client, "awaitAllCompleted", *SIGNALS)
    signal(client, sent, "sig0", value="val0")
    signal(client, sent, "sig1", reason="err1")
    signal(client, sent, "sig2", value="val2")
    assert sent.attach().result() == "ok:val0|err:err1|ok:val2"


@pytest.mark.parametrize("kind", ["awaitAny", "awaitFirstCompleted"])
def test_signals_first_completed(client: Client, kind: str) -> None:
    sent = start(client, kind, *SIGNALS)
    signal(client, sent, "sig1", value="first")
    assert sent.attach().result() == "first"


def test_one_failed_of_all_is_a_failure(client: Client) -> None:
    """The others succeed, for the Python services wait for all of them."""
    sent = start(client, "awaitAllSucceededOrFirstFailed", *SIGNALS)
    for name in ("sig0", "sig2"):
        signal(client, sent, name, value="ok")
    signal(client, sent, "sig1", reason="boom")
    answer = sent.attach()
    assert (answer.status, answer.message) == (500, "boom")


@pytest.mark.parametrize(
    ("kind", "commands", "result"),
    [
        ("awaitFirstSucceededOrAllFailed", [run_throws("fail"), create_signal("sig")], "sigval"),
        ("awaitAllSucceededOrFirstFailed", [run_returns("runval"), create_signal("sig")], "runval|sigval"),
        (
            "awaitAllCompleted",
            [run_returns("runval"), create_signal("sig"), run_throws("fail")],
            "ok:runval|ok:sigval|err:fail",
        ),
    ],
)
def test_runs_and_a_signal(client: Client, kind: str, commands: list[dict[str, Any]], result: str) -> None:
    sent = start(client, kind, *commands)
    signal(client, sent, "sig", value="sigval")
    assert sent.attach().result() == result


def test_a_run_is_faster_than_a_signal_that_never_comes(client: Client) -> None:
    sent = start(client, "awaitFirstCompleted", create_signal("sig"), run_returns("runval"))
    assert sent.attach().result() == "runval"
