"""Who may connect, and how: TLS, SCRAM, protocol versions; and what hostile clients come to."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import pytest
import uvloop
from pygwire import messages as m

from sqld.pgwire.connection import Intake
from sqld.pgwire.tls import ALPN
from tests.conftest import eventually
from tests.fakes.certificates import Authority
from tests.sqld.node import Node
from tests.sqld.test_query_api import LONG
from tests.sqld.wire import Client, startup_answers

pytestmark = pytest.mark.processes

_PASSWORD = "pä:ss"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that knows its users, and has a certificate."""
    folder = tmp_path_factory.mktemp("guarded")
    certificate, key = Authority(folder).issue(host="127.0.0.1")
    users = folder / "users"
    users.touch(mode=0o600)
    users.write_text(f"ada:{_PASSWORD}\n")
    node = Node(
        folder / "data",
        sql_users_file=str(users),
        sql_tls_cert_file=str(certificate),
        sql_tls_key_file=str(key),
        sql_tls_mode="require",
    )
    try:
        node.start()
        yield node
    finally:
        node.close()


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """With a certificate, but neither users nor a need for TLS."""
    folder = tmp_path_factory.mktemp("trusting")
    certificate, key = Authority(folder).issue(host="127.0.0.1")
    node = Node(folder / "data", sql_tls_cert_file=str(certificate), sql_tls_key_file=str(key))
    try:
        node.start()
        yield node
    finally:
        node.close()


def _dsn(node: Node, **changes: Any) -> str:
    wanted = {"user": "ada", "password": _PASSWORD, "sslmode": "verify-full", **changes}
    wanted |= {"sslrootcert": str(node.data.parent / "authority.pem")}
    return node.dsn.replace("user=everlog", "") + " " + " ".join(f"{name}='{value}'" for name, value in wanted.items())


@pytest.mark.parametrize("binding", ["disable", "prefer", "require"])
def test_who_knows_the_password_is_let_in(guarded: Node, binding: str) -> None:
    with psycopg.connect(_dsn(guarded, channel_binding=binding)) as connection:
        assert connection.execute("SELECT current_user, session_user").fetchone() == ("ada", "ada")
        assert connection.pgconn.ssl_in_use


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"password": "wrong"}, 'password authentication failed for user "ada"'),
        ({"user": "eve"}, 'password authentication failed for user "eve"'),
        ({"sslmode": "disable"}, "encrypted connections only"),
    ],
)
def test_nobody_else_is(guarded: Node, changes: dict[str, str], says: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=says):
        psycopg.connect(_dsn(guarded, **changes))


def test_psql_and_asyncpg_log_in(guarded: Node) -> None:
    environ = guarded.psql_environment() | {
        "PGUSER": "ada",
        "PGPASSWORD": _PASSWORD,
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": str(guarded.data.parent / "authority.pem"),
    }
    done = subprocess.run(["psql", "-XAtc", r"\conninfo"], env=environ, capture_output=True, text=True, timeout=30)
    assert 'as user "ada"' in done.stdout
    assert "SSL connection (protocol: TLSv1.3" in done.stdout

    async def run() -> str:
        context = ssl.create_default_context(cafile=str(guarded.data.parent / "authority.pem"))
        connection = await asyncpg.connect(
            host="127.0.0.1",
            port=guarded.settings.sql_port,
            user="ada",
            password=_PASSWORD,
            database="everlog",
            ssl=context,
        )
        try:
            user: str = await connection.fetchval("SELECT current_user")
            return user
        finally:
            await connection.close()

    assert uvloop.run(run()) == "ada"


def test_a_cancel_comes_over_tls_as_well(guarded: Node) -> None:
    with psycopg.connect(_dsn(guarded), autocommit=True) as connection:
        # Nothing runs: without effect, and answered.
        connection.cancel_safe(timeout=10)
        assert connection.execute("SELECT 1").fetchone() == (1,)


def _direct(node: Node, *protocols: str) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(node.data.parent / "authority.pem"))
    if protocols:
        context.set_alpn_protocols(list(protocols))
    peer = socket.create_connection(("127.0.0.1", node.settings.sql_port), 10)
    return context.wrap_socket(peer, server_hostname="127.0.0.1")


