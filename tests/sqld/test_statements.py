"""Query strings cut into statements, and what the session answers itself."""

from __future__ import annotations

import pytest

from sqld.engine.failures import failure_of
from sqld.engine.refusals import refusal_of
from sqld.pgwire.errors import error_fields
from sqld.pgwire.settings import SessionSettings
from sqld.pgwire.statements import Piece, command_of, split_statements


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("select 1; select 2", [("select 1", 0), ("select 2", 10)]),
        ("select ';' ; ;\n select 2", [("select ';'", 0), ("select 2", 16)]),
        ("select $$a;b$$; select $t$ ; $$ $t$", [("select $$a;b$$", 0), ("select $t$ ; $$ $t$", 16)]),
        ("/* a; /* b */ ; */ select 1", [("/* a; /* b */ ; */ select 1", 0)]),
        ("select E'a\\';b'; select \"x;y\"", [("select E'a\\';b'", 0), ('select "x;y"', 17)]),
        ("select 1 -- a;b\n; select 2", [("select 1 -- a;b", 0), ("select 2", 18)]),
        ("select 'unfinished ; ", [("select 'unfinished ;", 0)]),
        ("select $1; select 2", [("select $1", 0), ("select 2", 11)]),
        (" ;; -- only a comment\n ; /* and one */", []),
        ("", []),
    ],
)
def test_statements_are_split(text: str, pieces: list[tuple[str, int]]) -> None:
    assert split_statements(text) == [Piece(*piece) for piece in pieces]
    assert all(text[piece.start :].startswith(piece.sql) for piece in split_statements(text))


@pytest.mark.parametrize(
    ("statement", "kind", "tag"),
    [
        ("begin", "begin", "BEGIN"),
        ("/* c */ BEGIN READ ONLY", "begin", "BEGIN"),
        ("start transaction isolation level serializable", "begin", "START TRANSACTION"),
        ("end", "commit", "COMMIT"),
        ("abort", "rollback", "ROLLBACK"),
        ("rollback to savepoint x", "rollback to", "ROLLBACK"),
        ("savepoint x", "ignored", "SAVEPOINT"),
        ("SET TIME ZONE 'UTC'", "set", "SET"),
        ("set session characteristics as transaction read only", "ignored", "SET"),
        ("show transaction isolation level", "show", "SHOW"),
        ("discard all", "discard", "DISCARD ALL"),
        ("deallocate all", "deallocate", "DEALLOCATE ALL"),
    ],
)
def test_session_commands_are_known(statement: str, kind: str, tag: str) -> None:
    command = command_of(statement)
    assert command is not None
    assert (command.kind, command.tag) == (kind, tag)


@pytest.mark.parametrize(
    "statement", ["select 1", "show tables", "show all", "explain select 1", "beginning", "with x"]
)
def test_the_engine_gets_the_rest(statement: str) -> None:
    assert command_of(statement) is None


def test_set_takes_its_value_apart() -> None:
    command = command_of("SET LOCAL a.b TO 'it''s'")
    assert command is not None
    assert (command.name, command.value) == ("a.b", "it's")


def test_settings_are_set_and_reset() -> None:
    settings = SessionSettings({"user": "u", "application_name": "a"})
    assert settings.reported()["session_authorization"] == "u"
    assert settings.set("application_name", "b")
    assert settings.show("APPLICATION_NAME") == "b"
    settings.reset("all")
    assert settings.show("application_name") == "a"
    assert not settings.set("client_encoding", "LATIN1")
    assert settings.set("client_encoding", "'utf-8'")
    assert settings.show("nothing") is None


@pytest.mark.parametrize(
    ("text", "sqlstate", "status"),
    [
        ('SQL error: ParserError("x")', "42601", 400),
        ("Error during planning: table 'restate.public.nope' not found", "42P01", 400),
        ("Schema error: No field named nope.", "42703", 400),
        ("Error during planning: DDL not supported: DropTable", "25006", 400),
        ("DataFusion error: Arrow error: Divide by zero error", "22012", 500),
        ("DataFusion error: Resources exhausted: Failed to allocate", "53200", 500),
        ("something new", "XX000", 500),
    ],
)
def test_failures_are_told_apart(text: str, sqlstate: str, status: int) -> None:
    failure = failure_of(text)
    assert (failure.sqlstate, failure.status) == (sqlstate, status)


@pytest.mark.parametrize("sql", ["INSERT INTO x", " -- c\n drop table x", "/* c */ copy x to y", "(delete from x)"])
def test_writes_are_refused(sql: str) -> None:
    failure = refusal_of(sql)
    assert failure is not None
    assert failure.sqlstate == "25006"


@pytest.mark.parametrize("sql", ["SELECT 1", "WITH a AS (SELECT 1) SELECT 1", "explain select 1", "", "inserted", "("])
def test_reads_are_not_refused(sql: str) -> None:
    assert refusal_of(sql) is None


def test_errors_point_at_their_place() -> None:
    failure = failure_of('SQL error: ParserError("Expected x at Line: 2, Column: 3")')
    assert error_fields(failure, statement=Piece("ab\ncdef", 10))["P"] == "16"
    assert "P" not in error_fields(failure, statement=Piece("one line", 0))
    assert "P" not in error_fields(failure)
