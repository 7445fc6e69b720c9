"""Prepared statements and portals of a session."""

from __future__ import annotations

from collections.abc import Callable

from pygwire.messages import Bind, FieldDescription, RowDescription

from sqld.engine.failures import QueryFailure
from sqld.pgwire.encode import TEXT
from sqld.pgwire.statements import Command, command_of, split_statements
from sqld.workers.pool import WorkerPool
from sqld.workers.protocol import Column, Described, Fetched, Output
from sqld.workers.query import RemoteQuery, describe

__all__ = ["Portal", "Statement", "row_description"]


def row_description(columns: list[Column], formats: list[int]) -> RowDescription:
    """What the rows are made of. `formats` as in Bind: none, one for all, or one a column."""
    codes = formats or [TEXT]
    if len(codes) == 1:
        codes = codes * len(columns)
    if len(codes) != len(columns):
        raise QueryFailure(
            f"bind message has {len(codes)} result formats but query has {len(columns)} columns",
            sqlstate="08P01",
            status=400,
        )
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


class Statement:
    """A prepared statement: text, parameter types, and its description once somebody asked."""

    def __init__(self, sql: str, parameter_types: list[int]) -> None:
        statements = split_statements(sql)
        if len(statements) > 1:
            raise QueryFailure(
                "cannot insert multiple commands into a prepared statement", sqlstate="42601", status=400
            )
        #: Empty for an empty query.
        self.sql = statements[0].sql if statements else ""
        self.parameter_types = parameter_types
        self.command: Command | None = command_of(self.sql) if self.sql else None
        self._described: Described | None = None

    async def describe(self, pool: WorkerPool, *, timeout_s: float) -> Described:
        """Its parameters and columns, asked of a worker once."""
        if self._described is None:
            self._described = await describe(pool, self.sql, self.parameter_types, timeout_s=timeout_s)
            self.parameter_types = self._described.parameter_types
        return self._described


class Portal:
    """A statement with its parameters, and how far its rows were fetched."""

    def __init__(self, statement: Statement, bind: Bind, query: RemoteQuery) -> None:
        self.statement = statement
        self.formats = list(bind.result_formats)
        self._bind = bind
        self._query = query
        self._columns: list[Column] | None = None
        #: A portal that was run to its end gives no more rows.
        self.finished = False

    async def columns(self) -> list[Column]:
        """Plan the query, once; its columns."""
        if self._columns is None:
            self._columns = await self._query.open(
                self.statement.sql,
                Output("pg", self.formats),
                parameters=list(self._bind.param_values),
                formats=list(self._bind.param_formats),
                types=list(self.statement.parameter_types),
            )
        return self._columns

    async def fetch(self, max_rows: int, on_data: Callable[[bytes], None]) -> Fetched:
        """The next rows."""
        if self.finished:
            return Fetched(0, True)
        await self.columns()
        fetched = await self._query.fetch(max_rows, on_data)
        self.finished = fetched.complete
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
