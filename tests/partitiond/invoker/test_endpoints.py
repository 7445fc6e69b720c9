"""One endpoint an authority."""

from __future__ import annotations

import uvloop

from partitiond.invoker.connect import open_endpoint
from partitiond.invoker.endpoints import EndpointKey, Endpoints, endpoint_key
from partitiond.invoker.http1 import Http1Endpoint
from partitiond.invoker.http2.pool import Pool
from shared.config import Settings
from shared.transport.outbound import Outbound
from tests.fakes.service_endpoint import FakeEndpoint
from tests.partitiond.invoker.builders import catalog, deployment

OUTBOUND = Outbound(Settings())


def test_deployments_of_one_authority_share() -> None:
    made: list[EndpointKey] = []

    def make(key: EndpointKey) -> FakeEndpoint:
        made.append(key)
        return FakeEndpoint()

    endpoints = Endpoints(make)
    first, second = deployment("http://h:1/a", "dp_1"), deployment("http://user:pw@h:1/b", "dp_2")
    other, http1 = deployment("http://h:2", "dp_3"), deployment("http://h:1", "dp_4", http_version="HTTP/1.1")
    assert endpoints.of(first) is endpoints.of(second)
    assert endpoints.of(first) is not endpoints.of(other)
    assert endpoints.of(http1) is not endpoints.of(first)
    assert made == [(False, "http", "h:1"), (False, "http", "h:2"), (True, "http", "h:1")]


def test_endpoint_follows_a_changed_uri_and_retired_ones_are_closed_at_the_end() -> None:
    made: list[FakeEndpoint] = []

    def make(key: EndpointKey) -> FakeEndpoint:
        made.append(FakeEndpoint())
        return made[-1]

    endpoints = Endpoints(make)
    before, after = deployment("http://h:1"), deployment("http://h:2")
    old = endpoints.of(before)
    endpoints.forget_unused(catalog(after))
    assert endpoints.of(after) is not old
    assert not made[0].closed
    uvloop.run(endpoints.close())
    assert [endpoint.closed for endpoint in made] == [True, True]


def test_http_version_and_default_ports() -> None:
    async def scene() -> None:
        plain = open_endpoint(endpoint_key(deployment("http://h")), OUTBOUND)
        secure = open_endpoint(endpoint_key(deployment("https://[::1]/x")), OUTBOUND)
        assert isinstance(plain, Pool)
        assert isinstance(secure, Pool)
        assert (plain.origin.host, plain.origin.port, plain.origin.authority) == ("h", 80, "h")
        assert (secure.origin.host, secure.origin.port, secure.origin.authority) == ("::1", 443, "[::1]")
        assert isinstance(open_endpoint((True, "http", "h:1"), OUTBOUND), Http1Endpoint)

    uvloop.run(scene())
