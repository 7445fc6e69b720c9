"""State, and what waits, outlive the runtime."""

from __future__ import annotations

import pytest

from tests.compat.sdk_suites.client import Client, fresh, until
from tests.compat.sdk_suites.conftest import Suite

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(180)]
CONFIGURATIONS = ("default", "alwaysSuspending", "singlePartition", "requestResponse")


@pytest.mark.parametrize("how", ["stop_and_start", "kill_and_start"])
def test_state_and_sleepers_are_kept(suite: Suite, client: Client, how: str) -> None:
    counter, key = fresh(), fresh()
    assert client.call(f"/Counter/{counter}/add", 1).result() == {"oldValue": 0, "newValue": 1}
    command = {"type": "awaitOne", "command": {"type": "createAwakeable", "awakeableKey": "awk"}}
    path = f"/VirtualObjectCommandInterpreter/{fresh()}"
    sent = client.send(f"{path}/interpretCommands", {"commands": [command]})
    until(lambda: client.call(f"{path}/hasAwakeable", "awk", key=None).result())
    getattr(suite.runtime, how)()
    # The same key each time: however often it is repeated, it is added once.
    added = until(lambda: client.call(f"/Counter/{counter}/add", 2, key=key).result(), timeout=60)
    assert added == {"oldValue": 1, "newValue": 3}
    client.call(f"{path}/resolveAwakeable", {"awakeableKey": "awk", "value": "later"}).result()
    assert sent.attach().result() == "later"
