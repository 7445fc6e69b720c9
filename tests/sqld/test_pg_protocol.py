"""The wire protocol itself: what no well-behaved driver shows."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from pygwire import messages as m
from pygwire.constants import TransactionStatus

from tests.conftest import eventually
from tests.sqld.node import Node
from tests.sqld.test_query_api import LONG
from tests.sqld.wire import Client

pytestmark = pytest.mark.processes


@pytest.fixture
def client(examples: Node) -> Iterator[Client]:
    client = Client(examples)
    yield client
    client.close()


def _kinds(answers: list[Any]) -> list[str]:
    return [type(answer).__name__ for answer in answers]


def _rows(answers: list[Any]) -> list[list[bytes | None]]:
    return [answer.columns for answer in answers if isinstance(answer, m.DataRow)]


def test_startup_tells_keys_and_settings(client: Client) -> None:
    kinds = _kinds(client.answers)
    assert kinds[0] == "AuthenticationOk"
    assert kinds[-2:] == ["BackendKeyData", "ReadyForQuery"]
    told = {answer.name: answer.value for answer in client.answers if isinstance(answer, m.ParameterStatus)}
    assert told["client_encoding"] == "UTF8"
    assert told["integer_datetimes"] == "on"


def test_ssl_and_gss_are_declined(examples: Node) -> None:
    with socket.create_connection(("127.0.0.1", examples.settings.sql_port), 10) as peer:
        for code in (80877103, 80877104):
            peer.sendall(struct.pack(">ii", 8, code))
            assert peer.recv(10) == b"N"


def test_a_portal_gives_its_rows_piece_by_piece(client: Client) -> None:
    """max_rows suspends the portal; its place is kept, also while another portal runs."""
    client.send(
        m.Query(query_string="BEGIN"),
    )
    client.until_ready()
    client.send(
        m.Parse(statement="s", query="SELECT x FROM generate_series(1, 5) t(x)"),
        m.Bind(portal="p", statement="s"),
        m.Describe(kind="P", name="p"),
        m.Execute(portal="p", max_rows=2),
        m.Sync(),
    )
    answers = client.until_ready()
    assert _kinds(answers) == [
        *("ParseComplete", "BindComplete", "RowDescription", "DataRow", "DataRow", "PortalSuspended", "ReadyForQuery")
    ]
    client.send(m.Bind(portal="q", statement="s"), m.Execute(portal="q"), m.Execute(portal="p", max_rows=2), m.Sync())
    answers = client.until_ready()
    assert _rows(answers) == [[b"1"], [b"2"], [b"3"], [b"4"], [b"5"], [b"3"], [b"4"]]
    client.send(m.Execute(portal="p", max_rows=2), m.Execute(portal="p", max_rows=2), m.Sync())
    answers = client.until_ready()
    assert _rows(answers) == [[b"5"]]
    assert [answer.tag for answer in answers if isinstance(answer, m.CommandComplete)] == ["SELECT 1", "SELECT 0"]


def test_portals_end_with_their_transaction(client: Client) -> None:
    client.send(
        m.Parse(query=LONG.format(10)),
        m.Bind(portal="p"),
        m.Execute(portal="p", max_rows=1),
        m.Sync(),
    )
    assert "PortalSuspended" in _kinds(client.until_ready())
    client.send(m.Execute(portal="p"), m.Sync())
    answers = client.until_ready()
    assert answers[0].code == "34000"


def test_after_an_error_all_is_skipped_up_to_sync(client: Client) -> None:
    client.send(
        m.Parse(query="selec"),
        m.Bind(),
        m.Execute(),
        m.Parse(statement="later", query="SELECT 1"),
        m.Sync(),
        m.Bind(statement="later"),
        m.Sync(),
        m.Query(query_string="SELECT 1"),
    )
    assert _kinds(client.until_ready()) == ["ParseComplete", "BindComplete", "ErrorResponse", "ReadyForQuery"]
    skipped = client.until_ready()
    assert skipped[0].code == "26000"
    assert _rows(client.until_ready()) == [[b"1"]]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (m.Bind(statement="nope"), "26000"),
        (m.Execute(portal="nope"), "34000"),
        (m.Describe(kind="S", name="nope"), "26000"),
        (m.Parse(query="SELECT 1; SELECT 2"), "42601"),
    ],
)
def test_what_is_not_there_is_an_error(client: Client, message: Any, code: str) -> None:
    client.send(message, m.Sync())
    answers = client.until_ready()
    assert answers[0].code == code
    client.send(m.Query(query_string="SELECT 1"))
    assert _rows(client.until_ready()) == [[b"1"]]


def test_a_function_call_is_refused(client: Client) -> None:
    client.send(m.FunctionCall(function_oid=1))
    assert client.until_ready()[0].code == "0A000"
    client.send(m.Query(query_string="SELECT 1"))
    assert _rows(client.until_ready()) == [[b"1"]]


def test_empty_queries(client: Client) -> None:
    client.send(m.Query(query_string=" ; -- nothing\n"))
    assert _kinds(client.until_ready()) == ["EmptyQueryResponse", "ReadyForQuery"]
    client.send(m.Parse(query=""), m.Describe(kind="S"), m.Bind(), m.Execute(), m.Sync())
    assert _kinds(client.until_ready()) == [
        *("ParseComplete", "ParameterDescription", "NoData", "BindComplete", "EmptyQueryResponse", "ReadyForQuery")
    ]


def test_a_failed_transaction_waits_for_its_end(client: Client) -> None:
    client.send(m.Query(query_string="BEGIN; SELECT 1; selec; SELECT 2"))
    answers = client.until_ready()
    assert _rows(answers) == [[b"1"]]
    assert answers[-1].status == TransactionStatus.ERROR_TRANSACTION
    client.send(m.Query(query_string="SELECT 2"))
    answers = client.until_ready()
    assert answers[0].code == "25P02"
    client.send(m.Query(query_string="COMMIT"))
    answers = client.until_ready()
    assert answers[0].tag == "ROLLBACK"
    assert answers[-1].status == TransactionStatus.IDLE


def test_wrong_parameters_are_an_error(client: Client) -> None:
    parse = m.Parse(query="SELECT $1::bigint", param_types=[20])
    for bind, code in (
        (m.Bind(param_values=[b"x"]), "22P03"),
        (m.Bind(param_values=[]), "08P01"),
        (m.Bind(param_formats=[1], param_values=[b"\0\0"]), "22P03"),
        (m.Bind(param_values=[b"1"], result_formats=[1, 1]), "08P01"),
    ):
        client.send(parse, bind, m.Describe(kind="P"), m.Execute(), m.Sync())
        assert [answer.code for answer in client.until_ready() if isinstance(answer, m.ErrorResponse)] == [code]


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0" * 64,
        b"\xff" * 64,
        b"\0\0\0\x08\0\0\0\0",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        struct.pack(">ii", 50_000, 196608) + b"x" * 49_992,
    ],
)
def test_garbage_closes_its_connection_and_nothing_else(examples: Node, client: Client, garbage: bytes) -> None:
    with socket.create_connection(("127.0.0.1", examples.settings.sql_port), 10) as peer:
        peer.sendall(garbage)
        peer.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            answer = peer.recv(1000)
            assert answer == b"" or (answer[:1] == b"E" and b"FATAL" in answer)
    client.send(m.Query(query_string="SELECT 1"))
    assert _rows(client.until_ready()) == [[b"1"]]


def test_random_bytes_after_startup_harm_nobody(examples: Node, client: Client) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    source = random.Random(seed)
    for _ in range(int(os.environ.get("EVERLOG_TEST_PG_GARBAGE", "60"))):
        broken = Client(examples)
        kind = source.choice(b"QPBDECSHFXpdcf\0\xff").to_bytes(1, "big")
        body = source.randbytes(source.randrange(40))
        length = source.choice([len(body) + 4, len(body) + 4, 0, 3, source.randrange(100)])
        try:
            broken.raw(kind + struct.pack(">i", length) + body)
            broken.half_close()
            broken.rest()
        except OSError:
            pass
        finally:
            broken.close()
    client.send(m.Query(query_string="SELECT 1"))
    assert _rows(client.until_ready()) == [[b"1"]]
    assert "did not think of" not in examples.log()


_TEXTS = (
    *("SELECT 1", "SELECT $1", "SELECT x FROM generate_series(1, 3) t(x)", "selec", "", ";", "BEGIN", "COMMIT"),
    *("ROLLBACK", "DECLARE a CURSOR FOR SELECT 1", "FETCH a", "CLOSE a", "SHOW timezone", "DISCARD ALL", "SELECT 1; x"),
    *(
        "DECLARE b CURSOR WITH HOLD FOR VALUES (1), (2)",
        "MOVE ALL b",
        "FETCH 1 FROM b",
        "DEALLOCATE ALL",
        "COPY x TO y",
    ),
)


def _any_message(source: random.Random) -> Any:
    name = source.choice(("", "a", "b"))
    return source.choice(
        (
            lambda: m.Parse(statement=name, query=source.choice(_TEXTS), param_types=[20][: source.randrange(2)]),
            lambda: m.Bind(portal=name, statement=source.choice(("", "a")), param_values=[b"1"][: source.randrange(2)]),
            lambda: m.Describe(kind=source.choice("SPX"), name=name),
            lambda: m.Execute(portal=name, max_rows=source.randrange(3)),
            lambda: m.Close(kind=source.choice("SPX"), name=name),
            lambda: m.Flush(),
            lambda: m.Sync(),
            lambda: m.Query(query_string=source.choice(_TEXTS)),
            lambda: m.FunctionCall(function_oid=1),
        )
    )()


def test_random_sequences_of_messages_are_answered_to_the_end(examples: Node) -> None:
    """Whatever came before, a Sync ends it, and the next query has its answer."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    source = random.Random(seed)
    client = Client(examples)
    for turn in range(int(os.environ.get("EVERLOG_TEST_PG_GARBAGE", "60"))):
        messages = [_any_message(source) for _ in range(source.randrange(1, 12))]
        messages += [m.Sync(), m.Query(query_string=f"ROLLBACK; SELECT 'end of {turn}'")]
        client.raw(b"".join(message.to_wire() for message in messages))
        assert client.ends_with(f"end of {turn}".encode(), m.ReadyForQuery().to_wire()), messages
    client.close()
    assert "did not think of" not in examples.log()