def test_tls_without_asking_needs_its_protocol(trusting: Node) -> None:
    with _direct(trusting, ALPN) as peer:
        peer.sendall(m.StartupMessage(params={"user": "x"}).to_wire())
        assert peer.recv(1) == b"R"
    with _direct(trusting) as peer:
        peer.sendall(m.StartupMessage(params={"user": "x"}).to_wire())
        answer = peer.recv(1000)
        assert answer[:1] == b"E"
        assert b"ALPN" in answer


@pytest.mark.skipif(psycopg.pq.version() < 170000, reason="libpq is older than 17: direct TLS is NOT tested with it")
def test_libpq_begins_with_tls(guarded: Node) -> None:
    with psycopg.connect(_dsn(guarded, sslnegotiation="direct", channel_binding="require")) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("ada",)


@pytest.mark.skipif(psycopg.pq.version() < 180000, reason="libpq is older than 18: protocol 3.2 is NOT tested with it")
def test_libpq_speaks_the_newest_protocol_and_cancels(examples: Node) -> None:
    with psycopg.connect(examples.dsn + " min_protocol_version=3.2", autocommit=True) as connection:
        timer = threading.Timer(0.3, connection.cancel)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute(LONG.format(30_000_000))
        timer.join()
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_tls_is_offered_and_not_needed(trusting: Node) -> None:
    with psycopg.connect(trusting.dsn + " sslmode=require") as connection:
        rows = connection.execute("SELECT repeat('x', 1000) FROM generate_series(1, 5000)").fetchall()
        assert len(rows) == 5000
    with psycopg.connect(trusting.dsn + " sslmode=disable") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_what_follows_the_request_for_tls_unencrypted_is_not_taken(trusting: Node) -> None:
    """Somebody in between could put it there, and it would be taken for the client's (CVE-2021-23214)."""
    with socket.create_connection(("127.0.0.1", trusting.settings.sql_port), 10) as peer:
        peer.sendall(m.SSLRequest().to_wire() + m.StartupMessage(params={"user": "x"}).to_wire())
        assert peer.recv(1) == b"S"
        with contextlib.suppress(ConnectionResetError):
            assert b"R" not in peer.recv(1000)[:1]


def test_garbage_instead_of_tls_harms_nobody(trusting: Node) -> None:
    for garbage in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 600, b"\x16" + os.urandom(300)):
        with socket.create_connection(("127.0.0.1", trusting.settings.sql_port), 10) as peer:
            peer.sendall(garbage)
            peer.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                while peer.recv(1000):
                    pass
    with socket.create_connection(("127.0.0.1", trusting.settings.sql_port), 10) as peer:
        peer.sendall(m.SSLRequest().to_wire())
        assert peer.recv(1) == b"S"
        peer.sendall(b"Q" * 100)
        with contextlib.suppress(ConnectionResetError):
            while peer.recv(1000):
                pass
    with psycopg.connect(trusting.dsn + " sslmode=require") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert "did not think of" not in trusting.log()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"sql_tls_cert_file": "/nowhere"}, "sql_tls_cert_file is /nowhere"),
        ({"sql_tls_mode": "require"}, "names no certificate"),
        ({"sql_users_file": "/nowhere"}, "sql_users_file is /nowhere"),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path: Path, settings: dict[str, str], says: str) -> None:
    node = Node(tmp_path, **settings)
    try:
        with pytest.raises(AssertionError):
            node.start_sqld()
        assert says in node.log()
    finally:
        node.close()


# -- versions of the protocol, and what the startup message says


def test_a_newer_minor_version_is_negotiated(examples: Node) -> None:
    answers = startup_answers(examples, {"user": "x", "_pq_.wish": "1"}, version=(3 << 16) + 9999)
    told = answers[0]
    assert isinstance(told, m.NegotiateProtocolVersion)
    assert (told.newest_minor, told.unrecognized) == ((3 << 16) + 2, ["_pq_.wish"])
    assert isinstance(answers[-1], m.ReadyForQuery)


@pytest.mark.parametrize(("version", "length"), [(3 << 16, 4), ((3 << 16) + 2, 32)])
def test_cancel_keys_are_as_long_as_the_version_allows(examples: Node, version: int, length: int) -> None:
    answers = startup_answers(examples, {"user": "x"}, version=version)
    (key,) = (answer for answer in answers if isinstance(answer, m.BackendKeyData))
    assert len(key.secret_key) == length
    assert isinstance(answers[0], m.AuthenticationOk)


