"""SCRAM: RFC 7677's example, PostgreSQL's stored form, and all that must not let anybody in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from pathlib import Path

import pytest

from shared.errors import ConfigError
from sqld.pgwire.scram import AuthenticationError, Exchange, Verifier, made_up, parse, verifier
from sqld.pgwire.users import read_users

_SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
_CLIENT_NONCE, _SERVER_NONCE = "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
_KNOWN = verifier("pencil", salt=_SALT, iterations=4096)


def test_the_example_of_rfc_7677() -> None:
    exchange = Exchange(_KNOWN, nonce=_SERVER_NONCE, endpoint=None, plus=False)
    nonce = _CLIENT_NONCE + _SERVER_NONCE
    assert exchange.first(f"n,,n=user,r={_CLIENT_NONCE}".encode()) == (
        f"r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".encode()
    )
    final = exchange.final(f"c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=".encode())
    assert final == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_a_stored_verifier_is_read() -> None:
    """As PostgreSQL 15 stores the password of RFC 7677's example."""
    stored, server = (base64.b64encode(key).decode() for key in (_KNOWN.stored_key, _KNOWN.server_key))
    assert parse(f"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==${stored}:{server}") == _KNOWN
    assert parse(f"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==${stored}:AAAA") is None
    assert parse("pencil") is None


class _Client:
    """The client's side; each argument is something that it may do wrong."""

    def __init__(self, *, flag: str = "n", binding: bytes = b"", password: str = "pencil", nonce: str = "") -> None:
        self.flag, self.binding, self.password, self.nonce = flag, binding, password, nonce

    def run(self, exchange: Exchange) -> bytes:
        bare = "n=,r=abc"
        first = exchange.first(f"{self.flag},,{bare}".encode()).decode()
        fields = dict(part.split("=", 1) for part in first.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        bound = base64.b64encode(f"{self.flag},,".encode() + self.binding).decode()
        without = f"c={bound},r={self.nonce or fields['r']}"
        signature = hmac.digest(hashlib.sha256(key).digest(), f"{bare},{first},{without}".encode(), "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()
        return exchange.final(f"{without},p={proof}".encode())


_FAST = verifier("pencil", salt=_SALT, iterations=1)


def _exchange(*, endpoint: bytes | None = None, plus: bool = False, known: Verifier = _FAST) -> Exchange:
    return Exchange(known, nonce="server", endpoint=endpoint, plus=plus)


def test_who_knows_the_password_is_let_in() -> None:
    assert _Client().run(_exchange()).startswith(b"v=")
    assert _Client(flag="y").run(_exchange()).startswith(b"v=")
    bound = _Client(flag="p=tls-server-end-point", binding=b"hash")
    assert bound.run(_exchange(endpoint=b"hash", plus=True)).startswith(b"v=")


@pytest.mark.parametrize(
    ("client", "exchange"),
    [
        (_Client(password="pen"), _exchange()),
        (_Client(nonce="abcother"), _exchange()),
        (_Client(), _exchange(known=made_up("nobody", b"secret"))),
        # A man in the middle: another certificate, the offer of a binding hidden, a binding that is none.
        (_Client(flag="p=tls-server-end-point", binding=b"other"), _exchange(endpoint=b"hash", plus=True)),
        (_Client(flag="y"), _exchange(endpoint=b"hash")),
        (_Client(flag="p=tls-unique", binding=b"hash"), _exchange(endpoint=b"hash", plus=True)),
        (_Client(flag="p=tls-server-end-point", binding=b"hash"), _exchange(endpoint=b"hash")),
        (_Client(flag="n"), _exchange(endpoint=b"hash", plus=True)),
        (_Client(flag="n", binding=b"x"), _exchange()),
    ],
)
def test_nobody_else_is(client: _Client, exchange: Exchange) -> None:
    with pytest.raises(AuthenticationError):
        client.run(exchange)


@pytest.mark.parametrize(
    "message",
    [b"", b"n", b"n,,", b"n,,n=x", b"n,a=admin,n=x,r=y", b"n,,m=x,n=,r=y", b"n,,r=y,n=", b"\xff", b"x,,n=,r=y"],
)
def test_a_malformed_first_message_is_refused(message: bytes) -> None:
    with pytest.raises(AuthenticationError):
        _exchange().first(message)


@pytest.mark.parametrize("message", [b"", b"c=biws,r=abcserver", b"c=biws,r=abcserver,p=!", b"c=%,r=abcserver,p=AAAA"])
def test_a_malformed_last_message_is_refused(message: bytes) -> None:
    exchange = _exchange()
    exchange.first(b"n,,n=,r=abc")
    with pytest.raises(AuthenticationError):
        exchange.final(message)


def test_who_does_not_exist_has_the_same_salt_each_time() -> None:
    assert made_up("ada", b"secret") == made_up("ada", b"secret")
    assert made_up("ada", b"secret").salt != made_up("bob", b"secret").salt


@pytest.mark.parametrize(
    ("password", "same"),
    [("\u2168", "IX"), ("a\u00adb", "ab"), ("a\u00a0b", "a b"), ("\u00aa", "a"), ("pencil", "pencil")],
)
def test_passwords_are_prepared(password: str, same: str) -> None:
    assert verifier(password, salt=b"s", iterations=1) == verifier(same, salt=b"s", iterations=1)


def _file(folder: Path, text: str, mode: int = 0o600) -> str:
    path = folder / "users"
    path.write_text(text)
    os.chmod(path, mode)
    return str(path)


def test_users_are_read(tmp_path: Path) -> None:
    assert read_users("") is None
    users = read_users(_file(tmp_path, "# those who may\n\nada:secret:with:colons\nbob:x\n"))
    assert users is not None
    ada = users.verifier("ada")
    assert ada == verifier("secret:with:colons", salt=ada.salt)
    assert users.verifier("eve") == users.verifier("eve")


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        ("ada:x\n", 0o644, "chmod 600"),
        ("ada\n", 0o600, "line 1"),
        ("ada:x\nada:y\n", 0o600, "twice"),
        ("# nobody\n", 0o600, "names no user"),
        ("ada:SCRAM-SHA-256$4096:x\n", 0o600, "damaged"),
    ],
)
def test_a_file_of_users_that_is_wrong_names_why(tmp_path: Path, text: str, mode: int, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_users(_file(tmp_path, text, mode))
    with pytest.raises(ConfigError, match="cannot read"):
        read_users(str(tmp_path / "none"))
