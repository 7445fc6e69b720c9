"""Asks a deployment what it serves. Owns: nothing.

Nothing is retried: the user sees the reason and registers again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from metad.registry.address import Address
from metad.registry.answer import ACCEPT, decode_answer
from metad.registry.errors import DiscoveryError
from metad.registry.manifest import Manifest, read_manifest
from metad.registry.service_call import ServiceRequest, call_service
from shared.errors import UnavailableError
from shared.transport.outbound import Outbound

__all__ = ["Discovered", "discover"]

#: A manifest goes into one record of the log, so it has to stay well below that record's limit.
_ANSWER_BYTES_LIMIT = 16 * 1024 * 1024
_WHOLE_TIMEOUT_S = 30.0
_QUOTED_BYTES_LIMIT = 2000


class Discovered(NamedTuple):
    """What the deployment serves and how to speak to it. `http_version`: "HTTP/2.0" or "HTTP/1.1"."""

    manifest: Manifest
    http_version: str
    sdk_version: str | None


async def discover(
    address: Address, *, additional_headers: Mapping[str, str], use_http_11: bool, outbound: Outbound, now_ms: int
) -> Discovered:
    """`additional_headers`: names in lower case. Raises DiscoveryError or ManifestError."""
    request = ServiceRequest("GET", "/discover", [("accept", ACCEPT)])
    try:
        async with asyncio.timeout(_WHOLE_TIMEOUT_S):
            response, http_version = await call_service(
                address,
                request,
                additional_headers=additional_headers,
                use_http_11=use_http_11,
                outbound=outbound,
                now_ms=now_ms,
                bytes_limit=_ANSWER_BYTES_LIMIT,
            )
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
