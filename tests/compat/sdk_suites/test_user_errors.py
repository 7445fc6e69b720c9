"""Terminal errors, with metadata, from handlers, callees and steps; retries until a handler succeeds."""

from __future__ import annotations

import pytest

from tests.compat.sdk_suites.client import Client, fresh

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(180)]
CONFIGURATIONS = ("default", "alwaysSuspending", "singlePartition", "requestResponse")
METADATA = {"key1": "value1", "key2": "value2"}
HANDLERS = ("terminallyFailingCall", "callTerminallyFailingCall", "terminallyFailingSideEffect")


@pytest.mark.parametrize("metadata", [None, METADATA], ids=["plain", "with metadata"])
@pytest.mark.parametrize("handler", HANDLERS)
def test_terminal_error(client: Client, handler: str, metadata: dict[str, str] | None) -> None:
    """Three times, for the endpoint must stay stable."""
    for number in range(3):
        body = {"errorMessage": f"my error {number}"} | ({"metadata": metadata} if metadata else {})
        answer = client.call(f"/Failing/{fresh()}/{handler}", body)
        assert answer.status == 500
        assert f"my error {number}" in answer.message
        if metadata:
            assert answer.json["metadata"].items() >= metadata.items()


def test_set_then_fail_keeps_what_was_set(client: Client) -> None:
    counter = fresh()
    answer = client.call(f"/Counter/{counter}/addThenFail", 1)
    assert answer.status == 500
    assert counter in answer.message
    assert client.call(f"/Counter/{counter}/get").result() == 1


def test_a_handler_is_retried_until_it_succeeds(client: Client) -> None:
    assert client.call(f"/Failing/{fresh()}/failingCallWithEventualSuccess").result() == 4
