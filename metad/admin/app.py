"""The routes under all API versions, and the server. Owns: the admin port."""

from __future__ import annotations

import asyncio
import errno
import logging
import re
from collections.abc import Iterable

from aiohttp import web

from metad.admin.errors import error_middleware
from metad.admin.parameters import readable_path
from metad.admin.versions import PREFIXES, refuse_version_1
from shared.config import Settings
from shared.descriptors import clients_max
from shared.errors import ConfigError
from shared.refusal import Refusal

__all__ = ["AdminServer", "make_app"]

_log = logging.getLogger(__name__)
_PARAMETER = re.compile(r"\{(\w+)\}")
#: A line of a request's head, and a header: as the ingress takes them.
_LINE_BYTES_LIMIT = 64 * 1024
_BODY_BYTES_LIMIT = 2 * 1024 * 1024
#: A request may wait this long for the log when metad drains.
_DRAIN_S = 10.0
_TOO_MANY_BODY = b'{"message":"too many connections: no file descriptor is left for more clients","restate_code":null}'
_TOO_MANY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(_TOO_MANY_BODY)
) + _TOO_MANY_BODY


def make_app(routes: Iterable[web.RouteDef]) -> web.Application:
    """Every route without a prefix and under each version's."""
    app = web.Application(middlewares=[error_middleware, readable_path], client_max_size=_BODY_BYTES_LIMIT)
    for route in routes:
        # Else aiohttp finds no route for a name with a brace in it.
        path = _PARAMETER.sub(r"{\1:[^/]+}", route.path)
        for prefix in PREFIXES:
            web.RouteDef(route.method, prefix + path, route.handler, route.kwargs).register(app.router)
    app.router.add_route("*", "/v1", refuse_version_1)
    app.router.add_route("*", "/v1/{rest:.+}", refuse_version_1)
    return app


class AdminServer:
    """Listens until it is closed, then lets requests finish."""

    def __init__(self, settings: Settings, app: web.Application) -> None:
        self._settings = settings
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=_DRAIN_S,
            max_line_size=_LINE_BYTES_LIMIT,
            max_field_size=_LINE_BYTES_LIMIT,
            # A compressed body is no JSON, as in Restate: what a few bytes would grow to has no bound.
            auto_decompress=False,
        )
        self._server: asyncio.Server | None = None
        self._clients_max = 0

    async def start(self) -> None:
        """Raises ConfigError when the port cannot be had."""
        bind, port = self._settings.bind, self._settings.admin_port
        await self._runner.setup()
        self._clients_max = clients_max(others=self._settings.worker_count + 8)
        try:
            self._server = await asyncio.get_running_loop().create_server(self._accept, bind, port, backlog=128)
        except OSError as error:
            await self._runner.cleanup()
            if error.errno == errno.EADDRINUSE:
                remedy = "stop the program that has it, or set admin_port (EVERLOG_ADMIN_PORT) to a free port"
                raise ConfigError(f"admin_port {port} on {bind} is taken: {remedy}") from error
            raise ConfigError(
                f"cannot listen on bind {bind}, admin_port {port}: {error.strerror or error}; "
                "set bind (EVERLOG_BIND) to an address of this machine and admin_port to a port you may use"
            ) from error
        _log.info("admin API on http://%s:%d", bind, port)

    def _accept(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None
        return server() if len(server.connections) < self._clients_max else Refusal(_TOO_MANY)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()
