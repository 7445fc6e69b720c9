"""What an attempt sends first: the Start message. Pure: no I/O.

Start is made of bytes by hand: it goes out once an attempt, and a few concatenations cost a third of protobuf.
Field numbers are those of `shared/protocol/service.proto`, message Start.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import xxhash

from partitiond.invoker.protocol.header import HEADER, frame
from shared.protocol.message_types import MessageType
from shared.protocol.varint import varint

__all__ = ["EncodedState", "encode_start", "encode_state", "random_seed"]

#: A value over this is a piece of its own: joining it with its head would copy it.
_JOINED_BYTES = 4096


def random_seed(invocation_id: bytes) -> int:
    """Seed of the handler's random numbers: the same at each attempt, on whichever node. Since v6."""
    return xxhash.xxh3_64_intdigest(invocation_id)


class EncodedState(NamedTuple):
    """The `state_map` field in pieces, not joined, for it may be large; what it lacks is left for lazy reads."""

    parts: list[bytes]
    #: Bytes of the parts.
    size: int
    #: It was cut off where its limit was reached.
    cut: bool
    #: It lacks something.
    partial: bool


def encode_state(
    entries: Iterable[tuple[bytes, bytes | None]], *, bytes_limit: int, value_bytes_limit: int
) -> EncodedState:
    """Entries up to the first that does not fit `bytes_limit`, without those of larger values than the other (which
    may be None)."""
    parts: list[bytes] = []
    size = 0
    total = 0
    partial = False
    for key, value in entries:
        if value is None or len(value) > value_bytes_limit:
            partial = True
            continue
        size += len(key) + len(value)
        if size > bytes_limit:
            return EncodedState(parts, total, True, True)
        head = b"\x0a" + varint(len(key)) + key + b"\x12" + varint(len(value))
        head = b"\x22" + varint(len(head) + len(value)) + head
        total += len(head) + len(value)
        if len(value) < _JOINED_BYTES:
            parts.append(head + value)
        else:
            parts += (head, value)
    return EncodedState(parts, total, False, partial)


def encode_start(
    *,
    invocation_id: bytes,
    debug_id: str,
    known_entries: int,
    state: bytes,
    partial_state: bool,
    key: str | None,
    retry_count: int,
    stored_ago_ms: int,
    protocol_version: int,
    idempotency_key: str | None = None,
    seed_id: bytes | None = None,
    scope: str | None = None,
    limit_key: str | None = None,
    state_behind: int = 0,
) -> bytes:
    """The frame of the Start message. `state` is what `encode_state` made, or so many bytes of it follow the frame
    (`state_behind`); `seed_id` None: its own id's seed."""
    raw = (
        b"\x0a\x18" + invocation_id + b"\x12" + varint(len(debug_id)) + debug_id.encode()
        + b"\x18" + varint(known_entries) + state
    )  # fmt: skip
    if partial_state:
        raw += b"\x28\x01"
    if key:
        encoded = key.encode()
        raw += b"\x32" + varint(len(encoded)) + encoded
    if retry_count:
        raw += b"\x38" + varint(retry_count)
    if stored_ago_ms > 0:
        raw += b"\x40" + varint(stored_ago_ms)
    if protocol_version >= 6:
        raw += b"\x48" + varint(random_seed(seed_id or invocation_id))
        if protocol_version >= 7:
            if scope is not None:
                raw += b"\x52" + varint(len(scope)) + scope.encode("ascii")
            if limit_key is not None:
                raw += b"\x5a" + varint(len(limit_key)) + limit_key.encode("ascii")
            if idempotency_key is not None:
                encoded = idempotency_key.encode()
                raw += b"\x62" + varint(len(encoded)) + encoded
    if state_behind:
        return HEADER.pack(MessageType.START, 0, len(raw) + state_behind) + raw
    return frame(MessageType.START, raw)
