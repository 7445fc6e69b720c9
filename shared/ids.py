"""Identifiers and the key space they live in. Pure: no I/O, no randomness.

An invocation id is 24 raw bytes: the partition key (8 bytes, big-endian) and a 16-byte uuid.
Its text form is `inv_1` + base62 of both, in the form that official SDKs and the CLI know.
Callers that need a fresh id pass the randomness in.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib

import xxhash

__all__ = [
    "awakeable_id",
    "decode_invocation_id",
    "decode_signal_id",
    "encode_deployment_id",
    "encode_invocation_id",
    "encode_ulid",
    "idempotent_partition_key",
    "idempotent_uuid",
    "is_deployment_id",
    "is_old_awakeable_id",
    "key_partition_key",
    "partition_key_of",
    "scope_partition_key",
    "service_partition_key",
    "target_partition_key",
    "workflow_uuid",
]

INVOCATION_ID_BYTES = 24
#: An unkeyed service spreads over so many partition keys.
SERVICE_BUCKETS = 512
#: Signal indexes up to 16 are built in; 1 is cancel.
CANCEL_SIGNAL = 1

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_VALUE_OF = {c: i for i, c in enumerate(_ALPHABET)}
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_TEN_DIGITS = 62**10
_FIVE_DIGITS = 62**5
#: Of a byte, by its last five bits.
_CROCKFORD_OF = (_CROCKFORD * 8).encode()


def _ten_digits(value: int) -> str:
    # Two halves that fit a digit of Python's numbers, which divide much faster.
    high = value // _FIVE_DIGITS
    low = value - high * _FIVE_DIGITS
    second, fourth = high // 3844, low // 3844
    first, third = second // 3844, fourth // 3844
    return (
        f"{_ALPHABET[first]}{_PAIRS[second - first * 3844]}{_PAIRS[high - second * 3844]}"
        f"{_ALPHABET[third]}{_PAIRS[fourth - third * 3844]}{_PAIRS[low - fourth * 3844]}"
    )


def _encode_uuid(uuid: bytes) -> str:
    """16 bytes, read as a little-endian number -> 22 digits. Ten at a time, since small numbers divide faster."""
    high, low = divmod(int.from_bytes(uuid, "little"), _TEN_DIGITS)
    first, middle = divmod(high, _TEN_DIGITS)
    return _PAIRS[first] + _ten_digits(middle) + _ten_digits(low)


def _decode_base62(text: str) -> int:
    value = 0
    for char in text:
        if char not in _VALUE_OF:
            raise ValueError(f"{char!r} is not a base62 digit")
        value = value * 62 + _VALUE_OF[char]
    return value


def encode_invocation_id(raw: bytes) -> str:
    """24 raw bytes -> `inv_1…`. Each half is read as a little-endian number (admin_api.md, part C)."""
    assert len(raw) == INVOCATION_ID_BYTES
    return _encode_key(raw[:8]) + _encode_uuid(raw[8:])


@functools.lru_cache(2048)
def _encode_key(raw: bytes) -> str:
    """What an invocation id begins with. Those of a service, or of an object, have few beginnings."""
    first, low = divmod(int.from_bytes(raw, "little"), _TEN_DIGITS)
    return "inv_1" + _ALPHABET[first] + _ten_digits(low)


def decode_invocation_id(text: str) -> bytes:
    """`inv_1…` -> 24 raw bytes. Raises ValueError with the reason when it is none."""
    if not text.startswith("inv_1") or len(text) != 38:
        raise ValueError(f"{text!r} is not an invocation id: want 'inv_1' and 33 base62 digits")
    partition_key = _decode_base62(text[5:16])
    uuid = _decode_base62(text[16:])
    if partition_key >= 1 << 64 or uuid >= 1 << 128:
        raise ValueError(f"{text!r} is not an invocation id: its number is out of range")
    return partition_key.to_bytes(8, "little") + uuid.to_bytes(16, "little")


def encode_deployment_id(ulid: bytes) -> str:
    """16 bytes -> `dp_1…`."""
    assert len(ulid) == 16
    return "dp_1" + _encode_uuid(ulid)


def is_deployment_id(text: str) -> bool:
    """`dp_1…` of 16 bytes."""
    try:
        return text.startswith("dp_1") and len(text) == 26 and _decode_base62(text[4:]) < 1 << 128
    except ValueError:
        return False


def encode_ulid(now_ms: int, entropy: bytes) -> str:
    """Time in ms and 16 random bytes -> the 26 Crockford base32 characters of a ULID.

    Of each byte five bits are taken: a table does in one step what shifting 80 bits about does in fifteen.
    """
    return _ulid_time(now_ms) + entropy.translate(_CROCKFORD_OF).decode()


@functools.lru_cache(8)
def _ulid_time(now_ms: int) -> str:
    """48 bits in ten characters: the same for all of a millisecond."""
    return "".join(_CROCKFORD[now_ms >> shift & 31] for shift in range(45, -5, -5))


def awakeable_id(invocation_id: bytes, signal_index: int) -> str:
    """The id that an SDK makes for its signal `signal_index`; the runtime only reads it."""
    raw = invocation_id + signal_index.to_bytes(4, "big")
    return "sign_1" + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode_signal_id(text: str) -> tuple[bytes, int]:
    """`sign_1…` -> (invocation id, signal index). Raises ValueError when it is none."""
    if not text.startswith("sign_1"):
        raise ValueError(f"{text!r} is not an awakeable id: it does not begin with 'sign_1'")
    payload = text[len("sign_1") :]
    try:
        raw = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{text!r} is not an awakeable id: {error}") from error
    if len(raw) != INVOCATION_ID_BYTES + 4:
        raise ValueError(f"{text!r} is not an awakeable id: it holds {len(raw)} bytes instead of 28")
    return raw[:INVOCATION_ID_BYTES], int.from_bytes(raw[INVOCATION_ID_BYTES:], "big")


def is_old_awakeable_id(text: str) -> bool:
    """A `prom_1…`: SDKs before service protocol 4 made them of an invocation id and a journal index."""
    try:
        return text.startswith("prom_1") and bool(decode_signal_id("sign_1" + text[len("prom_1") :]))
    except ValueError:
        return False


def partition_key_of(invocation_id: bytes) -> int:
    """The invocation's place in the 64-bit key space."""
    return int.from_bytes(invocation_id[:8], "big")