def test_a_wrong_cancel_key_cancels_nothing(examples: Node, client: Client) -> None:
    for key in client.answers:
        if isinstance(key, m.BackendKeyData):
            with socket.create_connection(("127.0.0.1", examples.settings.sql_port), 10) as peer:
                peer.sendall(struct.pack(">iiii", 16, 80877102, key.process_id, 1))
                assert peer.recv(10) == b""
    client.send(m.Query(query_string="SELECT 1"))
    assert _rows(client.until_ready()) == [[b"1"]]


def _tags(answers: list[Any]) -> list[str]:
    return [answer.tag for answer in answers if isinstance(answer, m.CommandComplete)]


def _codes(answers: list[Any]) -> list[str]:
    return [answer.code for answer in answers if isinstance(answer, m.ErrorResponse | m.NoticeResponse)]


SERIES = "SELECT x FROM generate_series(1, 5) t(x)"


def test_cursors_of_simple_queries(client: Client) -> None:
    answers = client.query(f"BEGIN; DECLARE c CURSOR FOR {SERIES}; FETCH 2 FROM c; MOVE 1 IN c; FETCH c; FETCH ALL c")
    assert _rows(answers) == [[b"1"], [b"2"], [b"4"], [b"5"]]
    assert _tags(answers) == ["BEGIN", "DECLARE CURSOR", "FETCH 2", "MOVE 1", "FETCH 1", "FETCH 1"]
    answers = client.query("FETCH 0 FROM c; FETCH NEXT FROM c; CLOSE c; CLOSE c")
    assert _tags(answers) == ["FETCH 0", "FETCH 0", "CLOSE CURSOR"]
    assert _codes(answers) == ["34000"]