@pytest.mark.parametrize(
    ("parameters", "version", "code"),
    [
        ({"user": "x"}, 2 << 16, "0A000"),
        ({"user": "x"}, 4 << 16, "0A000"),
        ({"database": "x"}, 3 << 16, "28000"),
        ({"user": "x", "replication": "database"}, 3 << 16, "0A000"),
    ],
)
def test_a_startup_that_is_refused_says_why(
    examples: Node, parameters: dict[str, str], version: int, code: str
) -> None:
    (refused,) = startup_answers(examples, parameters, version=version)
    assert (refused.severity, refused.code) == ("FATAL", code)


def test_startup_parameters_are_settings(examples: Node) -> None:
    with psycopg.connect(examples.dsn + " options='-c statement_timeout=7s' application_name=me") as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("7s",)
        assert connection.execute("SELECT current_setting('application_name')").fetchone() == ("me",)


def test_a_zone_that_is_not_ours_is_a_warning(examples: Node) -> None:
    answers = startup_answers(examples, {"user": "x", "TimeZone": "Europe/Berlin"})
    (notice,) = (answer for answer in answers if isinstance(answer, m.NoticeResponse))
    assert "always UTC" in notice.message
    told = {answer.name: answer.value for answer in answers if isinstance(answer, m.ParameterStatus)}
    assert told["TimeZone"] == "UTC"


# -- hostile clients


def test_what_all_clients_send_at_once_is_bounded() -> None:
    class Peer:
        pass

    intake, peers = Intake(), [Peer() for _ in range(6)]
    large = 30 * 1024 * 1024
    taken = [intake.hold(peer, large) for peer in peers]  # type: ignore[arg-type]
    assert taken == [True, True, True, True, False, False]
    assert intake.hold(peers[5], 1000)  # type: ignore[arg-type]
    for peer in peers[:3]:
        assert intake.hold(peer, 0)  # type: ignore[arg-type]
    assert intake.hold(peers[4], large)  # type: ignore[arg-type]


def test_a_storm_of_silent_connections_keeps_nobody_out(tmp_path: Path) -> None:
    """More than are taken at once, none of which says a word: those that came first go. All is as before after it."""
    node = Node(tmp_path)
    peers: list[socket.socket] = []
    try:
        node.start()
        before = _descriptors(node)
        address = ("127.0.0.1", node.settings.sql_port)
        peers.extend(socket.create_connection(address, 10) for _ in range(700))
        with psycopg.connect(node.dsn) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        peers[0].settimeout(10)
        assert b"too many clients" in peers[0].recv(1000)
        eventually(lambda: _descriptors(node) < before + 600, what="those that went are closed")
        for peer in peers:
            peer.close()
        eventually(lambda: _descriptors(node) <= before + 5, what="descriptors are given back", timeout=20)
        with psycopg.connect(node.dsn) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert "did not think of" not in node.log()
    finally:
        for peer in peers:
            peer.close()
        node.close()


def _descriptors(node: Node) -> int:
    assert node.process is not None
    return len(os.listdir(f"/proc/{node.process.pid}/fd"))


def test_a_half_message_waits_and_harms_nobody(examples: Node) -> None:
    client = Client(examples)
    client.raw(b"Q" + struct.pack(">i", 1000) + b"SELECT")
    with psycopg.connect(examples.dsn) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    client.close()


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"Q" + struct.pack(">I", 0xFFFFFFFF), b"invalid message length"),
        (b"Q" + struct.pack(">I", 3), b"invalid message length"),
        (b"y" + struct.pack(">I", 4), b"invalid frontend message type 121"),
        (b"p" + struct.pack(">I", 4), b"invalid frontend message type 112"),
    ],
)
def test_what_no_message_begins_with_ends_the_session_with_its_reason(examples: Node, sent: bytes, says: bytes) -> None:
    client = Client(examples)
    client.raw(sent)
    rest = client.rest()
    client.close()
    assert rest[:1] == b"E"
    assert b"FATAL" in rest
    assert says in rest


def test_a_client_that_reads_nothing_holds_up_nobody_and_no_memory(examples: Node) -> None:
    """An answer of 200 MB to somebody who does not read: its query stops where the buffers are full."""
    client = Client(examples)
    client.send(m.Query(query_string="SELECT repeat('x', 10000) FROM generate_series(1, 20000)"))
    time.sleep(0.3)
    with psycopg.connect(examples.dsn) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert examples.process is not None
    status = Path(f"/proc/{examples.process.pid}/status").read_text()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    assert resident < 150_000
    client.close()
