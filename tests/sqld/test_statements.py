"""Query strings cut into statements, and what the session answers itself."""

from __future__ import annotations

import pytest

from sqld.engine.failures import QueryFailure, failure_of
from sqld.engine.refusals import refusal_of
from sqld.pgwire.errors import error_fields
from sqld.pgwire.settings import SessionSettings
from sqld.pgwire.statements import Command, Piece, command_of, parameter_count, split_statements, tag_of


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
        ("set local x to 1", "set local", "SET"),
        ("set session x = 1", "set", "SET"),
        ("set names 'UTF8'", "set", "SET"),
        ("set transaction isolation level serializable", "ignored", "SET"),
        ("close all", "close", "CLOSE CURSOR ALL"),
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


@pytest.mark.parametrize(
    ("statement", "command"),
    [
        (
            'DECLARE "My ""c""" NO SCROLL CURSOR WITHOUT HOLD FOR SELECT 1',
            Command("declare", "DECLARE CURSOR", 'My "c"', query=Piece("SELECT 1", 53)),
        ),
        (
            " declare C binary cursor with hold for values (1)",
            Command("declare", "DECLARE CURSOR", "c", query=Piece("values (1)", 39), hold=True, binary=True),
        ),
        ('FETCH FORWARD 100 FROM "c"', Command("fetch", "FETCH", "c", rows=100)),
        ("fetch c", Command("fetch", "FETCH", "c", rows=1)),
        ("fetch next in c", Command("fetch", "FETCH", "c", rows=1)),
        ("fetch 5 c", Command("fetch", "FETCH", "c", rows=5)),
        ("fetch all from c", Command("fetch", "FETCH", "c", rows=-1)),
        ("move forward all in c", Command("move", "MOVE", "c", rows=-1)),
        ("move backward 1 from c", Command("move", "MOVE", "c", rows=-2)),
        ("fetch absolute 3 from c", Command("fetch", "FETCH", "c", rows=-2)),
        ("fetch -1 from c", Command("fetch", "FETCH", "c", rows=-2)),
        ("fetch prior from c", Command("fetch", "FETCH", "c", rows=-2)),
        ('close "All"', Command("close", "CLOSE CURSOR", "All")),
        ("SET a TO 'x, y', z", Command("set", "SET", "a", "x, y, z")),
        ("SET a = 'it''s -- no comment' -- but this", Command("set", "SET", "a", "it's -- no comment")),
        ("set time zone 'UTC'", Command("set", "SET", "time zone", "UTC")),
        ('DEALLOCATE PREPARE "S"', Command("deallocate", "DEALLOCATE", "S")),
        ("discard temp", Command("discard", "DISCARD TEMP", value="temp")),
    ],
)
def test_commands_are_taken_apart(statement: str, command: Command) -> None:
    assert command_of(statement) == command


@pytest.mark.parametrize(
    ("sql", "count"),
    [
        ("select 1", 0),
        ("select $1, $3", 3),
        ("select '$9', \"$8\", $$ $7 $$, $x$ $6 $x$ -- $5\n, /* $4 */ $2", 2),
        ("select a$1 from t", 0),
        ("select x = $1::text and y=$2", 2),
    ],
)
def test_parameters_are_counted(sql: str, count: int) -> None:
    assert parameter_count(sql) == count


@pytest.mark.parametrize(
    ("sql", "tag"), [("select 1", "SELECT 7"), ("/* c */ explain select 1", "EXPLAIN"), ("show tables", "SHOW")]
)
def test_tags_name_the_statement(sql: str, tag: str) -> None:
    assert tag_of(sql, 7) == tag


def test_settings_are_set_and_reset() -> None:
    settings = SessionSettings({"user": "u", "application_name": "a"})
    assert settings.reported()["session_authorization"] == "u"
    assert settings.set("application_name", "b") is None
    assert settings.show("APPLICATION_NAME") == "b"
    settings.reset("all")
    assert settings.show("application_name") == "a"
    with pytest.raises(QueryFailure, match="always UTF8"):
        settings.set("client_encoding", "LATIN1")
    assert settings.set("client_encoding", "utf-8") is None
    assert settings.show("nothing") is None


def test_what_cannot_change_is_told() -> None:
    settings = SessionSettings({})
    assert settings.set("TimeZone", "Europe/Berlin") == "timezone cannot be 'Europe/Berlin': it is always UTC"
    assert settings.set("DateStyle", "ISO, DMY") is None
    assert settings.show("DateStyle") == "ISO, MDY"
    with pytest.raises(QueryFailure) as failed:
        settings.set("server_version", "18")
    assert failed.value.sqlstate == "55P02"


def test_a_client_gets_what_it_asked_for_at_its_start() -> None:
    settings = SessionSettings(
        {
            "user": "u",
            "options": "-c statement_timeout=5s --search-path=x -ca.b=1",
            "client_encoding": "LATIN1",
            "_pq_.x": "1",
        }
    )
    assert settings.timeout_s == 5
    assert (settings.show("search_path"), settings.show("a.b")) == ("x", "1")
    assert settings.warnings == ["client_encoding cannot be 'LATIN1': it is always UTF8"]
    settings.set("statement_timeout", "250")
    assert settings.timeout_s == 0.25
    settings.reset("statement_timeout")
    assert settings.timeout_s == 5
    with pytest.raises(QueryFailure, match="statement_timeout"):
        settings.set("statement_timeout", "soon")


def test_a_transaction_that_is_rolled_back_leaves_settings_as_they_were() -> None:
    settings = SessionSettings({})
    assert settings.set("a.b", "1", local=True) == "SET LOCAL can only be used in transaction blocks"
    settings.begin()
    settings.set("a.b", "1")
    settings.rollback()
    assert settings.show("a.b") is None
    settings.begin()
    settings.set("a.b", "2")
    settings.set("lock_timeout", "3", local=True)
    settings.commit()
    assert (settings.show("a.b"), settings.show("lock_timeout")) == ("2", "0")


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


@pytest.mark.parametrize(
    ("message", "sql", "position"),
    [
        ("Schema error: No field named nope.", "select a, nope from t", 11),
        ("Schema error: No field named nope. Valid fields are t.a", "select nope from t where nope", 0),
        ("Error during planning: table 'restate.public.nope' not found", "select 'nope' from -- nope\n nope", 29),
        ("Error during planning: Invalid function 'f'.\nDid you mean 'g'?", "select f(1)", 8),
        ("something else", "select 1", 0),
    ],
)
def test_errors_point_at_the_name_that_is_wrong(message: str, sql: str, position: int) -> None:
    fields = error_fields(failure_of(message), statement=Piece(sql, 0))
    assert int(fields.get("P", "0")) == position
