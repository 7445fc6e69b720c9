"""Opens the endpoint that a deployment's URI and HTTP version ask for. Owns nothing."""

from __future__ import annotations

from urllib.parse import urlsplit

from partitiond.invoker.endpoints import EndpointKey
from partitiond.invoker.http2.pool import Pool
from partitiond.invoker.http2.request import Origin
from partitiond.invoker.ports import Endpoint
from shared.transport.authorities import no_authorities
from shared.transport.outbound import Outbound
from shared.turn import Turn

__all__ = ["open_endpoint"]

_PORTS = {"http": 80, "https": 443}


def open_endpoint(key: EndpointKey, outbound: Outbound, turn: Turn | None = None) -> Endpoint:
    """No I/O yet: connections are made when a request needs one. Raises ValueError for a URI that is none."""
    http1, scheme, authority = key
    parts = urlsplit(f"{scheme}://{authority}")
    origin = Origin(scheme, parts.hostname or "", parts.port or _PORTS.get(scheme, 0), authority)
    tls = outbound.tls("http/1.1" if http1 else "h2") if scheme == "https" else None
    if not http1:
        return Pool(origin, ssl_context=tls, turn=turn)
    with no_authorities():
        # Late: few deployments ask for it, and aiohttp takes long to import.
        from partitiond.invoker.http1 import Http1Endpoint
    return Http1Endpoint(str(origin), ssl_context=tls)
