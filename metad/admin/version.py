"""GET /version. Owns: nothing."""

from __future__ import annotations

from aiohttp import web

from metad.admin.errors import json_response
from metad.admin.openapi import admin_openapi
from metad.admin.versions import MAX_API_VERSION, MIN_API_VERSION
from shared.config import Settings

__all__ = ["VERSION", "VersionRoutes", "ingress_endpoint"]

#: As in pyproject.toml; a test compares them.
VERSION = "0.1.0"

#: What clients may look for: flow control is there, and what of it is behind a flag elsewhere.
_FEATURES = {
    "invoker_yield": False,
    "kafka_scope": False,
    "preflight_invocation_termination_retention": False,
    "protocol_v7": True,
    "scoped_promise_table_migration": False,
    "scoped_state_table_migration": False,
    "scoped_virtual_objects": True,
    "unique_random_seeds": False,
    "vqueue_obsolete_cleanup": False,
    "vqueues": True,
    "vqueues_async_refill": False,
    "vqueues_migration_skip_completed": False,
}


class VersionRoutes:
    """What this server is and where its ingress answers."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/version", self.version), web.get("/openapi", self.openapi)]

    async def openapi(self, request: web.Request) -> web.Response:
        return json_response(admin_openapi(VERSION))

    async def version(self, request: web.Request) -> web.Response:
        return json_response(
            {
                "version": VERSION,
                "min_admin_api_version": MIN_API_VERSION,
                "max_admin_api_version": MAX_API_VERSION,
                "ingress_endpoint": ingress_endpoint(self._settings),
                "features": _FEATURES,
            }
        )


def ingress_endpoint(settings: Settings) -> str:
    """The URL by which clients reach the ingress."""
    if settings.advertised_ingress:
        return settings.advertised_ingress
    # Listening everywhere is no address to call.
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.bind, settings.bind)
    return f"http://{host}:{settings.ingress_port}/"
