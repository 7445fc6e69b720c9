"""A handler that does something else on replay fails with a journal mismatch, and nothing of its tail is done."""

from __future__ import annotations

import pytest

from tests.compat.sdk_suites.client import Client
from tests.compat.sdk_suites.conftest import Suite

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(180)]
CONFIGURATIONS = ("failsAtOnce",)
#: The TypeScript services' own name for it.
IN_TYPESCRIPT = {"eitherSleepOrCall": "leftSleepRightCall"}


@pytest.mark.parametrize(
    "handler", ["eitherSleepOrCall", "callDifferentMethod", "backgroundInvokeWithDifferentTargets", "setDifferentKey"]
)
def test_method(suite: Suite, client: Client, handler: str) -> None:
    if suite.checkout.sdk == "typescript":
        handler = IN_TYPESCRIPT.get(handler, handler)
    key = f"{handler}-counter"
    assert client.call(f"/Counter/{key}/add", 1).status == 200
    sent = client.send(f"/NonDeterministic/{key}/{handler}")
    answer = sent.attach()
    assert answer.status >= 400
    assert client.call(f"/Counter/{key}/get").result() == 1
    row = client.invocation(sent.id)
    assert row["status"] == "completed"
    assert row["completion_result"] == "failure"
