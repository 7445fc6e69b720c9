"""The wire protocol itself: what no well-behaved driver shows."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from pygwire import FrontendConnection
from pygwire import messages as m
from pygwire.constants import TransactionStatus

from tests.sqld.node import Node
from tests.sqld.test_query_api import LONG

pytestmark = pytest.mark.processes


class Client:
    """Sends messages and reads the answers."""

    def __init__(self, node: Node) -> None:
        self._socket = socket.create_connection(("127.0.0.1", node.settings.sql_port), 10)
        self._wire = FrontendConnection(strict=False)
        self.send(m.StartupMessage(params={"user": "x", "database": "y"}))
        self.answers = self.until_ready()

    def send(self, *messages: Any) -> None:
        self._socket.sendall(b"".join(self._wire.send(message) for message in messages))

    def messages(self) -> Iterator[Any]:
        # First what came together with an earlier answer.
        yield from self._wire.receive(b"")
        while data := self._socket.recv(65536):
            yield from self._wire.receive(data)

    def until_ready(self) -> list[Any]:
        answers = []
        for message in self.messages():
            answers.append(message)
            if isinstance(message, m.ReadyForQuery):
                return answers
        raise AssertionError(f"the connection was closed after {answers}")

    def close(self) -> None:
        self._socket.close()


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
            assert peer.recv(1000) == b""
    client.send(m.Query(query_string="SELECT 1"))
    assert _rows(client.until_ready()) == [[b"1"]]


def test_random_bytes_after_startup_harm_nobody(examples: Node, client: Client) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    source = random.Random(seed)
    for _ in range(60):
        broken = Client(examples)
        kind = source.choice(b"QPBDECSHFXpdcf\0\xff").to_bytes(1, "big")
        body = source.randbytes(source.randrange(40))
        length = source.choice([len(body) + 4, len(body) + 4, 0, 3, source.randrange(100)])
        try:
            broken._socket.sendall(kind + struct.pack(">i", length) + body)
            broken._socket.shutdown(socket.SHUT_WR)
            while broken._socket.recv(65536):
                pass
        except OSError:
            pass
        finally:
            broken.close()
    client.send(m.Query(query_string="SELECT 1"))
    assert _rows(client.until_ready()) == [[b"1"]]
    assert "did not think of" not in examples.log()


def test_a_wrong_cancel_key_cancels_nothing(examples: Node, client: Client) -> None:
    for key in client.answers:
        if isinstance(key, m.BackendKeyData):
            with socket.create_connection(("127.0.0.1", examples.settings.sql_port), 10) as peer:
                peer.sendall(struct.pack(">iiii", 16, 80877102, key.process_id, 1))
                assert peer.recv(10) == b""
    client.send(m.Query(query_string="SELECT 1"))
    assert _rows(client.until_ready()) == [[b"1"]]
