"""Which API version a request speaks. Owns: nothing."""

from __future__ import annotations

from aiohttp import web

__all__ = ["MAX_API_VERSION", "MIN_API_VERSION", "PREFIXES", "api_version", "refuse_version_1"]

MIN_API_VERSION = 2
MAX_API_VERSION = 4
#: Every route is under each of these; without a prefix it behaves like the newest version.
PREFIXES = ("", *(f"/v{version}" for version in range(MIN_API_VERSION, MAX_API_VERSION + 1)))


def api_version(request: web.Request) -> int:
    """2 to 4."""
    for version in range(MIN_API_VERSION, MAX_API_VERSION):
        if request.path.startswith(f"/v{version}/"):
            return version
    return MAX_API_VERSION


async def refuse_version_1(request: web.Request) -> web.Response:
    """Everything under /v1."""
    return web.Response(
        text=f"Admin API version 1 is not supported: use a version from {MIN_API_VERSION} to {MAX_API_VERSION}",
        status=400,
    )
