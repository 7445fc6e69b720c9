"""Counts PostgreSQL clients, finds the session that a cancel request means. Owns: the sessions' tasks."""

from __future__ import annotations

import asyncio
import logging

from pygwire import messages as m

from shared.config import Settings
from shared.descriptors import clients_max
from shared.errors import RemoteProtocolError
from sqld.engine.failures import QueryFailure
from sqld.pgwire.connection import ClientConnection, ConnectionLostError, Intake
from sqld.pgwire.errors import error_fields
from sqld.pgwire.login import login
from sqld.pgwire.session import CancelKey, Session
from sqld.pgwire.tls import ServerTls
from sqld.pgwire.users import Users
from sqld.workers.pool import WorkerPool

__all__ = ["PgServer"]

_log = logging.getLogger(__name__)
#: Clients that are logged in; and so many that are not yet, or came to cancel a query. Of those the one that came first
#: goes when another one comes, so that a storm of silent ones keeps nobody else out.
_CONNECTIONS_LIMIT = 500
#: Who connects has so long to say what it wants, and who it is.
_STARTUP_S = 30.0


class PgServer:
    """Those who came by one port."""

    def __init__(self, settings: Settings, pool: WorkerPool, tls: ServerTls | None, users: Users | None) -> None:
        self._settings = settings
        self._pool = pool
        self._tls = tls
        self._users = users
        self._intake = Intake()
        self._tasks: dict[ClientConnection, asyncio.Task[None]] = {}
        self._strangers: dict[ClientConnection, None] = {}
        self._sessions: dict[ClientConnection, Session] = {}
        self._keys: dict[CancelKey, Session] = {}
        self._draining = False
        self._connections_limit = min(_CONNECTIONS_LIMIT, clients_max(others=32) // 2)

    def connection(self) -> ClientConnection:
        """The protocol of a client that has come."""
        return ClientConnection(self._on_made, self._on_lost, tls=self._tls, intake=self._intake)

    async def drain(self, timeout_s: float) -> None:
        """Let nobody log in any more, and what runs come to its end, up to a limit."""
        self._draining = True
        for connection, session in list(self._sessions.items()):
            session.end_soon()
            if not session.busy:
                self._dismiss(connection)
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=timeout_s)

    async def close(self) -> None:
        """End all sessions."""
        for connection, task in list(self._tasks.items()):
            self._dismiss(connection)
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _on_made(self, connection: ClientConnection) -> None:
        if len(self._strangers) >= self._connections_limit:
            first = next(iter(self._strangers))
            del self._strangers[first]
            self._refuse(first, _too_many())
            first.close()
        self._strangers[connection] = None
        self._tasks[connection] = asyncio.get_running_loop().create_task(self._serve(connection))

    def _on_lost(self, connection: ClientConnection) -> None:
        session = self._sessions.get(connection)
        if session is not None:
            session.lost()

    async def _serve(self, connection: ClientConnection) -> None:
        try:
            async with asyncio.timeout(_STARTUP_S):
                startup = await login(
                    connection,
                    tls=self._tls is not None,
                    tls_required=self._settings.sql_tls_mode == "require",
                    users=self._users,
                    on_cancel=self._cancel,
                )
            if startup is not None:
                await self._run_session(connection, startup)
        except QueryFailure as failure:
            self._refuse(connection, failure)
        except ConnectionLostError:
            pass
        except TimeoutError:
            _log.info("closing the connection of %s: it did not say who it is", connection.peer)
        except RemoteProtocolError as error:
            # A port scan or a confused client: its own connection ends, nothing else.
            _log.info("closing the connection of %s: %s", connection.peer, error)
            self._refuse(connection, QueryFailure(str(error), sqlstate="08P01", status=400))
        except Exception:
            _log.exception("a session failed in a way that we did not think of")
        finally:
            self._tasks.pop(connection, None)
            self._strangers.pop(connection, None)
            connection.close()

    def _cancel(self, request: m.CancelRequest) -> None:
        session = self._keys.get((request.process_id, request.secret_key))
        if session is not None:
            session.cancel()

    async def _run_session(self, connection: ClientConnection, startup: m.StartupMessage) -> None:
        if self._draining:
            raise QueryFailure("the server is shutting down", sqlstate="57P03", status=503)
        if len(self._sessions) >= self._connections_limit:
            raise _too_many()
        self._strangers.pop(connection, None)
        # Who logs in has a question.
        self._pool.expect()
        connection.started()
        session = Session(connection, self._pool, startup, timeout_s=self._settings.query_timeout_s)
        self._sessions[connection] = session
        self._keys[session.key] = session
        try:
            await session.run()
        finally:
            del self._sessions[connection]
            del self._keys[session.key]

    def _dismiss(self, connection: ClientConnection) -> None:
        """Tell a client that has nothing running that we go."""
        failure = QueryFailure("terminating connection: the server is shutting down", sqlstate="57P01", status=503)
        self._refuse(connection, failure)
        connection.close()

    def _refuse(self, connection: ClientConnection, failure: QueryFailure) -> None:
        connection.send(m.ErrorResponse(fields=error_fields(failure, fatal=True)))


def _too_many() -> QueryFailure:
    return QueryFailure("sorry, too many clients already", sqlstate="53300", status=503)
