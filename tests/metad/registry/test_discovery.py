"""Discovery against servers of both HTTP versions, TLS, and servers that misbehave."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import metad.registry.discovery
from metad.registry.address import parse_address
from metad.registry.discovery import Discovered, discover
from metad.registry.errors import DiscoveryError
from shared.config import Settings
from shared.transport.outbound import Outbound
from tests.conftest import free_ports
from tests.metad.harness import Deployments, manifest, service

_Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _discover(uri: str, *, use_http_11: bool = False, headers: dict[str, str] | None = None) -> Discovered:
    return await discover(
        parse_address(uri),
        additional_headers=headers or {},
        use_http_11=use_http_11,
        outbound=Outbound(Settings()),
        now_ms=0,
    )


def _error_of(peer: _Peer, *, use_http_11: bool = False) -> DiscoveryError:
    """What discovery says of a server that does this with each connection."""

    async def main() -> DiscoveryError:
        port = free_ports(1)[0]
        server = await asyncio.start_server(peer, "127.0.0.1", port)
        try:
            with pytest.raises(DiscoveryError) as caught:
                await _discover(f"http://127.0.0.1:{port}", use_http_11=use_http_11)
            return caught.value
        finally:
            server.close()

    return uvloop.run(main())


@pytest.mark.parametrize("use_http_11", [False, True])
def test_both_http_versions(use_http_11: bool) -> None:
    async def main() -> None:
        deployments = Deployments()
        uri = deployments.put("a", manifest(service("S")), headers={"x-restate-server": "sdk/1"})
        async with deployments.serving():
            found = await _discover(uri, use_http_11=use_http_11, headers={"x-token": "é"})
        asked = deployments.asked[-1]
        assert asked["version"] == ("1.1" if use_http_11 else "2")
        assert asked["path"] == "/a/discover"
        assert asked["headers"]["accept"].count("endpointmanifest.v") == 4
        assert "x-token" in asked["headers"]
        assert found.http_version == ("HTTP/1.1" if use_http_11 else "HTTP/2.0")
        assert found.sdk_version == "sdk/1"
        assert [each.name for each in found.manifest.services] == ["S"]

    uvloop.run(main())


def test_a_large_manifest_needs_more_than_one_window() -> None:
    async def main() -> None:
        deployments = Deployments()
        uri = deployments.put("a", manifest(service("S", documentation="x" * 3_000_000)))
        async with deployments.serving():
            found = await _discover(uri)
        assert len(found.manifest.services[0].documentation or "") == 3_000_000

    uvloop.run(main())


@pytest.mark.parametrize("use_http_11", [False, True])
def test_an_answer_over_the_limit_is_cut_off(use_http_11: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metad.registry.discovery, "_ANSWER_BYTES_LIMIT", 100_000)

    async def main() -> None:
        deployments = Deployments()
        uri = deployments.put("a", manifest(service("S", documentation="x" * 200_000)))
        async with deployments.serving():
            with pytest.raises(DiscoveryError, match="100000 bytes") as caught:
                await _discover(uri, use_http_11=use_http_11)
        assert caught.value.code == "META0013"

    uvloop.run(main())


@pytest.mark.parametrize("status", [302, 404, 500])
@pytest.mark.parametrize("use_http_11", [False, True])
def test_bad_statuses(status: int, use_http_11: bool) -> None:
    async def main() -> None:
        deployments = Deployments()
        uri = deployments.put("a", b"the reason", status=status, headers={"location": "/b/discover"})
        async with deployments.serving():
            with pytest.raises(DiscoveryError, match=rf"(?s){status}.*the reason") as caught:
                await _discover(uri, use_http_11=use_http_11)
        assert caught.value.code == "META0003"

    uvloop.run(main())


@pytest.mark.parametrize("use_http_11", [False, True])
@pytest.mark.parametrize("uri", ["http://127.0.0.1:1/", "http://127.0.0.1:99999/", "http://nowhere.invalid/"])
def test_nobody_there(uri: str, use_http_11: bool) -> None:
    async def main() -> None:
        with pytest.raises(DiscoveryError) as caught:
            await _discover(uri, use_http_11=use_http_11)
        assert caught.value.code == "META0003"

    uvloop.run(main())


async def _closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _speaks_http_1(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1000)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    writer.close()


async def _hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


@pytest.mark.parametrize("use_http_11", [False, True])
def test_a_server_that_closes_is_unreachable(use_http_11: bool) -> None:
    assert _error_of(_closes, use_http_11=use_http_11).code == "META0003"


def test_a_server_of_http_1_is_told_apart() -> None:
    error = _error_of(_speaks_http_1)
    assert error.code == "META0014"
    assert "use_http_11" in str(error)


@pytest.mark.parametrize("use_http_11", [False, True])
def test_a_server_that_hangs_is_given_up(use_http_11: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metad.registry.discovery, "_WHOLE_TIMEOUT_S", 0.2)
    error = _error_of(_hangs, use_http_11=use_http_11)
    assert error.code == "META0003"


def _certificate(folder: Path) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that is its own authority: (certificate file, key file)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(folder / "cert.pem"), str(folder / "key.pem")


@pytest.mark.parametrize(("offered", "version"), [(["h2", "http/1.1"], "HTTP/2.0"), (["http/1.1"], "HTTP/1.1")])
def test_https_speaks_what_alpn_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offered: list[str], version: str
) -> None:
    certificate, key = _certificate(tmp_path)

    async def main() -> None:
        deployments = Deployments()
        uri = deployments.put("a", manifest(service("S"))).replace("http:", "https:")
        async with deployments.serving(certfile=certificate, keyfile=key, alpn_protocols=offered):
            with pytest.raises(DiscoveryError) as caught:
                await _discover(uri)
            assert caught.value.code == "META0003"
            monkeypatch.setenv("SSL_CERT_FILE", certificate)
            found = await _discover(uri)
        assert found.http_version == version
        assert deployments.asked[-1]["version"] == ("2" if version == "HTTP/2.0" else "1.1")

    uvloop.run(main())
