"""Asks a deployment what it serves. Owns: the connections to it, for the time of the call.

HTTP/2 by prior knowledge for http://, by ALPN for https://, HTTP/1.1 where the user asks for it or TLS says so.
The request is signed like those of attempts. Nothing is retried: the user sees the reason and registers again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import aiohttp
import yarl

from metad.registry.address import Address
from metad.registry.answer import ACCEPT, decode_answer
from metad.registry.errors import DiscoveryError
from metad.registry.http2_get import Response, http2_get, open_connection
from metad.registry.manifest import Manifest, read_manifest
from shared.errors import RemoteProtocolError, UnavailableError
from shared.transport.outbound import Outbound
from shared.transport.tls import tls_problem

__all__ = ["Discovered", "discover"]

#: A manifest goes into one record of the log, so it has to stay well below that record's limit.
_ANSWER_BYTES_LIMIT = 16 * 1024 * 1024
_CONNECT_TIMEOUT_S = 10.0
_WHOLE_TIMEOUT_S = 30.0
_QUOTED_BYTES_LIMIT = 2000
#: What a signature is for: the path behind that of the URI.
_PATH = "/discover"
#: They mean one HTTP/1.1 connection, so that HTTP/2 has none of them (RFC 9113 section 8.2.2).
_CONNECTION_HEADERS = {"connection", "proxy-connection", "keep-alive", "te", "transfer-encoding", "upgrade"}
_Fields = Sequence[tuple[str, str]]


class Discovered(NamedTuple):
    """What the deployment serves and how to speak to it. `http_version`: "HTTP/2.0" or "HTTP/1.1"."""

    manifest: Manifest
    http_version: str
    sdk_version: str | None


async def discover(
    address: Address, *, additional_headers: Mapping[str, str], use_http_11: bool, outbound: Outbound, now_ms: int
) -> Discovered:
    """`additional_headers`: names in lower case. Raises DiscoveryError or ManifestError."""
    # As Restate does it, the user's headers are sent beside ours and replace none.
    headers = [("accept", ACCEPT), *additional_headers.items(), *outbound.headers]
    if outbound.identity is not None:
        headers += outbound.identity.headers(_PATH, None, now_ms)
    try:
        async with asyncio.timeout(_WHOLE_TIMEOUT_S):
            response, http_version = await _get(address, headers, outbound, use_http_11=use_http_11)
    except TimeoutError as error:
        raise DiscoveryError("META0003", f"{address.uri} did not answer within {_WHOLE_TIMEOUT_S:.0f} s") from error
    except UnavailableError as error:
        raise DiscoveryError("META0003", f"{error}; does it run, and does this node reach it?") from error
    if not 200 <= response.status < 300:
        quoted = response.body[:_QUOTED_BYTES_LIMIT].decode(errors="replace")
        raise DiscoveryError(
            "META0003",
            f"{address.uri}/discover answered with status {response.status}: does the URI have the path under "
            f"which the SDK's endpoint is mounted? It answered: {quoted}",
        )
    answer = decode_answer(content_type=response.headers.get("content-type"), body=response.body)
    return Discovered(read_manifest(answer), http_version, response.headers.get("x-restate-server"))


async def _get(address: Address, headers: _Fields, outbound: Outbound, *, use_http_11: bool) -> tuple[Response, str]:
    if use_http_11:
        return await _http1_get(address, headers, outbound), "HTTP/1.1"
    for name, _ in headers:
        if name in _CONNECTION_HEADERS:
            text = f"the additional header {name!r} means one HTTP/1.1 connection and cannot be sent over HTTP/2"
            raise DiscoveryError("META0003", text)
    context = outbound.tls("h2", "http/1.1") if address.scheme == "https" else None
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            reader, writer = await open_connection(address, context)
    except TimeoutError as error:
        raise UnavailableError(f"no connection to {address.uri} within {_CONNECT_TIMEOUT_S:.0f} s") from error
    if context is not None and writer.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
        writer.close()
        return await _http1_get(address, headers, outbound), "HTTP/1.1"
    try:
        response = await http2_get(
            reader,
            writer,
            address,
            path=address.path + _PATH,
            headers=headers,
            bytes_limit=_ANSWER_BYTES_LIMIT,
        )
    except RemoteProtocolError as error:
        raise DiscoveryError("META0014", f"{error}; if it speaks HTTP/1.1 only, register with use_http_11") from error
    return response, "HTTP/2.0"


async def _http1_get(address: Address, headers: _Fields, outbound: Outbound) -> Response:
    timeout = aiohttp.ClientTimeout(total=_WHOLE_TIMEOUT_S, sock_connect=_CONNECT_TIMEOUT_S)
    url = yarl.URL(address.uri.rstrip("/") + _PATH, encoded=True)
    session = aiohttp.ClientSession(timeout=timeout, skip_auto_headers=("Accept-Encoding", "User-Agent"))
    tls = outbound.tls("http/1.1") if address.scheme == "https" else True
    try:
        async with session, session.get(url, headers=headers, allow_redirects=False, ssl=tls) as reply:
            body = bytearray()
            async for chunk in reply.content.iter_chunked(64 * 1024):
                body += chunk
                if len(body) > _ANSWER_BYTES_LIMIT:
                    raise DiscoveryError("META0013", f"{address.uri} answered more than {_ANSWER_BYTES_LIMIT} bytes")
            first = {name.lower(): reply.headers[name] for name in reply.headers}
            return Response(reply.status, first, bytes(body))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        reason = tls_problem(error) or str(error) or type(error).__name__
        raise UnavailableError(f"cannot ask {address.uri} over HTTP/1.1: {reason}") from error
