"""Prepared statements and portals of a session. A cursor is a portal that SQL has declared."""

from __future__ import annotations

from collections.abc import Callable

from pygwire.messages import FieldDescription, RowDescription

from sqld.engine.failures import QueryFailure
from sqld.pgwire.encode import BINARY, TEXT
from sqld.pgwire.statements import Command, Piece, command_of, parameter_count, split_statements
from sqld.workers.pool import WorkerPool
from sqld.workers.protocol import Column, Described, Fetched, Output
from sqld.workers.query import RemoteQuery, describe

__all__ = ["Arguments", "Portal", "Statement", "check_formats", "row_description"]


def row_description(columns: list[Column], formats: list[int]) -> RowDescription:
    """What the rows are made of. `formats` as in Bind: none, one for all, or one a column."""
    codes = _one_each(formats, columns)
    return RowDescription(
        fields=[
            FieldDescription(
                name=column.name,
                type_oid=column.type_oid,
                type_size=column.type_size,
                type_modifier=-1,
                format_code=code,
            )
            for column, code in zip(columns, codes, strict=True)
        ]
    )


def _one_each(formats: list[int], columns: list[Column]) -> list[int]:
    codes = formats or [TEXT]
    if len(codes) == 1:
        codes = codes * len(columns)
    if len(codes) != len(columns):
        raise _violation(f"bind message has {len(codes)} result formats but query has {len(columns)} columns")
    return codes


def _violation(text: str) -> QueryFailure:
    return QueryFailure(text, sqlstate="08P01", status=400)


class Arguments:
    """A client's parameters as they came. Raises QueryFailure for what no statement could take."""

    def __init__(self, values: list[bytes | None], formats: list[int]) -> None:
        if len(formats) not in (0, 1, len(values)):
            raise _violation(f"bind message has {len(formats)} parameter formats but {len(values)} parameters")
        check_formats(formats)
        self.values = values
        self.formats = formats


def check_formats(formats: list[int]) -> None:
    """Raises QueryFailure for one that is neither text nor binary."""
    for code in formats:
        if code not in (TEXT, BINARY):
            raise QueryFailure(f"unsupported format code: {code}", sqlstate="22023", status=400)


class Statement:
    """A prepared statement: text, parameter types, and its description once somebody asked."""

    def __init__(self, sql: str, parameter_types: list[int]) -> None:
        statements = split_statements(sql)
        if len(statements) > 1:
            raise QueryFailure(
                "cannot insert multiple commands into a prepared statement", sqlstate="42601", status=400
            )
        #: As it stands in what the client sent; empty for an empty query.
        self.piece = statements[0] if statements else Piece("", 0)
        self.command: Command | None = command_of(self.piece.sql) if self.piece.sql else None
        if self.command is not None and self.command.kind == "declare":
            query = self.command.query
            #: What the engine is to run, if anything.
            self.query: Piece | None = Piece(query.sql, self.piece.start + query.start)
        else:
            self.query = self.piece if self.command is None and self.piece.sql else None
        used = 0 if self.query is None else parameter_count(self.query.sql)
        #: Parameters that Bind must give: those that were typed, or that are used.
        self.parameters = max(used, len(parameter_types))
        self.parameter_types = parameter_types
        self._described: Described | None = None

    @property
    def empty(self) -> bool:
        """There is no statement in it."""
        return not self.piece.sql

    @property
    def described(self) -> bool:
        """A worker has planned it."""
        return self._described is not None or self.query is None

    async def describe(self, pool: WorkerPool, *, timeout_s: float, session: dict[str, str]) -> Described:
        """Its parameters and columns, asked of a worker once."""
        if self.query is None:
            return Described([], None)
        if self._described is None:
            self._described = await describe(
                pool, self.query.sql, self.parameter_types, timeout_s=timeout_s, session=session
            )
            self.parameter_types = self._described.parameter_types
        return self._described


class Portal:
    """A statement with its parameters, and how far its rows were fetched."""

    def __init__(
        self,
        statement: Statement,
        arguments: Arguments,
        formats: list[int],
        query: RemoteQuery,
        session: dict[str, str],
        *,
        cursor: bool = False,
        hold: bool = False,
    ) -> None:
        self.statement = statement
        #: What the session is to do; None: its query is to be run. A cursor's DECLARE was carried out already.
        self.command = None if cursor else statement.command
        self.arguments = arguments
        #: Result formats as in Bind.
        self.formats = formats
        #: It outlives its transaction.
        self.hold = hold
        #: Rows that a FETCH was asked for and has given so far: Execute may ask for fewer at once.
        self.given = 0
        self._query = query
        self._session = session
        self._columns: list[Column] | None = None
        #: A portal that was run to its end gives no more rows.
        self.finished = False

    async def columns(self) -> list[Column]:
        """Plan the query, once; its columns."""
        if self._columns is None:
            assert self.statement.query is not None
            self._columns = await self._query.open(
                self.statement.query.sql,
                Output("pg", self.formats),
                parameters=self.arguments.values,
                formats=self.arguments.formats,
                types=list(self.statement.parameter_types),
                session=self._session,
            )
            _one_each(self.formats, self._columns)
        return self._columns

    @property
    def runs_at_once(self) -> bool:
        """Nobody has planned it, and its columns need not be known to run it."""
        return self._columns is None and not self.finished and len(self.formats) <= 1

    async def fetch(
        self,
        max_rows: int,
        on_data: Callable[[bytes], None],
        *,
        formats: list[int] | None = None,
        on_columns: Callable[[list[Column]], None] | None = None,
    ) -> Fetched:
        """The next rows, 0 for all, and before them the columns for who wants them; `formats` instead of its own."""
        if max_rows == 0 and formats is None and self.runs_at_once:
            return await self._run(on_data, on_columns)
        if on_columns is not None:
            on_columns(await self.columns())
        if self.finished:
            return Fetched(0, True)
        columns = await self.columns()
        codes = None if formats is None else _one_each(formats, columns)
        fetched = await self._query.fetch(max_rows, on_data, formats=codes)
        self.finished = fetched.complete
        return fetched

    async def _run(
        self, on_data: Callable[[bytes], None], on_columns: Callable[[list[Column]], None] | None
    ) -> Fetched:
        """Plan it and give all rows, with one question to the worker."""
        assert self.statement.query is not None

        def planned(columns: list[Column]) -> None:
            self._columns = columns
            if on_columns is not None:
                on_columns(columns)

        fetched = await self._query.run(
            self.statement.query.sql,
            Output("pg", self.formats),
            on_data,
            on_columns=planned,
            parameters=self.arguments.values,
            formats=self.arguments.formats,
            types=list(self.statement.parameter_types),
            session=self._session,
        )
        self.finished = True
        return fetched

    def pressure(self, high: bool) -> None:
        """The client reads too slowly, or reads again."""
        if high:
            self._query.pause()
        else:
            self._query.resume()

    def close(self) -> None:
        """Nobody wants more rows."""
        self._query.close()
