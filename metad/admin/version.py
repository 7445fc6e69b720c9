"""GET /version. Owns: nothing."""

from __future__ import annotations

from aiohttp import web

from metad.admin.errors import json_response
from metad.admin.versions import MAX_API_VERSION, MIN_API_VERSION
from shared.config import Settings

__all__ = ["VERSION", "VersionRoutes"]

#: As in pyproject.toml; a test compares them.
VERSION = "0.1.0"

#: What clients may look for; none of them is there.
_FEATURES = (
    "invoker_yield",
    "kafka_scope",
    "preflight_invocation_termination_retention",
    "protocol_v7",
    "scoped_promise_table_migration",
    "scoped_state_table_migration",
    "scoped_virtual_objects",
    "unique_random_seeds",
    "vqueue_obsolete_cleanup",
    "vqueues",
    "vqueues_async_refill",
    "vqueues_migration_skip_completed",
)


class VersionRoutes:
    """What this server is and where its ingress answers."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/version", self.version)]

    async def version(self, request: web.Request) -> web.Response:
        return json_response(
            {
                "version": VERSION,
                "min_admin_api_version": MIN_API_VERSION,
                "max_admin_api_version": MAX_API_VERSION,
                "ingress_endpoint": _ingress_endpoint(self._settings),
                "features": dict.fromkeys(_FEATURES, False),
            }
        )


def _ingress_endpoint(settings: Settings) -> str:
    if settings.advertised_ingress:
        return settings.advertised_ingress
    # Listening everywhere is no address to call.
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.bind, settings.bind)
    return f"http://{host}:{settings.ingress_port}/"
