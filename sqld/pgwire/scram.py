"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the server's side. Pure: no I/O.

Source: RFC 5802, RFC 7677, RFC 5929; the stored form is PostgreSQL's (`pg_authid.rolpassword`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import stringprep
import unicodedata
from typing import NamedTuple

__all__ = ["MECHANISM", "MECHANISM_PLUS", "AuthenticationError", "Exchange", "Verifier", "made_up", "parse", "verifier"]

MECHANISM = "SCRAM-SHA-256"
MECHANISM_PLUS = "SCRAM-SHA-256-PLUS"
_ITERATIONS = 4096
_STORED = re.compile(r"SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)")


class AuthenticationError(Exception):
    """The client is not who it says, or does not speak SCRAM. Its text is for the log, not for the client."""


class Verifier(NamedTuple):
    """What proves a password without telling it."""

    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes


def verifier(password: str, *, salt: bytes, iterations: int = _ITERATIONS) -> Verifier:
    """That of a password. Takes milliseconds."""
    salted = hashlib.pbkdf2_hmac("sha256", _prepared(password), salt, iterations)
    client_key = _hmac(salted, b"Client Key")
    return Verifier(iterations, salt, hashlib.sha256(client_key).digest(), _hmac(salted, b"Server Key"))


def parse(text: str) -> Verifier | None:
    """PostgreSQL's stored form, `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`; None: it is none."""
    match = _STORED.fullmatch(text)
    if match is None:
        return None
    try:
        salt, stored_key, server_key = (base64.b64decode(part, validate=True) for part in match.groups()[1:])
    except binascii.Error:
        return None
    if len(stored_key) != 32 or len(server_key) != 32 or not salt or int(match[1]) < 1:
        return None
    return Verifier(int(match[1]), salt, stored_key, server_key)


def made_up(user: str, secret: bytes) -> Verifier:
    """For a user who does not exist: the same each time, and no password fits it."""
    salt = _hmac(secret, b"salt" + user.encode())[:16]
    return Verifier(_ITERATIONS, salt, _hmac(secret, b"stored" + user.encode()), _hmac(secret, b"server"))


class Exchange:
    """One authentication: `first` answers the client's first message, `final` its last.

    `endpoint` is what a channel is bound to, where TLS makes that possible; `plus`: the client chose to.
    """

    def __init__(self, known: Verifier, *, nonce: str, endpoint: bytes | None, plus: bool) -> None:
        self._verifier = known
        self._nonce = nonce
        self._endpoint = endpoint
        self._plus = plus
        self._header = b""
        self._client_first = ""
        self._server_first = ""

    def first(self, data: bytes) -> bytes:
        """Raises AuthenticationError."""
        text = _text(data)
        flag, _, rest = text.partition(",")
        identity, _, bare = rest.partition(",")
        self._check_flag(flag)
        if identity:
            raise AuthenticationError("an authorization identity is not supported")
        self._header = f"{flag},,".encode()
        fields = _fields(bare)
        # The name is not looked at: that of the startup message counts, and libpq sends none here.
        if [key for key, _ in fields[:2]] != ["n", "r"] or not fields[1][1]:
            raise AuthenticationError("malformed client-first-message")
        self._client_first = bare
        self._nonce = fields[1][1] + self._nonce
        salt = base64.b64encode(self._verifier.salt).decode()
        self._server_first = f"r={self._nonce},s={salt},i={self._verifier.iterations}"
        return self._server_first.encode()

    def _check_flag(self, flag: str) -> None:
        if self._plus:
            if flag != "p=tls-server-end-point":
                raise AuthenticationError(f"channel binding of type {flag!r} is not supported")
        elif flag == "y":
            if self._endpoint is not None:
                # Somebody in between has hidden from the client that we offered it.
                raise AuthenticationError("the client thinks that channel binding was not offered, but it was")
        elif flag != "n":
            raise AuthenticationError(f"malformed channel binding flag {flag!r}")

    def final(self, data: bytes) -> bytes:
        """Raises AuthenticationError."""
        text = _text(data)
        without_proof, _, proof_text = text.rpartition(",p=")
        fields = dict(_fields(without_proof))
        bound = self._header + (self._endpoint or b"" if self._plus else b"")
        try:
            proof = base64.b64decode(proof_text, validate=True)
            binding = base64.b64decode(fields.get("c", ""), validate=True)
        except binascii.Error as error:
            raise AuthenticationError("malformed client-final-message") from error
        if not hmac.compare_digest(binding, bound):
            raise AuthenticationError("channel binding does not match")
        if fields.get("r") != self._nonce:
            raise AuthenticationError("the nonce is another one")
        signed = ",".join((self._client_first, self._server_first, without_proof)).encode()
        signature = _hmac(self._verifier.stored_key, signed)
        if len(proof) != len(signature):
            raise AuthenticationError("malformed proof")
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
        if not hmac.compare_digest(hashlib.sha256(client_key).digest(), self._verifier.stored_key):
            raise AuthenticationError("wrong password")
        return b"v=" + base64.b64encode(_hmac(self._verifier.server_key, signed))


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise AuthenticationError("a message is no UTF-8") from error


def _fields(text: str) -> list[tuple[str, str]]:
    """`k=value,…`."""
    return [(part[:1], part[2:]) for part in text.split(",") if part[1:2] == "="]


def _prepared(password: str) -> bytes:
    """SASLprep (RFC 4013); what it prohibits is taken as it is, as PostgreSQL and its clients do."""
    if password.isascii():
        return password.encode()
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char for char in password if not stringprep.in_table_b1(char)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    right_to_left = any(map(stringprep.in_table_d1, prepared))
    mixed = right_to_left and (
        any(map(stringprep.in_table_d2, prepared))
        or not (stringprep.in_table_d1(prepared[0]) and stringprep.in_table_d1(prepared[-1]))
    )
    if not prepared or mixed or any(any(table(char) for table in _PROHIBITED) for char in prepared):
        return password.encode()
    return prepared.encode()


_PROHIBITED = (
    stringprep.in_table_a1,
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)
