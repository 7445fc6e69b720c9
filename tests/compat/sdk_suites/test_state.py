"""State of objects: set, get, list, clear; eager, partial and lazy."""

from __future__ import annotations

import pytest

from tests.compat.sdk_suites.client import Client, fresh, until
from tests.compat.sdk_suites.requests import proxied

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(180)]
CONFIGURATIONS = (
    "default",
    "alwaysSuspending",
    "singlePartition",
    "lazyState",
    "lazyStateAlwaysSuspending",
    "requestResponse",
)


def test_add(client: Client) -> None:
    counter = fresh()
    assert client.call(f"/Counter/{counter}/add", 1).result() == {"oldValue": 0, "newValue": 1}
    assert client.call(f"/Counter/{counter}/add", 2).result() == {"oldValue": 1, "newValue": 3}


def test_proxied_one_way_add(client: Client) -> None:
    counter = fresh()
    for _ in range(3):
        client.call("/Proxy/oneWayCall", proxied("Counter", "add", 1, key=counter)).result()
    until(lambda: client.call(f"/Counter/{counter}/get", key=None).result() == 3)


def test_list_state_and_clear_all(client: Client) -> None:
    name = fresh()
    other = f"{name}1"
    for map_name, number in ((name, 0), (name, 1), (other, 2)):
        entry = {"key": f"my-key-{number}", "value": f"my-value-{number}"}
        assert client.call(f"/MapObject/{map_name}/set", entry).status == 200
    cleared = client.call(f"/MapObject/{name}/clearAll").result()
    assert sorted(entry["key"] for entry in cleared) == ["my-key-0", "my-key-1"]
    assert [client.call(f"/MapObject/{name}/get", f"my-key-{number}").result() for number in (0, 1)] == ["", ""]
    assert client.call(f"/MapObject/{other}/get", "my-key-2").result() == "my-value-2"
