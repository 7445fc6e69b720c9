"""One client whose name is known: simple and extended queries, cursors, transactions.

Rules that always hold:
- every message is answered in order, and each Query and Sync with one ReadyForQuery, whatever fails;
- after an error in the extended protocol everything up to the next Sync is skipped (protocol, section 55.2.3);
- portals live until their transaction ends: outside of one, until Sync; but for cursors WITH HOLD;
- when the client goes, what it runs ends.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from pygwire import messages as m

from shared.errors import RemoteProtocolError
from sqld.engine.failures import CANCELLED, INTERNAL, QueryFailure
from sqld.pgwire.commands import Commands
from sqld.pgwire.connection import ClientConnection, ConnectionLostError
from sqld.pgwire.encode import BINARY
from sqld.pgwire.errors import error_fields
from sqld.pgwire.frames import MalformedMessageError
from sqld.pgwire.login import MINOR_WITH_LONG_KEYS
from sqld.pgwire.portals import Arguments, Portal, Statement, check_formats, row_description
from sqld.pgwire.settings import SessionSettings
from sqld.pgwire.state import SessionState
from sqld.pgwire.statements import Command, Piece, command_of, split_statements, tag_of
from sqld.workers.pool import WorkerPool
from sqld.workers.protocol import Column, Described, Fetched
from sqld.workers.query import RemoteQuery

__all__ = ["CancelKey", "Session"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

#: Process id and secret, as BackendKeyData tells them.
CancelKey = tuple[int, bytes]
#: Messages of one client, before others have their turn.
_TURN = 64
#: What is wrong with a statement whatever its parameters are: told when it is parsed, if nothing but Sync follows.
_WRONG_IN_ITSELF = ("42601", "42P01", "42703", "42883", "25006")


class Session:
    """Serves one client after its startup message."""

    def __init__(
        self, connection: ClientConnection, pool: WorkerPool, startup: m.StartupMessage, *, timeout_s: float
    ) -> None:
        self._connection = connection
        self._pool = pool
        self._timeout_s = timeout_s
        self._state = SessionState(SessionSettings(startup.params))
        self._commands = Commands(self._state, connection.send)
        self._running: asyncio.Task[Any] | None = None
        self._cancelled = False
        self._ending = False
        #: The portal whose description is sent when it is executed, with the next message: a worker is asked once.
        self._owed: str | None = None
        long = startup.protocol_version & 0xFFFF >= MINOR_WITH_LONG_KEYS
        self.key: CancelKey = (secrets.randbelow(2**31 - 1) + 1, secrets.token_bytes(32 if long else 4))

    async def run(self) -> None:
        """Until the client leaves. Raises ConnectionLostError, RemoteProtocolError, and QueryFailure when we leave."""
        self._commands.tell_settings()
        self._connection.send(m.BackendKeyData(process_id=self.key[0], secret_key=self.key[1]))
        for warning in self._state.settings.warnings:
            self._commands.warn("01000", warning)
        self._ready()
        skipping, turn = False, 0
        try:
            while True:
                try:
                    message = await self._connection.next_message()
                    if isinstance(message, m.Terminate):
                        return
                    skipping = await self._on_message(message, skipping=skipping)
                except MalformedMessageError as error:
                    skipping = await self._settle() or self._on_malformed(error, skipping=skipping)
                await self._connection.drained()
                if self._ending and not self._connection.coming():
                    text = "terminating connection: the server is shutting down"
                    raise QueryFailure(text, sqlstate="57P01", status=503)
                turn = (turn + 1) % _TURN
                if not turn:
                    await asyncio.sleep(0)
        finally:
            self._state.close_portals(held=True)

    def cancel(self) -> None:
        """Somebody asked, with our key, that what runs now end."""
        if self._running is not None:
            self._cancelled = True
            self._running.cancel()

    def lost(self) -> None:
        """The client is gone."""
        self.cancel()

    def end_soon(self) -> None:
        """The daemon stops: what runs is the last."""
        self._ending = True

    @property
    def busy(self) -> bool:
        """A query runs."""
        return self._running is not None

    async def _on_message(self, message: m.PGMessage, *, skipping: bool) -> bool:
        """True: it failed, skip what follows up to Sync."""
        if isinstance(message, m.Sync):
            self._sync()
            return False
        if skipping:
            return True
        if isinstance(message, m.Query):
            await self._query(message.query_string)
            return False
        if isinstance(message, m.FunctionCall):
            # The one message beside Query that is answered without Sync.
            self._fail(QueryFailure("function calls are not supported", sqlstate="0A000", status=400))
            self._ready()
            return False
        return not await self._extended(message)

    def _on_malformed(self, error: MalformedMessageError, *, skipping: bool) -> bool:
        ends = issubclass(error.kind, m.Query | m.FunctionCall | m.Sync)
        if skipping and not issubclass(error.kind, m.Sync):
            return True
        self._fail(QueryFailure(str(error), sqlstate="22021" if error.text else "08P01", status=400))
        if ends:
            self._ready()
        return not ends

    # -- simple queries

    async def _query(self, text: str) -> None:
        self._state.close_portal("")
        self._state.statements.pop("", None)
        pieces = split_statements(text)
        if not pieces:
            self._connection.send(m.EmptyQueryResponse())
        for piece in pieces:
            try:
                await self._simple(piece, alone=len(pieces) == 1)
            except QueryFailure as failure:
                self._fail(failure, _run_by_the_engine(piece))
                break
        if self._state.idle:
            self._state.close_portals()
        self._ready()

    async def _simple(self, piece: Piece, *, alone: bool) -> None:
        command = command_of(piece.sql)
        self._state.check(command)
        if command is None:
            await self._select(piece)
        elif command.kind == "declare":
            await self._declare(Statement(piece.sql, []), Arguments([], []), alone=alone)
        elif command.kind == "fetch":
            cursor = self._cursor(command)
            self._connection.send(row_description(await self._guarded(cursor.columns()), cursor.formats))
            await self._fetch(command, cursor.formats)
        elif command.kind == "move":
            await self._fetch(command, [])
        else:
            description = self._commands.described(command, [])
            if description is not None:
                self._connection.send(description)
            self._carry_out(command)

    async def _select(self, piece: Piece) -> None:
        portal = Portal(Statement(piece.sql, []), Arguments([], []), [], self._new_query(), self._facts())
        self._connection.on_pressure = portal.pressure
        try:
            fetched = await self._guarded(portal.fetch(0, self._connection.send_raw, on_columns=self._describe_rows))
        finally:
            self._connection.on_pressure = None
            portal.close()
        self._connection.send(m.CommandComplete(tag=tag_of(piece.sql, fetched.rows)))

    def _describe_rows(self, columns: list[Column]) -> None:
        self._connection.send(row_description(columns, []))

    # -- extended queries

    async def _extended(self, message: m.PGMessage) -> bool:
        """False: it failed, skip what follows."""
        if not (isinstance(message, m.Execute) and message.portal == self._owed) and await self._settle():
            return False
        statement: Statement | None = None
        try:
            if isinstance(message, m.Parse):
                statement = Statement(message.query, list(message.param_types))
                await self._parse(message.statement, statement)
            elif isinstance(message, m.Bind):
                self._bind(message)
            elif isinstance(message, m.Describe):
                statement = self._meant(message.kind, message.name)
                await self._describe(message)
            elif isinstance(message, m.Execute):
                statement = self._meant("P", message.portal)
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
            self._fail(failure, None if statement is None else statement.query)
            return False
        return True

    async def _settle(self) -> bool:
        """Send the description that was put off. True: it failed, skip what follows."""
        name, self._owed = self._owed, None
        if name is None:
            return False
        portal = self._state.portal(name)
        try:
            columns = await self._guarded(portal.columns())
        except QueryFailure as failure:
            self._fail(failure, portal.statement.query)
            return True
        self._connection.send(row_description(columns, portal.formats))
        return False

    def _meant(self, kind: str, name: str) -> Statement:
        if kind == "P":
            return self._state.portal(name).statement
        if kind == "S":
            return self._state.statement(name)
        raise QueryFailure(f"invalid DESCRIBE or CLOSE message subtype {ord(kind)}", sqlstate="08P01", status=400)

    async def _parse(self, name: str, statement: Statement) -> None:
        self._state.check(statement.command)
        if self._connection.coming() in ("S", "H") and not statement.described:
            # Nothing of this batch would find out what is wrong with it.
            try:
                await self._guarded(self._plan(statement))
            except QueryFailure as failure:
                if failure.sqlstate in _WRONG_IN_ITSELF:
                    raise
        self._state.add_statement(name, statement)
        self._connection.send(m.ParseComplete())

    def _bind(self, message: m.Bind) -> None:
        statement = self._state.statement(message.statement)
        self._state.check(statement.command)
        arguments = Arguments(message.param_values, message.param_formats)
        check_formats(message.result_formats)
        if len(arguments.values) != statement.parameters:
            raise QueryFailure(
                f"bind message supplies {len(arguments.values)} parameters, but prepared statement "
                f'"{message.statement}" requires {statement.parameters}',
                sqlstate="08P01",
                status=400,
            )
        portal = Portal(statement, arguments, message.result_formats, self._new_query(), self._facts())
        self._state.add_portal(message.portal, portal)
        self._connection.send(m.BindComplete())

    async def _describe(self, message: m.Describe) -> None:
        portal = self._state.portal(message.name) if message.kind == "P" else None
        statement = self._state.statement(message.name) if portal is None else portal.statement
        formats = [] if portal is None else portal.formats
        if portal is None:
            described = await self._guarded(self._plan(statement))
            self._connection.send(m.ParameterDescription(type_oids=described.parameter_types))
            columns = described.columns
        command = statement.command if portal is None else portal.command
        if command is not None and command.kind == "fetch":
            columns = await self._guarded(self._cursor(command).columns())
        elif command is not None or statement.empty:
            shown = None if command is None else self._commands.described(command, formats)
            self._connection.send(shown or m.NoData())
            return
        elif portal is not None:
            if portal.runs_at_once and self._connection.coming() == "E":
                self._owed = message.name
                return
            columns = await self._guarded(portal.columns())
        self._connection.send(row_description(columns or [], formats))

    async def _execute(self, message: m.Execute) -> None:
        portal = self._state.portal(message.portal)
        owed, self._owed = self._owed is not None, None
        command = portal.command
        self._state.check(command)
        if portal.statement.empty:
            self._connection.send(m.EmptyQueryResponse())
        elif command is None:
            fetched = await self._stream(portal, message.max_rows, describes=owed)
            done = m.CommandComplete(tag=tag_of(portal.statement.piece.sql, fetched.rows))
            self._connection.send(done if fetched.complete else m.PortalSuspended())
        elif command.kind == "declare":
            await self._declare(portal.statement, portal.arguments, alone=True)
        elif command.kind in ("fetch", "move"):
            await self._fetch(command, portal.formats, asking=portal, max_rows=message.max_rows)
        else:
            self._carry_out(command)

    def _close(self, message: m.Close) -> None:
        if message.kind == "S":
            self._state.statements.pop(message.name, None)
        elif message.kind == "P":
            self._state.close_portal(message.name)
        else:
            self._meant(message.kind, message.name)
        self._connection.send(m.CloseComplete())

    def _sync(self) -> None:
        if self._state.idle:
            self._state.close_portals()
        self._ready()

    # -- cursors

    async def _declare(self, statement: Statement, arguments: Arguments, *, alone: bool) -> None:
        command = statement.command
        assert command is not None
        if self._state.idle and alone and not command.hold:
            text = "DECLARE CURSOR can only be used in transaction blocks"
            raise QueryFailure(text, sqlstate="25P01", status=400)
        formats = [BINARY] if command.binary else []
        portal = Portal(statement, arguments, formats, self._new_query(), self._facts(), cursor=True, hold=command.hold)
        self._state.add_portal(command.name, portal)
        try:
            # What is wrong with the query is told now.
            await self._guarded(portal.columns())
        except QueryFailure:
            self._state.close_portal(command.name)
            raise
        self._connection.send(m.CommandComplete(tag=command.tag))

    def _cursor(self, command: Command) -> Portal:
        portal = self._state.portal(command.name, cursor=True)
        if portal.statement.query is None or portal.command is not None:
            raise QueryFailure(f'portal "{command.name}" cannot be run', sqlstate="55000", status=400)
        return portal

    async def _fetch(
        self, command: Command, formats: list[int], *, asking: Portal | None = None, max_rows: int = 0
    ) -> None:
        """FETCH and MOVE; Execute may ask the portal that is `asking` for fewer rows at once."""
        cursor = self._cursor(command)
        if command.rows < -1:
            raise QueryFailure("cursor can only scan forward", sqlstate="55000", status=400)
        left = command.rows - (0 if asking is None or command.rows < 0 else asking.given)
        if left == 0:
            self._connection.send(m.CommandComplete(tag=f"{command.tag} 0"))
            return
        suspends = max_rows > 0 and (left < 0 or max_rows < left)
        limit = max_rows if suspends else max(left, 0)
        fetched = await self._stream(cursor, limit, formats=formats, discard=command.kind == "move")
        if asking is not None:
            asking.given += fetched.rows
        done = m.CommandComplete(tag=f"{command.tag} {fetched.rows}")
        self._connection.send(m.PortalSuspended() if suspends and not fetched.complete else done)

    # -- what all share

    def _carry_out(self, command: Command) -> None:
        if command.kind != "close":
            self._commands.carry_out(command)
            return
        if command.name:
            self._state.portal(command.name, cursor=True)
            self._state.close_portal(command.name)
        else:
            self._state.close_portals(held=True)
        self._connection.send(m.CommandComplete(tag=command.tag))

    def _plan(self, statement: Statement) -> Coroutine[Any, Any, Described]:
        return statement.describe(self._pool, timeout_s=self._limit_s, session=self._facts())

    def _facts(self) -> dict[str, str]:
        """What a catalogue query may ask about this session."""
        return self._state.settings.changed() | {"pid": str(self.key[0])}

    def _new_query(self) -> RemoteQuery:
        return RemoteQuery(self._pool, timeout_s=self._limit_s)

    @property
    def _limit_s(self) -> float:
        own = self._state.settings.timeout_s
        return min(own, self._timeout_s) if own else self._timeout_s

    async def _stream(
        self,
        portal: Portal,
        max_rows: int,
        *,
        formats: list[int] | None = None,
        discard: bool = False,
        describes: bool = False,
    ) -> Fetched:
        """The next rows, to the client unless they are to be discarded; `describes`: what they are made of first."""

        def on_columns(columns: list[Column]) -> None:
            self._connection.send(row_description(columns, portal.formats))

        on_data: Callable[[bytes], None] = (lambda data: None) if discard else self._connection.send_raw
        self._connection.on_pressure = portal.pressure
        try:
            fetch = portal.fetch(max_rows, on_data, formats=formats, on_columns=on_columns if describes else None)
            return await self._guarded(fetch)
        finally:
            self._connection.on_pressure = None

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

    def _fail(self, failure: QueryFailure, statement: Piece | None = None) -> None:
        self._state.fail()
        self._connection.send(m.ErrorResponse(fields=error_fields(failure, statement=statement)))

    def _ready(self) -> None:
        self._connection.send(m.ReadyForQuery(status=self._state.transaction))
        self._connection.flush()


def _run_by_the_engine(piece: Piece) -> Piece:
    """Places in its messages are those of a cursor's query, not of its DECLARE."""
    command = command_of(piece.sql)
    if command is None or command.kind != "declare":
        return piece
    return Piece(command.query.sql, piece.start + command.query.start)