def test_cursors_end_with_their_transaction_unless_held(client: Client) -> None:
    client.query(f"BEGIN; DECLARE c CURSOR FOR {SERIES}; DECLARE h CURSOR WITH HOLD FOR {SERIES}; FETCH h; COMMIT")
    assert _codes(client.query("FETCH c")) == ["34000"]
    assert _rows(client.query("FETCH 2 FROM h")) == [[b"2"], [b"3"]]
    assert _tags(client.query("CLOSE ALL")) == ["CLOSE CURSOR ALL"]
    assert _codes(client.query("FETCH h")) == ["34000"]


@pytest.mark.parametrize(
    ("sql", "codes"),
    [
        (f"DECLARE c CURSOR FOR {SERIES}", ["25P01"]),
        ("BEGIN; DECLARE c CURSOR FOR SELECT nope", ["42703"]),
        (f"BEGIN; DECLARE c CURSOR FOR {SERIES}; DECLARE c CURSOR FOR SELECT 1", ["42P03"]),
        (f"BEGIN; DECLARE c CURSOR FOR {SERIES}; FETCH BACKWARD 1 FROM c", ["55000"]),
        ("BEGIN; DECLARE c CURSOR FOR DELETE FROM state", ["25006"]),
        ("BEGIN; BEGIN", ["25001"]),
        ("COMMIT", ["25P01"]),
        ("ROLLBACK", ["25P01"]),
        ("ROLLBACK TO x", ["25P01"]),
        ("SET timezone = 'Asia/Tokyo'", ["01000"]),
        ("SET client_min_messages = error; COMMIT", []),
        ("BEGIN; DISCARD ALL", ["25001"]),
        ("SET server_version = '1'", ["55P02"]),
        ("SET datafusion.execution.batch_size = 1", ["25006"]),
        ("RESET datafusion.execution.batch_size", ["25006"]),
        ("SET statement_timeout = 'soon'", ["22023"]),
    ],
)
def test_errors_and_warnings_of_commands(client: Client, sql: str, codes: list[str]) -> None:
    assert _codes(client.query(sql)) == codes


