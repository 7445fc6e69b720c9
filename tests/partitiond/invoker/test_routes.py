"""Which deployment, protocol version, mode and options."""

from __future__ import annotations

from typing import Any

import pytest

from partitiond.invoker.failure import AttemptError
from partitiond.invoker.routes import Route, Routes
from shared.catalog.catalog import Catalog
from shared.catalog.deployments import ProtocolMode
from shared.wal.commands import Pin
from tests.fakes.invoker_host import MemoryCatalog
from tests.partitiond.invoker.builders import catalog, deployment, row


def _resolve(known: Catalog | None, path: str = "Greeter/greet", **changes: Any) -> Route:
    return Routes(MemoryCatalog(known)).resolve(row(path, **changes))


def _refusal(known: Catalog | None, path: str = "Greeter/greet", **changes: Any) -> str:
    with pytest.raises(AttemptError) as caught:
        _resolve(known, path, **changes)
    return caught.value.failure.doc_code


def test_new_invocations_take_the_latest_deployment_and_the_best_version() -> None:
    known = catalog(deployment(deployment_id="dp_1"), deployment(deployment_id="dp_2"))
    route = _resolve(known)
    assert route.deployment.id == "dp_2"
    assert route.pin == Pin("dp_2", 7)
    assert route.bidi
    assert route.path == "/invoke/Greeter/greet"
    assert dict(route.head.headers) == {
        "content-type": "application/vnd.restate.invocation.v7",
        "accept": "application/vnd.restate.invocation.v7",
    }


def test_pinned_invocations_stay() -> None:
    known = catalog(deployment(deployment_id="dp_1"), deployment(deployment_id="dp_2"))
    route = _resolve(known, deployment_id="dp_1", protocol_version=5)
    assert (route.deployment.id, route.version) == ("dp_1", 5)


def test_base_path_and_headers_of_the_deployment() -> None:
    known = catalog(deployment("http://h:1/base/path/", additional_headers={"X-Token": "t", "Accept": "other"}))
    routes = Routes(MemoryCatalog(known), (("x-restate-cluster-name", "c"),))
    route = routes.resolve(row("Greeter/greet"))
    assert route.path == "/base/path/invoke/Greeter/greet"
    assert route.signed_path == "/invoke/Greeter/greet"
    content_type = "application/vnd.restate.invocation.v7"
    # Beside ours, as Restate does it.
    assert route.head.headers == (
        ("content-type", content_type), ("accept", content_type), ("x-token", "t"), ("accept", "other"),
        ("x-restate-cluster-name", "c"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "inactivity_ms", "bidi"),
    [
        ({}, None, True),
        ({"protocol_mode": ProtocolMode.REQUEST_RESPONSE}, None, False),
        ({"http_version": "HTTP/1.1"}, None, False),
        ({}, 0, False),
    ],
)
def test_mode(changes: dict[str, Any], inactivity_ms: int | None, bidi: bool) -> None:
    assert _resolve(catalog(deployment(**changes), inactivity_timeout_ms=inactivity_ms)).bidi is bidi


@pytest.mark.parametrize(
    ("known", "changes", "code"),
    [
        (None, {}, "RT0011"),
        (catalog(), {"path": "Nope/greet"}, "RT0011"),
        (catalog(), {"path": "Greeter/nope"}, "RT0011"),
        (catalog(), {"deployment_id": "dp_gone", "protocol_version": 6}, "RT0011"),
        (catalog(), {"deployment_id": "dp_1", "protocol_version": 4}, "RT0014"),
        (catalog(), {"deployment_id": "dp_1", "protocol_version": 8}, "RT0014"),
        (catalog(deployment(min_protocol_version=1, max_protocol_version=4)), {}, "RT0020"),
        (catalog(deployment(min_protocol_version=8, max_protocol_version=9)), {}, "RT0020"),
        (catalog(deployment(additional_headers={"bad header": "x"})), {}, "RT0010"),
    ],
)
def test_no_route(known: Catalog | None, changes: dict[str, Any], code: str) -> None:
    assert _refusal(known, **changes) == code


def test_routes_are_kept_until_the_catalog_changes() -> None:
    view = MemoryCatalog(catalog())
    routes = Routes(view)
    first = routes.resolve(row())
    assert routes.resolve(row()) is first
    view.set(catalog(deployment(deployment_id="dp_2"), version=2))
    assert routes.resolve(row()).deployment.id == "dp_2"


def test_options_of_the_unknown_are_the_defaults() -> None:
    routes = Routes(MemoryCatalog(None))
    assert routes.options_of(row("Nope/greet").target).retry_attempts == 70
