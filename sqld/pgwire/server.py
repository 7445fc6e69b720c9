"""Listens for PostgreSQL clients, counts them, finds the session that a cancel request means.

Owns: the port `sql_port`, the sessions' tasks.
"""

from __future__ import annotations

import asyncio
import errno
import logging

from pygwire import messages as m

from shared.config import Settings
from shared.descriptors import clients_max
from shared.errors import ConfigError, RemoteProtocolError
from sqld.engine.failures import QueryFailure
from sqld.pgwire.connection import ClientConnection, ConnectionLostError
from sqld.pgwire.errors import error_fields
from sqld.pgwire.session import CancelKey, Session
from sqld.workers.pool import WorkerPool

__all__ = ["PgServer"]

_log = logging.getLogger(__name__)
_CONNECTIONS_LIMIT = 500
#: Who connects has so long to say what it wants.
_STARTUP_S = 30.0


class PgServer:
    """The PostgreSQL port. Database and user are `everlog` by custom; any name is taken."""

    def __init__(self, settings: Settings, pool: WorkerPool) -> None:
        self._settings = settings
        self._pool = pool
        self._server: asyncio.Server | None = None
        self._tasks: dict[ClientConnection, asyncio.Task[None]] = {}
        self._sessions: dict[ClientConnection, Session] = {}
        self._keys: dict[CancelKey, Session] = {}
        self._draining = False
        self._connections_limit = min(_CONNECTIONS_LIMIT, clients_max(others=32))
        # It warns of each message that its strict mode would refuse; we take those on purpose.
        logging.getLogger("pygwire").setLevel(logging.ERROR)

    async def start(self) -> None:
        """Listen. Raises ConfigError when the port cannot be had."""
        host, port = self._settings.bind, self._settings.sql_port
        try:
            self._server = await asyncio.get_running_loop().create_server(self._connection, host, port, backlog=512)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                why, remedy = "is in use by another program", "stop that, or choose another with --sql-port"
            else:
                why, remedy = f"cannot be listened on ({error.strerror})", "check the settings sql_port and bind"
            raise ConfigError(f"sql_port {port} on {host} {why}: {remedy}") from error
        _log.info("PostgreSQL clients are served on %s:%d", host, port)

    async def drain(self, timeout_s: float) -> None:
        """Take no more clients; let what runs come to its end, up to a limit."""
        self._draining = True
        if self._server is not None:
            self._server.close()
        for connection, session in list(self._sessions.items()):
            if not session.busy:
                self._dismiss(connection)
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=timeout_s)

    async def close(self) -> None:
        """End all sessions."""
        if self._server is not None:
            self._server.close()
        for connection, task in list(self._tasks.items()):
            self._dismiss(connection)
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _connection(self) -> ClientConnection:
        return ClientConnection(self._on_made, self._on_lost)

    def _on_made(self, connection: ClientConnection) -> None:
        self._tasks[connection] = asyncio.get_running_loop().create_task(self._serve(connection))

    def _on_lost(self, connection: ClientConnection) -> None:
        session = self._sessions.get(connection)
        if session is not None:
            session.lost()

    async def _serve(self, connection: ClientConnection) -> None:
        try:
            async with asyncio.timeout(_STARTUP_S):
                startup = await self._startup(connection)
            if startup is not None:
                await self._run_session(connection, startup)
        except (ConnectionLostError, TimeoutError):
            pass
        except RemoteProtocolError as error:
            # A port scan or a confused client: its own connection ends, nothing else.
            _log.info("closing the connection of %s: %s", connection.peer, error)
        except Exception:
            _log.exception("a session failed in a way that we did not think of")
        finally:
            self._tasks.pop(connection, None)
            connection.close()

    async def _startup(self, connection: ClientConnection) -> m.StartupMessage | None:
        """The startup message, after whatever was negotiated before it; None: nothing follows."""
        while True:
            message = await connection.next_message()
            if isinstance(message, m.SSLRequest):
                # Answering 'S' and wrapping the transport belongs here once certificates can be configured.
                connection.send(m.SSLResponse(accepted=False))
            elif isinstance(message, m.GSSEncRequest):
                connection.send(m.GSSResponse(accepted=False))
            elif isinstance(message, m.CancelRequest):
                session = self._keys.get((message.process_id, bytes(message.secret_key)))
                if session is not None:
                    session.cancel()
                return None
            elif isinstance(message, m.StartupMessage):
                return message
            else:
                raise RemoteProtocolError(f"{type(message).__name__} before the startup message")
            connection.flush()

    async def _run_session(self, connection: ClientConnection, startup: m.StartupMessage) -> None:
        if len(self._sessions) >= self._connections_limit or self._draining:
            text = "the server is shutting down" if self._draining else "sorry, too many clients already"
            sqlstate = "57P03" if self._draining else "53300"
            failure = QueryFailure(text, sqlstate=sqlstate, status=503)
            connection.send(m.ErrorResponse(fields=error_fields(failure, fatal=True)))
            return
        connection.started()
        session = Session(connection, self._pool, timeout_s=self._settings.query_timeout_s)
        self._sessions[connection] = session
        self._keys[session.key] = session
        try:
            await session.run(startup)
        finally:
            del self._sessions[connection]
            del self._keys[session.key]

    def _dismiss(self, connection: ClientConnection) -> None:
        """Tell a client that has nothing running that we go."""
        failure = QueryFailure("terminating connection: the server is shutting down", sqlstate="57P01", status=503)
        connection.send(m.ErrorResponse(fields=error_fields(failure, fatal=True)))
        connection.close()
