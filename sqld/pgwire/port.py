"""Listens for PostgreSQL clients. What speaks with them is imported behind all else that sqld starts.

Owns: the port `sql_port`.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
from typing import TYPE_CHECKING

from shared.config import Settings
from shared.errors import ConfigError
from sqld.pgwire.tls import ServerTls, server_tls
from sqld.pgwire.users import Users, read_users
from sqld.workers.pool import WorkerPool

if TYPE_CHECKING:
    from sqld.pgwire.server import PgServer

__all__ = ["PgPort"]

_log = logging.getLogger(__name__)


class PgPort:
    """The PostgreSQL port. Database and user are `everlog` by custom; without `sql_users_file` any name is taken."""

    def __init__(self, settings: Settings, pool: WorkerPool) -> None:
        self._settings = settings
        self._pool = pool
        self._listening: asyncio.Server | None = None
        self._server: PgServer | None = None
        self._tls: ServerTls | None = None
        self._users: Users | None = None

    async def start(self) -> None:
        """Listen. Raises ConfigError when the port cannot be had, or the certificate or the users not be read."""
        self._tls = server_tls(self._settings)
        self._users = read_users(self._settings.sql_users_file)
        host, port = self._settings.bind, self._settings.sql_port
        loop = asyncio.get_running_loop()
        try:
            self._listening = await loop.create_server(lambda: self.prepare().connection(), host, port, backlog=512)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                why, remedy = "is in use by another program", "stop that, or choose another with --sql-port"
            else:
                why, remedy = f"cannot be listened on ({error.strerror})", "check the settings sql_port and bind"
            raise ConfigError(f"sql_port {port} on {host} {why}: {remedy}") from error
        _log.info("PostgreSQL clients are served on %s:%d", host, port)
        if self._users is None and not _is_loopback(host):
            _log.warning("whoever reaches %s:%d may read all that SQL shows: set sql_users_file", host, port)

    def prepare(self) -> PgServer:
        """What speaks with clients. Who is the first to ask for it waits for its modules."""
        if self._server is None:
            # Late: these are two thirds of what sqld imports, and the start of a node need not wait for them.
            from sqld.pgwire.server import PgServer

            self._server = PgServer(self._settings, self._pool, self._tls, self._users)
        return self._server

    async def drain(self, timeout_s: float) -> None:
        """Take no more clients; let what runs come to its end, up to a limit."""
        if self._listening is not None:
            self._listening.close()
        await self.prepare().drain(timeout_s)

    async def close(self) -> None:
        """End all sessions."""
        if self._listening is not None:
            self._listening.close()
        if self._server is not None:
            await self._server.close()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
