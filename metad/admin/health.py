"""GET /health and /cluster-health. Owns: nothing."""

from __future__ import annotations

from aiohttp import web

from metad.admin.errors import json_response
from metad.cluster.readiness import Readiness

__all__ = ["HealthRoutes"]


class HealthRoutes:
    """200 and nothing when the node can serve, else 503 and why; `damaged`: what of that no waiting mends."""

    def __init__(self, readiness: Readiness, *, cluster: str) -> None:
        """`cluster`: its name."""
        self._readiness = readiness
        self._cluster = cluster

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/health", self.health), web.get("/cluster-health", self.cluster_health)]

    async def cluster_health(self, request: web.Request) -> web.Response:
        """The old form, which tells the name alone: metadata is in a log of its own, not in a cluster of its own."""
        return json_response({"cluster_name": self._cluster, "metadata_cluster_health": None})

    async def health(self, request: web.Request) -> web.Response:
        missing = await self._readiness.missing()
        if not missing:
            return web.Response(status=200)
        body = {"message": "this node is not ready yet: ask again, or see `everlog status`", "not_ready": missing}
        if self._readiness.damaged:
            body["damaged"] = self._readiness.damaged
        return json_response(body, status=503)