def test_a_cursor_of_the_extended_protocol_takes_parameters_and_formats(client: Client) -> None:
    """As psycopg does it: the format of the rows is that of FETCH."""
    client.query("BEGIN")
    client.send(
        m.Parse(query="DECLARE c CURSOR FOR SELECT x FROM generate_series(1, 9) t(x) WHERE x > $1", param_types=[20]),
        m.Describe(kind="S"),
        m.Bind(param_values=[b"6"]),
        m.Execute(),
        m.Describe(kind="P", name="c"),
        m.Parse(query="FETCH 2 FROM c"),
        m.Bind(result_formats=[1]),
        m.Describe(kind="P"),
        m.Execute(),
        m.Bind(),
        m.Execute(max_rows=1),
        m.Execute(max_rows=1),
        m.Sync(),
    )
    answers = client.until_ready()
    assert _rows(answers) == [[struct.pack(">q", 7)], [struct.pack(">q", 8)], [b"9"]]
    described = [answer for answer in answers if isinstance(answer, m.RowDescription)]
    assert [answer.fields[0].format_code for answer in described] == [0, 1]
    assert [answer.type_oids for answer in answers if isinstance(answer, m.ParameterDescription)] == [[20]]
    assert _tags(answers) == ["DECLARE CURSOR", "FETCH 2", "FETCH 0"]
    assert _kinds(answers).count("PortalSuspended") == 1


