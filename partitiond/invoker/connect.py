"""Opens the endpoint that a deployment's URI and HTTP version ask for. Owns nothing."""

from __future__ import annotations

from urllib.parse import urlsplit

from partitiond.invoker.endpoints import EndpointKey
from partitiond.invoker.http1 import Http1Endpoint
from partitiond.invoker.http2.pool import Pool
from partitiond.invoker.http2.request import Origin
from partitiond.invoker.ports import Endpoint

__all__ = ["open_endpoint"]

_PORTS = {"http": 80, "https": 443}


def open_endpoint(key: EndpointKey) -> Endpoint:
    """No I/O yet: connections are made when a request needs one. Raises ValueError for a URI that is none."""
    http1, scheme, authority = key
    parts = urlsplit(f"{scheme}://{authority}")
    origin = Origin(scheme, parts.hostname or "", parts.port or _PORTS.get(scheme, 0), authority)
    return Http1Endpoint(str(origin)) if http1 else Pool(origin)
