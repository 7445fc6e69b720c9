"""Ids and keys as they are written in a path, and the ids that follow from a target. Pure: no I/O.

An id is `<type>_<version><payload>`; what is wrong with it is told in the order type, version, kind, payload.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from partitiond.ingress.errors import IngressError
from shared.ids import (
    decode_invocation_id,
    decode_signal_id,
    idempotent_partition_key,
    idempotent_uuid,
    key_partition_key,
    scope_partition_key,
    target_partition_key,
    workflow_uuid,
)

__all__ = [
    "decode_key",
    "idempotent_invocation_id",
    "parse_awakeable_id",
    "parse_invocation_id",
    "workflow_invocation_id",
]

_TYPES = frozenset({"inv", "dp", "sub", "part", "prom", "sign", "snap", "mut", "vq"})
_INVOCATION_PAYLOAD_CHARS = 33
_PROMISE_PAYLOAD_CHARS = 38
_BASE64_CHARS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def decode_key(segment: str) -> str:
    """Percent-decoding; a `%` without two hex digits stands for itself, as does `+`."""
    if "%" not in segment and segment.isascii():
        return segment
    raw = unquote_to_bytes(segment.encode("utf-8", "surrogateescape"))
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise IngressError(400, f"bad path, cannot decode key: not UTF-8 at byte {error.start}") from error


def parse_invocation_id(text: str) -> bytes:
    """`inv_1…` -> 24 raw bytes."""
    reason = _fault(text, "inv", _INVOCATION_PAYLOAD_CHARS)
    if reason is None:
        try:
            return decode_invocation_id(text)
        except ValueError:
            reason = "base62 decode error"
    raise IngressError(400, f"bad invocation id '{text}': {reason}")


def parse_awakeable_id(text: str) -> tuple[bytes, int] | None:
    """`sign_1…` -> (invocation id, signal index). None for a `prom_1…`: it names a journal entry of
    a protocol before version 4, which no invocation here can have."""
    # Clients may pad. Stray bits after the last byte are not an id that any SDK makes: refused.
    unpadded = text.rstrip("=")
    if unpadded.startswith("sign_1") and _BASE64_CHARS.issuperset(unpadded[len("sign_1") :]):
        try:
            invocation_id, signal = decode_signal_id(unpadded)
        except ValueError:
            pass
        else:
            if unpadded[-1] in "AQgw":
                return invocation_id, signal
    reason = _fault(text, "prom", _PROMISE_PAYLOAD_CHARS)
    if reason is None:
        return None
    raise IngressError(400, f"bad awakeable id '{text}': {reason}")


def _fault(text: str, expected: str, payload_chars: int) -> str | None:
    kind, underscore, rest = text.partition("_")
    if not text:
        return "bad length"
    if not underscore:
        return "bad format"
    if kind not in _TYPES:
        return f"unrecognized resource type: {kind}"
    if not rest:
        return "bad length"
    if rest[0] != "1":
        return "unrecognized codec version"
    if kind != expected:
        return "id doesn't match the expected type"
    if len(rest) - 1 != payload_chars:
        return "bad length"
    return None


def idempotent_invocation_id(
    service: str, key: str | None, handler: str, idempotency_key: str, scope: str | None = None
) -> bytes:
    """The one invocation of this target and idempotency key."""
    if scope is not None:
        partition_key = scope_partition_key(scope)
    elif key is not None:
        partition_key = key_partition_key(key)
    else:
        partition_key = idempotent_partition_key(service, idempotency_key)
    return partition_key.to_bytes(8, "big") + idempotent_uuid(service, key, handler, idempotency_key, scope)


def workflow_invocation_id(name: str, key: str, scope: str | None = None) -> bytes:
    """The one run of a workflow for this key, in this scope."""
    return target_partition_key(scope, key).to_bytes(8, "big") + workflow_uuid(name, key, scope)
