"""Request identity: the token's form, its validity, its reuse, and keys that are none."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from shared.errors import ConfigError
from shared.transport.identity import Identity, load_identity

_NOW_MS = 1_700_000_000_000


def _pem(key: Any, encryption: KeySerializationEncryption | None = None) -> bytes:
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    return pem


def _read(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _token(identity: Identity, path: str = "/discover", subject: str | None = None, now_ms: int = _NOW_MS) -> str:
    (scheme, token) = identity.headers(path, subject, now_ms)
    assert scheme == ("x-restate-signature-scheme", "v1")
    assert token[0] == "x-restate-jwt-v1"
    return token[1]


@pytest.mark.parametrize(
    ("seed", "public_key"),
    [
        # RFC 8032, section 7.1, tests 1 and 3; the public keys of that page in base58.
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        ),
    ],
)
def test_public_key_is_base58_of_its_32_bytes(seed: str, public_key: str) -> None:
    identity = Identity(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)))
    prefix, _, text = identity.public_key.partition("_")
    number = 0
    for digit in text:
        number = number * 58 + "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".index(digit)
    assert prefix == "publickeyv1"
    assert number.to_bytes(32, "big").hex() == public_key


@pytest.mark.parametrize(("subject", "more"), [(None, {}), ("", {"sub": ""}), ('käse "x"', {"sub": 'käse "x"'})])
def test_token_has_the_form_that_sdks_check(subject: str | None, more: dict[str, str]) -> None:
    key = Ed25519PrivateKey.generate()
    identity = Identity(key)
    token = _token(identity, "/invoke/S/h", subject)
    head, claims, signature = token.split(".")
    assert "=" not in token
    assert _read(head) == {"typ": "JWT", "alg": "EdDSA", "kid": identity.public_key}
    now_s = _NOW_MS // 1000
    assert _read(claims) == {"aud": "/invoke/S/h", "iat": now_s, "nbf": now_s - 60, "exp": now_s + 60, **more}
    raw = base64.urlsafe_b64decode(signature + "==")
    key.public_key().verify(raw, f"{head}.{claims}".encode())
    with pytest.raises(InvalidSignature):
        Ed25519PrivateKey.generate().public_key().verify(raw, f"{head}.{claims}".encode())


def test_token_is_sent_again_for_a_few_seconds_only() -> None:
    identity = Identity(Ed25519PrivateKey.generate())
    first = _token(identity)
    assert _token(identity, now_ms=_NOW_MS + 9_999) == first
    later = _token(identity, now_ms=_NOW_MS + 10_000)
    assert _read(later.split(".")[1])["iat"] == _NOW_MS // 1000 + 10
    # A clock that is set back: not the token of the future.
    assert _read(_token(identity, now_ms=_NOW_MS - 60_000).split(".")[1])["iat"] == _NOW_MS // 1000 - 60


def test_tokens_of_paths_and_keys_differ() -> None:
    identity = Identity(Ed25519PrivateKey.generate())
    asked = [("/invoke/S/a", None), ("/invoke/S/b", None), ("/invoke/S/a", ""), ("/invoke/S/a", "k")]
    assert len({_token(identity, path, subject) for path, subject in asked}) == len(asked)


def test_memory_for_tokens_is_bounded() -> None:
    identity = Identity(Ed25519PrivateKey.generate())
    for n in range(10_000):
        _token(identity, "/invoke/S/a", str(n))
    assert len(identity._known) <= 4096


def test_key_file_is_read(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    file = tmp_path / "key.pem"
    file.write_bytes(b"made by hand\n" + _pem(key))
    assert load_identity(file).public_key == Identity(key).public_key


def _two_keys() -> bytes:
    return _pem(Ed25519PrivateKey.generate()) + _pem(Ed25519PrivateKey.generate())


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "cannot read it: No such file"),
        (b"", "found 0 blocks"),
        (_two_keys(), "exactly one private key in PEM form, found 2 blocks"),
        (b"-----BEGIN PRIVATE KEY-----\nnothing\n-----END PRIVATE KEY-----\n", "no private key in PEM form"),
        (_pem(ec.generate_private_key(ec.SECP256R1())), "want an ed25519 key, not (EC|_?Elliptic)"),
        (_pem(Ed25519PrivateKey.generate(), BestAvailableEncryption(b"p")), "is encrypted"),
    ],
    ids=["missing", "empty", "two", "damaged", "other", "encrypted"],
)
def test_key_files_that_are_none_are_refused_with_the_reason(tmp_path: Path, content: bytes | None, text: str) -> None:
    file = tmp_path / "key.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=f"request_identity_private_key_file is .*key.pem: .*{text}"):
        load_identity(file)
