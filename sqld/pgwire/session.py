"""One client: startup, simple and extended queries, transactions.

Rules that always hold:
- every message is answered in order, and each Query and Sync with one ReadyForQuery, whatever fails;
- after an error in the extended protocol everything up to the next Sync is skipped (protocol, section 55.2.3);
- portals live until their transaction ends: outside of one, until Sync;
- when the client goes, what it runs ends.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Coroutine
from typing import Any, TypeVar

from pygwire import messages as m
from pygwire.constants import TransactionStatus

from shared.errors import RemoteProtocolError
from sqld.engine.failures import CANCELLED, INTERNAL, QueryFailure
from sqld.engine.refusals import setting_refusal
from sqld.pgwire.connection import ClientConnection, ConnectionLostError
from sqld.pgwire.errors import error_fields
from sqld.pgwire.portals import Portal, Statement, row_description
from sqld.pgwire.settings import SessionSettings
from sqld.pgwire.statements import Command, Piece, command_of, split_statements
from sqld.pgwire.types import Oid
from sqld.workers.pool import WorkerPool
from sqld.workers.protocol import Column, Output
from sqld.workers.query import RemoteQuery

__all__ = ["CancelKey", "Session"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

#: Process id and secret, as BackendKeyData tells them.
CancelKey = tuple[int, bytes]

#: DataFusion's own: a session would read and write files by them, or take all memory.
_ENGINE_SETTINGS = "datafusion."
_IDLE = TransactionStatus.IDLE
_OPEN = TransactionStatus.IN_TRANSACTION
_FAILED = TransactionStatus.ERROR_TRANSACTION


class Session:
    """Serves one client after its startup message."""

    def __init__(self, connection: ClientConnection, pool: WorkerPool, *, timeout_s: float) -> None:
        self._connection = connection
        self._pool = pool
        self._timeout_s = timeout_s
        self._settings = SessionSettings({})
        self._transaction = _IDLE
        self._statements: dict[str, Statement] = {}
        self._portals: dict[str, Portal] = {}
        self._running: asyncio.Task[Any] | None = None
        self._cancelled = False
        self.key: CancelKey = (secrets.randbelow(2**31 - 1) + 1, secrets.token_bytes(4))

    async def run(self, startup: m.StartupMessage) -> None:
        """Until the client leaves. Raises ConnectionLostError and RemoteProtocolError."""
        self._settings = SessionSettings(startup.params)
        send = self._connection.send
        # Everybody who reaches the port may read: it is bound to loopback unless the settings say otherwise.
        send(m.AuthenticationOk())
        for name, value in self._settings.reported().items():
            send(m.ParameterStatus(name=name, value=value))
        send(m.BackendKeyData(process_id=self.key[0], secret_key=self.key[1]))
        self._ready()
        skipping = False
        try:
            while True:
                message = await self._connection.next_message()
                if isinstance(message, m.Terminate):
                    return
                if isinstance(message, m.Sync):
                    skipping = False
                    self._sync()
                elif isinstance(message, m.Query):
                    await self._query(message.query_string)
                elif isinstance(message, m.FunctionCall):
                    # The one message beside Query that is answered without Sync.
                    self._fail(QueryFailure("function calls are not supported", sqlstate="0A000", status=400))
                    self._ready()
                elif not skipping:
                    skipping = not await self._extended(message)
                await self._connection.drained()
        finally:
            self._close_portals()

    def cancel(self) -> None:
        """Somebody asked, with our key, that what runs now end."""
        if self._running is not None:
            self._cancelled = True
            self._running.cancel()

    def lost(self) -> None:
        """The client is gone."""
        self.cancel()

    @property
    def busy(self) -> bool:
        """A query runs."""
        return self._running is not None

    # -- simple queries

    async def _query(self, text: str) -> None:
        statements = split_statements(text)
        if not statements:
            self._connection.send(m.EmptyQueryResponse())
        for statement in statements:
            try:
                await self._simple(statement.sql)
            except QueryFailure as failure:
                self._fail(failure, statement=statement)
                break
        if self._transaction == _IDLE:
            self._close_portals()
        self._ready()

    async def _simple(self, statement: str) -> None:
        command = command_of(statement)
        self._check_transaction(command)
        if command is not None:
            self._describe_command(command)
            self._command(command)
            return
        query = RemoteQuery(self._pool, timeout_s=self._timeout_s)
        try:
            columns = await self._guarded(query.open(statement, Output("pg")))
            self._connection.send(row_description(columns, []))
            self._connection.on_pressure = lambda high: query.pause() if high else query.resume()
            fetched = await self._guarded(query.fetch(0, self._connection.send_raw))
        finally:
            self._connection.on_pressure = None
            query.close()
        self._connection.send(m.CommandComplete(tag=f"SELECT {fetched.rows}"))

    # -- extended queries

    async def _extended(self, message: m.PGMessage) -> bool:
        """False: it failed, skip what follows."""
        try:
            if isinstance(message, m.Parse):
                self._parse(message)
            elif isinstance(message, m.Bind):
                self._bind(message)
            elif isinstance(message, m.Describe):
                await self._describe(message)
            elif isinstance(message, m.Execute):
                await self._execute(message)
            elif isinstance(message, m.Close):
                self._close(message)
            elif isinstance(message, m.Flush):
                self._connection.flush()
            elif isinstance(message, m.CopyData | m.CopyDone | m.CopyFail):
                # Of a COPY that was refused: the protocol says to ignore them.
                return True
            else:
                text = f"{type(message).__name__} is not supported"
                raise QueryFailure(text, sqlstate="0A000", status=400)
        except QueryFailure as failure:
            self._fail(failure)
            return False
        return True

    def _parse(self, message: m.Parse) -> None:
        if message.statement and message.statement in self._statements:
            text = f'prepared statement "{message.statement}" already exists'
            raise QueryFailure(text, sqlstate="42P05", status=400)
        self._statements[message.statement] = Statement(message.query, list(message.param_types))
        self._connection.send(m.ParseComplete())

    def _bind(self, message: m.Bind) -> None:
        statement = self._statement(message.statement)
        self._check_transaction(statement.command)
        known = len(statement.parameter_types)
        if known and len(message.param_values) != known:
            raise QueryFailure(
                f"bind message supplies {len(message.param_values)} parameters, but prepared statement "
                f'"{message.statement}" requires {known}',
                sqlstate="08P01",
                status=400,
            )
        self._close_portal(message.portal)
        query = RemoteQuery(self._pool, timeout_s=self._timeout_s)
        self._portals[message.portal] = Portal(statement, message, query)
        self._connection.send(m.BindComplete())

    async def _describe(self, message: m.Describe) -> None:
        portal = self._portal(message.name) if message.kind == "P" else None
        statement = self._statement(message.name) if portal is None else portal.statement
        if statement.command is not None or not statement.sql:
            if portal is None:
                self._connection.send(m.ParameterDescription(type_oids=[]))
            if statement.command is not None and statement.command.kind == "show":
                self._describe_command(statement.command)
            else:
                self._connection.send(m.NoData())
            return
        if portal is not None:
            columns = await self._guarded(portal.columns())
            self._connection.send(row_description(columns, portal.formats))
            return
        described = await self._guarded(statement.describe(self._pool, timeout_s=self._timeout_s))
        self._connection.send(m.ParameterDescription(type_oids=described.parameter_types))
        self._connection.send(row_description(described.columns or [], []))

    async def _execute(self, message: m.Execute) -> None:
        portal = self._portal(message.portal)
        command = portal.statement.command
        self._check_transaction(command)
        if command is not None:
            self._command(command)
            return
        if not portal.statement.sql:
            self._connection.send(m.EmptyQueryResponse())
            return
        self._connection.on_pressure = portal.pressure
        try:
            fetched = await self._guarded(portal.fetch(message.max_rows, self._connection.send_raw))
        finally:
            self._connection.on_pressure = None
        if fetched.complete:
            self._connection.send(m.CommandComplete(tag=f"SELECT {fetched.rows}"))
        else:
            self._connection.send(m.PortalSuspended())

    def _close(self, message: m.Close) -> None:
        if message.kind == "S":
            self._statements.pop(message.name, None)
        else:
            self._close_portal(message.name)
        self._connection.send(m.CloseComplete())

    def _sync(self) -> None:
        if self._transaction == _IDLE:
            self._close_portals()
        self._ready()

    # -- what both share

    def _check_transaction(self, command: Command | None) -> None:
        if self._transaction == _FAILED and (
            command is None or command.kind not in ("commit", "rollback", "rollback to")
        ):
            text = "current transaction is aborted, commands ignored until end of transaction block"
            raise QueryFailure(text, sqlstate="25P02", status=400)

    def _describe_command(self, command: Command) -> None:
        if command.kind == "show":
            column = Column(command.name.replace(" ", "_"), Oid.TEXT, -1)
            self._connection.send(row_description([column], []))

    def _command(self, command: Command) -> None:
        """A statement that changes only the session."""
        tag = command.tag
        if command.kind == "begin":
            self._transaction = _OPEN
        elif command.kind in ("commit", "rollback"):
            # Committing what failed rolls it back.
            tag = "ROLLBACK" if self._transaction == _FAILED else tag
            self._transaction = _IDLE
            self._close_portals()
        elif command.kind == "rollback to":
            self._transaction = _OPEN
        elif command.kind in ("set", "reset") and command.name.startswith(_ENGINE_SETTINGS):
            raise setting_refusal(command.tag)
        elif command.kind == "set":
            self._set(command)
        elif command.kind == "reset":
            self._settings.reset(command.name)
        elif command.kind == "show":
            self._show(command)
        elif command.kind == "deallocate":
            self._deallocate(command.name)
        elif command.kind == "discard":
            self._close_portals()
            self._statements.clear()
            self._settings.reset("all")
        self._connection.send(m.CommandComplete(tag=tag))

    def _set(self, command: Command) -> None:
        before = self._settings.reported()
        if not self._settings.set(command.name, command.value):
            text = f"{command.name} cannot be {command.value!r}: it is always {self._settings.show(command.name)}"
            raise QueryFailure(text, sqlstate="22023", status=400)
        for name, value in self._settings.reported().items():
            if before[name] != value:
                self._connection.send(m.ParameterStatus(name=name, value=value))

    def _show(self, command: Command) -> None:
        value = self._settings.show(command.name)
        if value is None:
            text = f'unrecognized configuration parameter "{command.name}"'
            raise QueryFailure(text, sqlstate="42704", status=400)
        self._connection.send(m.DataRow(columns=[value.encode()]))

    def _deallocate(self, name: str) -> None:
        if not name:
            self._statements.clear()
        elif self._statements.pop(name, None) is None:
            raise QueryFailure(f'prepared statement "{name}" does not exist', sqlstate="26000", status=400)

    def _statement(self, name: str) -> Statement:
        if name not in self._statements:
            raise QueryFailure(f'prepared statement "{name}" does not exist', sqlstate="26000", status=400)
        return self._statements[name]

    def _portal(self, name: str) -> Portal:
        if name not in self._portals:
            raise QueryFailure(f'portal "{name}" does not exist', sqlstate="34000", status=400)
        return self._portals[name]

    def _close_portal(self, name: str) -> None:
        portal = self._portals.pop(name, None)
        if portal is not None:
            portal.close()

    def _close_portals(self) -> None:
        for name in list(self._portals):
            self._close_portal(name)

    async def _guarded(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run what a cancel request, or the client's going, may end."""
        running = self._running = asyncio.get_running_loop().create_task(work)
        if self._connection.lost:
            self.cancel()
        try:
            result: _T = await running
            return result
        except asyncio.CancelledError:
            if not self._cancelled:
                # Not the query but this session is cancelled: the daemon ends.
                raise
            raise QueryFailure("canceling statement due to user request", sqlstate=CANCELLED, status=500) from None
        except (QueryFailure, ConnectionLostError, RemoteProtocolError):
            raise
        except Exception as error:
            _log.exception("a query failed in a way that we did not think of")
            text = f"internal error: {type(error).__name__}, see sqld's log"
            raise QueryFailure(text, sqlstate=INTERNAL, status=500) from error
        finally:
            self._running = None
            self._cancelled = False

    def _fail(self, failure: QueryFailure, *, statement: Piece | None = None) -> None:
        if self._transaction == _OPEN:
            self._transaction = _FAILED
            self._close_portals()
        self._connection.send(m.ErrorResponse(fields=error_fields(failure, statement=statement)))

    def _ready(self) -> None:
        self._connection.send(m.ReadyForQuery(status=self._transaction))
        self._connection.flush()