def test_a_malformed_message_is_an_error_of_its_own(client: Client) -> None:
    client.raw(b"Q" + struct.pack(">i", 6) + b"\xff\0")
    assert _codes(client.until_ready()) == ["22021"]
    client.raw(b"B" + struct.pack(">i", 5) + b"x" + m.Parse(query="SELECT 1").to_wire() + m.Sync().to_wire())
    answers = client.until_ready()
    assert (_codes(answers), _kinds(answers)) == (["08P01"], ["ErrorResponse", "ReadyForQuery"])
    assert _rows(client.query("SELECT 1")) == [[b"1"]]


def test_a_query_is_skipped_as_well_after_an_error(client: Client) -> None:
    client.send(m.Bind(statement="nope"), m.Query(query_string="SELECT 1"), m.Sync())
    assert _kinds(client.until_ready()) == ["ErrorResponse", "ReadyForQuery"]


def test_what_is_only_parsed_is_checked_when_it_is(client: Client) -> None:
    """PQprepare sends nothing but Parse and Sync."""
    for sql, code in (("selec", "42601"), ("SELECT * FROM nope", "42P01"), ("DROP TABLE state", "25006")):
        client.send(m.Parse(statement="s", query=sql), m.Sync())
        answers = client.until_ready()
        assert (_kinds(answers), _codes(answers)) == (["ErrorResponse", "ReadyForQuery"], [code])
    client.send(m.Parse(statement="s", query="SELECT * FROM state WHERE key = $1"), m.Sync())
    assert _kinds(client.until_ready()) == ["ParseComplete", "ReadyForQuery"]


def test_types_may_be_told_for_some_parameters_only(client: Client) -> None:
    client.send(
        m.Parse(query="SELECT $1, $2::text, '$7'", param_types=[20]),
        m.Describe(kind="S"),
        m.Bind(param_values=[b"4", b"x"]),
        m.Execute(),
        m.Sync(),
    )
    answers = client.until_ready()
    assert [answer.type_oids for answer in answers if isinstance(answer, m.ParameterDescription)] == [[20, 25]]
    assert _rows(answers) == [[b"4", b"x", b"$7"]]


@pytest.mark.parametrize(
    ("bind", "code"),
    [
        (m.Bind(param_values=[b"1", b"2"], param_formats=[0, 0, 0]), "08P01"),
        (m.Bind(param_values=[b"1", b"2"], param_formats=[7]), "22023"),
        (m.Bind(param_values=[b"1", b"2"], result_formats=[2]), "22023"),
        (m.Bind(param_values=[b"1"]), "08P01"),
    ],
)
def test_a_bind_that_does_not_fit_is_an_error(client: Client, bind: m.Bind, code: str) -> None:
    client.send(m.Parse(query="SELECT $1, $2"), bind, m.Sync())
    assert _codes(client.until_ready()) == [code]


def test_result_formats_that_do_not_fit_are_an_error_without_a_describe(client: Client) -> None:
    client.send(m.Parse(query="SELECT 1"), m.Bind(result_formats=[1, 1]), m.Execute(), m.Sync())
    assert _codes(client.until_ready()) == ["08P01"]


def test_a_description_comes_before_whatever_is_executed_behind_it(client: Client) -> None:
    """A worker is asked once for both: what is executed may be another portal, only a part, wrong, or unreadable."""
    behind = {
        m.Execute(portal="p").to_wire(): ["DataRow", "DataRow", "CommandComplete"],
        m.Execute(portal="p", max_rows=1).to_wire(): ["DataRow", "PortalSuspended"],
        m.Execute(portal="q").to_wire(): ["DataRow", "CommandComplete"],
        m.Execute(portal="nope").to_wire(): ["ErrorResponse"],
        b"E" + struct.pack(">i", 5) + b"x": ["ErrorResponse"],
    }
    for execute, answered in behind.items():
        client.send(
            m.Parse(statement="s", query="SELECT x FROM generate_series(1, 2) t(x) WHERE x <= $1::bigint"),
            m.Bind(portal="p", statement="s", param_values=[b"2"]),
            m.Bind(portal="q", statement="s", param_values=[b"1"]),
        )
        client.raw(m.Describe(kind="P", name="p").to_wire() + execute + m.Sync().to_wire())
        kinds = _kinds(client.until_ready())
        assert kinds == ["ParseComplete", "BindComplete", "BindComplete", "RowDescription", *answered, "ReadyForQuery"]
        client.send(m.Close(kind="S", name="s"), m.Sync())
        client.until_ready()
    client.send(m.Parse(query="SELECT nope"), m.Bind(), m.Describe(kind="P"), m.Execute(), m.Sync())
    answers = client.until_ready()
    assert (_kinds(answers)[2:], _codes(answers)) == (["ErrorResponse", "ReadyForQuery"], ["42703"])


