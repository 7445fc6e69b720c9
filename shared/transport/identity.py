"""Request identity: a signature by which a service knows that a request comes from this node. Owns: the private key.

A JSON Web Token (RFC 7519) of EdDSA over ed25519 (RFC 8037), for the path behind the deployment's own, so that a
proxy may rewrite what is before it. Verified by the SDKs' `identity_keys` / `identityKeys`. Source: features.md §1.2.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from shared.errors import ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["Identity", "load_identity"]

#: A token is valid from so long before it was signed to so long after, for clocks that differ.
_LEEWAY_S = 60
#: So long a token is sent again for the same path and key: what it loses of its validity, at most.
_REUSE_S = 10
#: Tokens kept at most: paths times keys of objects.
_TOKENS_MAX = 4096
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class Identity:
    """Signs requests. `public_key` is what services are told, `publickeyv1_<base58>`."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = "publickeyv1_" + _base58(key.public_key().public_bytes_raw())
        head = {"typ": "JWT", "alg": "EdDSA", "kid": self.public_key}
        self._head = _base64url(msgspec.json.encode(head))
        self._period = -1
        self._known: dict[tuple[str, str | None], tuple[tuple[str, str], ...]] = {}

    def headers(self, path: str, subject: str | None, now_ms: int) -> tuple[tuple[str, str], ...]:
        """The header fields that sign a request.

        `path` is without the path of the deployment's URI: `/discover` or `/invoke/<service>/<handler>`. `subject`
        is the key of a keyed target, else None.
        """
        period = now_ms // (_REUSE_S * 1000)
        if period != self._period or len(self._known) >= _TOKENS_MAX:
            self._period = period
            self._known.clear()
        known = self._known.get((path, subject))
        if known is None:
            token = self._sign(path, subject, now_ms // 1000)
            known = self._known[path, subject] = (("x-restate-signature-scheme", "v1"), ("x-restate-jwt-v1", token))
        return known

    def _sign(self, path: str, subject: str | None, now_s: int) -> str:
        claims: dict[str, object] = {"aud": path, "exp": now_s + _LEEWAY_S, "iat": now_s, "nbf": now_s - _LEEWAY_S}
        if subject is not None:
            claims["sub"] = subject
        signed = self._head + b"." + _base64url(msgspec.json.encode(claims))
        return (signed + b"." + _base64url(self._key.sign(signed))).decode()


def load_identity(file: Path) -> Identity:
    """Read a PEM file with one ed25519 private key. Raises ConfigError that says what is wrong with it."""
    # Not at the top: a node without a key neither waits for it nor has it in memory.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    setting = f"request_identity_private_key_file is {file}"
    remedy = "make one with: openssl genpkey -algorithm ed25519"
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{setting}: cannot read it: {error.strerror}") from error
    blocks = data.count(b"-----BEGIN ")
    if blocks != 1:
        raise ConfigError(f"{setting}: want exactly one private key in PEM form, found {blocks} blocks; {remedy}")
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError as error:
        raise ConfigError(f"{setting}: the key is encrypted, want one without a password; {remedy}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{setting}: it is no private key in PEM form; {remedy}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{setting}: want an ed25519 key, not {type(key).__name__}; {remedy}")
    return Identity(key)


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _base58(data: bytes) -> str:
    """In the alphabet of Bitcoin, as the SDKs read it."""
    number = int.from_bytes(data, "big")
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = _BASE58[digit] + digits
    return _BASE58[0] * (len(data) - len(data.lstrip(b"\0"))) + digits
