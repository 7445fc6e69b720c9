"""https:// deployments: what ALPN says, and certificates that are not to be trusted; plain ones beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from partitiond.invoker.connect import open_endpoint
from partitiond.invoker.http2.errors import ErrorKind, StreamError
from partitiond.invoker.http2.request import RequestHead
from partitiond.invoker.ports import Endpoint
from shared.config import Settings
from shared.errors import ConfigError
from shared.transport.outbound import Outbound
from tests.fakes.certificates import Authority
from tests.fakes.recording_service import RecordingService, recording_service
from tests.partitiond.invoker.http2.recorder import Recorder

_TYPE = "application/vnd.restate.invocation.v6"
_HEAD = RequestHead("POST", "/invoke/Rec/plain", (("content-type", _TYPE),))


@asynccontextmanager
async def _opened(service: RecordingService, trusted: Path | None, *, http1: bool) -> AsyncIterator[Endpoint]:
    outbound = Outbound(Settings(service_ca_file=str(trusted or "")))
    scheme, _, authority = service.uri.partition("://")
    endpoint = open_endpoint((http1, scheme, authority), outbound)
    try:
        yield endpoint
    finally:
        await endpoint.close()


async def _ask(endpoint: Endpoint) -> Recorder:
    told = Recorder()
    endpoint.request(_HEAD, told, b"body", end=True)
    await told.done()
    return told


def _error_of(service: RecordingService, trusted: Path | None, *, http1: bool) -> StreamError:
    async def scene() -> StreamError:
        async with _opened(service, trusted, http1=http1) as endpoint:
            error = (await _ask(endpoint)).error
            assert error is not None
            return error

    return uvloop.run(scene())


@pytest.mark.parametrize("http1", [False, True])
def test_both_versions_over_tls_and_the_connection_is_kept(tmp_path: Path, http1: bool) -> None:
    authority = Authority(tmp_path)

    async def scene(service: RecordingService) -> None:
        async with _opened(service, authority.file, http1=http1) as endpoint:
            for _ in range(3):
                told = await _ask(endpoint)
                assert (told.error, told.status) == (None, 200)

    with recording_service(tls=authority.server("h2", "http/1.1")) as service:
        uvloop.run(scene(service))
    assert [request.http_version for request in service.requests] == ["1.1" if http1 else "2"] * 3
    assert service.connections == 1


@pytest.mark.parametrize("http1", [False, True])
@pytest.mark.parametrize(
    ("host", "days", "own_authority", "text"),
    [
        ("localhost", (-1, 1), False, "certificate is of no authority that we trust (see service_ca_file)"),
        ("localhost", (-3, -1), True, "certificate is not valid any more: certificate has expired"),
        ("localhost", (1, 3), True, "certificate is not valid yet: certificate is not yet valid"),
        ("elsewhere.example", (-1, 1), True, "certificate is for another name: Hostname mismatch"),
        ("127.0.0.1", (-1, 1), True, "certificate is for another name: Hostname mismatch"),
    ],
)
def test_certificates_that_are_refused_are_named(
    tmp_path: Path, http1: bool, host: str, days: tuple[int, int], own_authority: bool, text: str
) -> None:
    authority = Authority(tmp_path)
    trusted = authority if own_authority else Authority(tmp_path, "stranger")
    with recording_service(tls=authority.server("h2", "http/1.1", host=host, days=days)) as service:
        error = _error_of(service, trusted.file, http1=http1)
    assert (error.kind, error.sent) == (ErrorKind.CONNECT, False)
    assert error.message.startswith(f"cannot connect to {service.uri}: the service's ")
    assert text in error.message
    assert service.requests == []


@pytest.mark.parametrize("http1", [False, True])
def test_the_system_s_authorities_are_what_is_trusted_by_default(tmp_path: Path, http1: bool) -> None:
    with recording_service(tls=Authority(tmp_path).server("h2", "http/1.1")) as service:
        error = _error_of(service, None, http1=http1)
    assert "certificate is of no authority that we trust" in error.message


def test_an_ip_address_is_checked_as_one(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with recording_service(tls=authority.server("h2", host="127.0.0.1")) as service:
        service.uri = service.uri.replace("localhost", "127.0.0.1")

        async def scene() -> None:
            async with _opened(service, authority.file, http1=False) as endpoint:
                assert (await _ask(endpoint)).error is None

        uvloop.run(scene())


@pytest.mark.parametrize("alpn", [("http/1.1",), ()])
def test_a_peer_without_http2_is_told_apart(tmp_path: Path, alpn: tuple[str, ...]) -> None:
    authority = Authority(tmp_path)
    with recording_service(tls=authority.server(*alpn)) as service:
        error = _error_of(service, authority.file, http1=False)
    assert error.kind is ErrorKind.CONNECT
    assert "by ALPN" in error.message
    assert "register it anew" in error.message


@pytest.mark.parametrize("http1", [False, True])
def test_a_peer_without_tls_is_told_apart(tmp_path: Path, http1: bool) -> None:
    authority = Authority(tmp_path)
    with recording_service() as service:
        service.uri = service.uri.replace("http:", "https:")
        error = _error_of(service, authority.file, http1=http1)
    assert error.kind is ErrorKind.CONNECT
    assert "does not speak TLS" in error.message


@pytest.mark.parametrize("content", [None, b"", b"no authority"])
def test_a_trust_store_that_is_none_is_refused_at_the_start(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"service_ca_file is .*ca\.pem: cannot read authorities"):
        Outbound(Settings(service_ca_file=str(file)))


def test_a_name_of_the_cluster_that_no_header_can_hold_is_cut() -> None:
    headers = Outbound(Settings(cluster_name=" Zürich\n1 ")).headers
    assert headers == (("x-restate-cluster-name", "Zrich1"),)
