"""One request to a deployment that is no attempt. Owns: the connections to it, for the time of the call.

HTTP/2 by prior knowledge for http://, by ALPN for https://, HTTP/1.1 where the user asks for it or TLS says so.
The request is signed like those of attempts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import aiohttp
import yarl

from metad.registry.address import Address
from metad.registry.errors import DiscoveryError
from metad.registry.http2_call import Response, http2_call, open_connection
from shared.errors import RemoteProtocolError, UnavailableError
from shared.transport.outbound import Outbound
from shared.transport.tls import tls_problem

__all__ = ["ServiceRequest", "call_service"]

_CONNECT_TIMEOUT_S = 10.0
#: They mean one HTTP/1.1 connection, so that HTTP/2 has none of them (RFC 9113 section 8.2.2).
_CONNECTION_HEADERS = {"connection", "proxy-connection", "keep-alive", "te", "transfer-encoding", "upgrade"}
_Fields = Sequence[tuple[str, str]]


class ServiceRequest(NamedTuple):
    """`path`: behind that of the deployment's URI, percent-encoded; it is what a signature is for."""

    method: str
    path: str
    headers: _Fields
    body: bytes = b""


async def call_service(
    address: Address,
    request: ServiceRequest,
    *,
    additional_headers: Mapping[str, str],
    use_http_11: bool,
    outbound: Outbound,
    now_ms: int,
    bytes_limit: int,
) -> tuple[Response, str]:
    """What it answers, by which version of HTTP: "HTTP/2.0" or "HTTP/1.1". The caller bounds the time.

    `additional_headers`: names in lower case. Raises UnavailableError (the deployment is away) or DiscoveryError.
    """
    # As Restate does it, the user's headers are sent beside ours and replace none.
    headers = [*request.headers, *additional_headers.items(), *outbound.headers]
    if request.body:
        headers.append(("content-length", str(len(request.body))))
    if outbound.identity is not None:
        headers += outbound.identity.headers(request.path, None, now_ms)
    sent = request._replace(headers=headers)
    if use_http_11:
        return await _http1_call(address, sent, outbound, bytes_limit), "HTTP/1.1"
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
        return await _http1_call(address, sent, outbound, bytes_limit), "HTTP/1.1"
    try:
        response = await http2_call(
            reader,
            writer,
            address,
            method=sent.method,
            path=address.path + sent.path,
            headers=headers,
            body=sent.body,
            bytes_limit=bytes_limit,
        )
    except RemoteProtocolError as error:
        raise DiscoveryError("META0014", f"{error}; if it speaks HTTP/1.1 only, register with use_http_11") from error
    return response, "HTTP/2.0"


async def _http1_call(address: Address, request: ServiceRequest, outbound: Outbound, bytes_limit: int) -> Response:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_S)
    url = yarl.URL(address.uri.rstrip("/") + request.path, encoded=True)
    session = aiohttp.ClientSession(timeout=timeout, skip_auto_headers=("Accept-Encoding", "User-Agent"))
    tls = outbound.tls("http/1.1") if address.scheme == "https" else True
    asked = session.request(
        request.method, url, data=request.body or None, headers=request.headers, allow_redirects=False, ssl=tls
    )
    try:
        async with session, asked as reply:
            body = bytearray()
            async for chunk in reply.content.iter_chunked(64 * 1024):
                body += chunk
                if len(body) > bytes_limit:
                    raise DiscoveryError("META0013", f"{address.uri} answered more than {bytes_limit} bytes")
            first = {name.lower(): reply.headers[name] for name in reply.headers}
            return Response(reply.status, first, bytes(body))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        reason = tls_problem(error) or str(error) or type(error).__name__
        raise UnavailableError(f"cannot ask {address.uri} over HTTP/1.1: {reason}") from error
