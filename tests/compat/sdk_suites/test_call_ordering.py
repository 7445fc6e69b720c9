"""Calls and sends of one handler to one object arrive in the order in which it made them."""

from __future__ import annotations

import pytest

from tests.compat.sdk_suites.client import Client, fresh
from tests.compat.sdk_suites.requests import proxied

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(180)]
CONFIGURATIONS = ("default", "singlePartition", "requestResponse")


@pytest.mark.parametrize("sends", [(True, False, False), (False, True, False), (True, True, False)])
def test_ordering(client: Client, sends: tuple[bool, ...]) -> None:
    """The last one is a call, so that all have arrived when the proxy answers."""
    name = fresh()
    requests = [
        {
            "proxyRequest": proxied("ListObject", "append", str(index), key=name),
            "oneWayCall": is_send,
            "awaitAtTheEnd": not is_send,
        }
        for index, is_send in enumerate(sends)
    ]
    client.call("/Proxy/manyCalls", requests).result()
    assert client.call(f"/ListObject/{name}/clear").result() == ["0", "1", "2"]
