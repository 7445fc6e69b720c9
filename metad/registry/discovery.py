"""Asks a deployment what it serves. Owns: the connections to it, for the time of the call.

HTTP/2 by prior knowledge for http://, by ALPN for https://, HTTP/1.1 where the user asks for it or TLS says so.
Nothing is retried: the user sees the reason and registers again.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import NamedTuple

import aiohttp
import yarl

from metad.registry.address import Address
from metad.registry.answer import ACCEPT, decode_answer
from metad.registry.errors import DiscoveryError
from metad.registry.http2_get import Response, http2_get, open_connection
from metad.registry.manifest import Manifest, read_manifest
from shared.errors import RemoteProtocolError, UnavailableError

__all__ = ["Discovered", "discover"]

#: A manifest goes into one record of the log, so it has to stay well below that record's limit.
_ANSWER_BYTES_LIMIT = 16 * 1024 * 1024
_CONNECT_TIMEOUT_S = 10.0
_WHOLE_TIMEOUT_S = 30.0
_QUOTED_BYTES_LIMIT = 2000


class Discovered(NamedTuple):
    """What the deployment serves and how to speak to it. `http_version`: "HTTP/2.0" or "HTTP/1.1"."""

    manifest: Manifest
    http_version: str
    sdk_version: str | None


async def discover(address: Address, *, additional_headers: Mapping[str, str], use_http_11: bool) -> Discovered:
    """Raises DiscoveryError or ManifestError."""
    headers = {"accept": ACCEPT, **additional_headers}
    try:
        async with asyncio.timeout(_WHOLE_TIMEOUT_S):
            response, http_version = await _get(address, headers, use_http_11=use_http_11)
    except TimeoutError as error:
        raise DiscoveryError("META0003", f"{address.uri} did not answer within {_WHOLE_TIMEOUT_S:.0f} s") from error
    except UnavailableError as error:
        raise DiscoveryError("META0003", str(error)) from error
    if not 200 <= response.status < 300:
        quoted = response.body[:_QUOTED_BYTES_LIMIT].decode(errors="replace")
        raise DiscoveryError(
            "META0003",
            f"{address.uri}/discover answered with status {response.status}: does the URI have the path under "
            f"which the SDK's endpoint is mounted? It answered: {quoted}",
        )
    answer = decode_answer(content_type=response.headers.get("content-type"), body=response.body)
    return Discovered(read_manifest(answer), http_version, response.headers.get("x-restate-server"))


async def _get(address: Address, headers: dict[str, str], *, use_http_11: bool) -> tuple[Response, str]:
    if use_http_11:
        return await _http1_get(address, headers), "HTTP/1.1"
    context = _tls_context("h2", "http/1.1") if address.scheme == "https" else None
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            reader, writer = await open_connection(address, context)
    except TimeoutError as error:
        raise UnavailableError(f"no connection to {address.uri} within {_CONNECT_TIMEOUT_S:.0f} s") from error
    if context is not None and writer.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
        writer.close()
        return await _http1_get(address, headers), "HTTP/1.1"
    try:
        response = await http2_get(
            reader,
            writer,
            address,
            path=f"{address.path}/discover",
            headers=list(headers.items()),
            bytes_limit=_ANSWER_BYTES_LIMIT,
        )
    except RemoteProtocolError as error:
        raise DiscoveryError("META0014", f"{error}; if it speaks HTTP/1.1 only, register with use_http_11") from error
    return response, "HTTP/2.0"


async def _http1_get(address: Address, headers: dict[str, str]) -> Response:
    timeout = aiohttp.ClientTimeout(total=_WHOLE_TIMEOUT_S, sock_connect=_CONNECT_TIMEOUT_S)
    url = yarl.URL(f"{address.uri.rstrip('/')}/discover", encoded=True)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, skip_auto_headers=("User-Agent",)) as session,
            session.get(url, headers=headers, allow_redirects=False, ssl=_tls_context("http/1.1")) as reply,
        ):
            body = bytearray()
            async for chunk in reply.content.iter_chunked(64 * 1024):
                body += chunk
                if len(body) > _ANSWER_BYTES_LIMIT:
                    raise DiscoveryError("META0013", f"{address.uri} answered more than {_ANSWER_BYTES_LIMIT} bytes")
            first = {name.lower(): reply.headers[name] for name in reply.headers}
            return Response(reply.status, first, bytes(body))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise UnavailableError(f"cannot ask {address.uri} over HTTP/1.1: {error or type(error).__name__}") from error


def _tls_context(*protocols: str) -> ssl.SSLContext:
    """Made for each call: the machine's authorities may change while we run."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(list(protocols))
    return context