def test_a_portal_that_was_run_gives_no_more_and_is_described_still(client: Client) -> None:
    client.send(m.Parse(query="SELECT 1"), m.Bind(), m.Execute(), m.Execute(), m.Describe(kind="P"), m.Sync())
    kinds = _kinds(client.until_ready())
    assert kinds[2:] == ["DataRow", "CommandComplete", "CommandComplete", "RowDescription", "ReadyForQuery"]


def test_settings_of_a_transaction_go_with_it(client: Client) -> None:
    answers = client.query("BEGIN; SET application_name = 'inside'; ROLLBACK; SHOW application_name")
    told = [answer.value for answer in answers if isinstance(answer, m.ParameterStatus)]
    assert told == ["inside", ""]
    assert _rows(answers) == [[b""]]


def test_a_session_may_have_less_time(client: Client) -> None:
    client.query("SET statement_timeout = '200ms'")
    assert _codes(client.query(LONG.format(30_000_000))) == ["57014"]
    assert _rows(client.query("RESET ALL; SELECT 1")) == [[b"1"]]


def test_statements_are_told_apart_by_their_tags(client: Client) -> None:
    assert _tags(client.query("EXPLAIN SELECT 1; SHOW TABLES; SELECT 1")) == ["EXPLAIN", "SHOW", "SELECT 1"]


def test_the_place_of_a_fault_is_told_in_the_extended_protocol(client: Client) -> None:
    client.send(m.Parse(query=" SELECT\n 1 2 3"), m.Bind(), m.Execute(), m.Sync())
    (error,) = (answer for answer in client.until_ready() if isinstance(answer, m.ErrorResponse))
    assert error.fields["P"] == "12"


def test_a_fault_in_a_catalogue_query_has_no_place_of_ours(client: Client) -> None:
    """What DataFusion reads is not what the client wrote."""
    (error,) = (
        answer
        for answer in client.query("SELECT pg_catalog.pg_table_is_visible(1) FROM pg_class WHERE 1 = = 2")
        if isinstance(answer, m.ErrorResponse)
    )
    assert "P" not in error.fields
    (error,) = (a for a in client.query("SELECT nope FROM pg_class") if isinstance(a, m.ErrorResponse))
    assert error.fields["P"] == "8"


def test_a_flood_of_small_messages_leaves_others_their_turn(examples: Node, client: Client) -> None:
    client.raw(m.Sync().to_wire() * 20_000)
    other = Client(examples)
    assert _rows(other.query("SELECT 1")) == [[b"1"]]
    other.close()
    count = 0
    for message in client.messages():
        count += isinstance(message, m.ReadyForQuery)
        if count == 20_000:
            break


def test_who_is_idle_is_told_that_the_daemon_goes(node: Node) -> None:
    """And who runs a query gets its answer before."""
    node.start()
    idle, busy = Client(node), Client(node)
    busy.send(m.Query(query_string=LONG.format(40_000)))
    first = next(busy.messages())
    assert isinstance(first, m.RowDescription)
    process = node.process
    assert process is not None
    process.terminate()
    assert b"57P01" in idle.rest()
    rest = busy.rest()
    assert rest.index(b"SELECT 40000") < rest.index(b"57P01")
    eventually(lambda: process.poll() == 0, what="sqld ends")
    idle.close()
    busy.close()