def key_partition_key(key: str) -> int:
    """Objects and workflows of the same key share a partition key, whatever their service."""
    return xxhash.xxh3_64_intdigest(key.encode() + b"\xff")


@functools.lru_cache(2048)
def service_partition_key(service: str, bucket: int) -> int:
    """One of the 512 partition keys of an unkeyed service."""
    data = service.encode() + b"\xffunscoped/service\xff" + bucket.to_bytes(8, "little")
    return xxhash.xxh3_64_intdigest(data)


def idempotent_partition_key(service: str, idempotency_key: str) -> int:
    """Calls of a service with one idempotency key meet on one of its buckets."""
    return service_partition_key(service, key_partition_key(idempotency_key) % SERVICE_BUCKETS)


def scope_partition_key(scope: str) -> int:
    """All invocations of a scope, and its objects and workflows, are on one partition."""
    return key_partition_key(scope)


def target_partition_key(scope: str | None, key: str) -> int:
    """The place of an object or workflow: its scope decides where there is one, else its key."""
    return key_partition_key(key if scope is None else scope)


def workflow_uuid(name: str, key: str, scope: str | None = None) -> bytes:
    """A workflow's run has one id a key (and scope), so that a second run finds the first."""
    return _uuid_of("wf", scope, name, key)


def idempotent_uuid(
    service: str, key: str | None, handler: str, idempotency_key: str, scope: str | None = None
) -> bytes:
    """The same idempotent request has the same id, so that no table is needed to find its twin."""
    if key is None:
        return _uuid_of("ik", scope, service, handler, idempotency_key)
    return _uuid_of("ik", scope, service, key, handler, idempotency_key)


def _uuid_of(kind: str, scope: str | None, *parts: str) -> bytes:
    """admin_api.md, part C."""
    text = ",".join((kind, *parts) if scope is None else (kind, scope, *parts))
    return hashlib.sha256(text.encode()).digest()[:16]
