"""One endpoint an authority, made at first use. Owns: the HTTP pools of the worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from partitiond.invoker.ports import Endpoint
from shared.catalog.catalog import Catalog
from shared.catalog.deployments import Deployment

__all__ = ["EndpointKey", "Endpoints", "endpoint_key"]

#: (is HTTP/1.1, scheme, authority)
EndpointKey = tuple[bool, str, str]


def endpoint_key(deployment: Deployment) -> EndpointKey:
    """Deployments of one authority share connections. A URI that is none gives a key that cannot be opened."""
    http1 = deployment.http_version == "HTTP/1.1"
    try:
        parts = urlsplit(deployment.uri)
    except ValueError:
        return http1, "", deployment.uri
    return http1, parts.scheme, parts.netloc.rpartition("@")[2]


class Endpoints:
    """Endpoints by authority; `make` opens one."""

    def __init__(self, make: Callable[[EndpointKey], Endpoint]) -> None:
        self._make = make
        self._by_key: dict[EndpointKey, Endpoint] = {}
        self._by_deployment: dict[str, tuple[Deployment, Endpoint]] = {}
        #: Of deployments that are gone: attempts may still use them, so they live until the end.
        self._retired: list[Endpoint] = []

    def of(self, deployment: Deployment) -> Endpoint:
        """Raises ValueError when the deployment's URI is none."""
        known = self._by_deployment.get(deployment.id)
        if known is not None and known[0] is deployment:
            return known[1]
        key = endpoint_key(deployment)
        endpoint = self._by_key.get(key)
        if endpoint is None:
            endpoint = self._by_key[key] = self._make(key)
        self._by_deployment[deployment.id] = (deployment, endpoint)
        return endpoint

    def forget_unused(self, catalog: Catalog | None) -> None:
        """After a change of the catalog. An idle pool holds no connection, so a retired one costs next to nothing."""
        deployments = catalog.deployments if catalog is not None else {}
        self._by_deployment = {
            deployment_id: known
            for deployment_id, known in self._by_deployment.items()
            if deployments.get(deployment_id) is known[0]
        }
        used = {endpoint_key(deployment) for deployment in deployments.values()}
        for key in [key for key in self._by_key if key not in used]:
            self._retired.append(self._by_key.pop(key))

    async def close(self) -> None:
        """End every connection."""
        endpoints = [*self._by_key.values(), *self._retired]
        self._by_key.clear()
        self._by_deployment.clear()
        self._retired.clear()
        await asyncio.gather(*(endpoint.close() for endpoint in endpoints))
