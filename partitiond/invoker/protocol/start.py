"""What an attempt sends first: the Start message and the replayed journal. Pure: no I/O.

Start is made of bytes by hand: it goes out once an attempt, and a few concatenations cost a third of protobuf.
Field numbers are those of `shared/protocol/service.proto`, message Start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import xxhash

from partitiond.invoker.protocol.header import frame
from shared.protocol.message_types import MessageType

__all__ = ["encode_start", "encode_state", "random_seed", "replay_chunks"]

_SMALL = [bytes([i]) for i in range(128)]
#: Journal frames are joined up to this size before they are handed to the stream.
_CHUNK_BYTES = 256 * 1024


def _varint(value: int) -> bytes:
    if value < 128:
        return _SMALL[value]
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def random_seed(invocation_id: bytes) -> int:
    """Seed of the handler's random numbers: the same at each attempt, on whichever node. Since v6."""
    return xxhash.xxh3_64_intdigest(invocation_id)


def encode_state(entries: Iterable[tuple[bytes, bytes]], *, bytes_limit: int) -> tuple[bytes, bool]:
    """The `state_map` field and whether it is partial: entries past the limit are left for lazy reads."""
    parts: list[bytes] = []
    size = 0
    for key, value in entries:
        size += len(key) + len(value)
        if size > bytes_limit:
            return b"".join(parts), True
        entry = b"\x0a" + _varint(len(key)) + key + b"\x12" + _varint(len(value)) + value
        parts.append(b"\x22" + _varint(len(entry)) + entry)
    return b"".join(parts), False


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
) -> bytes:
    """The frame of the Start message. `state` is what `encode_state` made; `seed_id` None: its own id's seed."""
    raw = (
        b"\x0a\x18" + invocation_id + b"\x12" + _SMALL[len(debug_id)] + debug_id.encode()
        + b"\x18" + _varint(known_entries) + state
    )  # fmt: skip
    if partial_state:
        raw += b"\x28\x01"
    if key:
        encoded = key.encode()
        raw += b"\x32" + _varint(len(encoded)) + encoded
    if retry_count:
        raw += b"\x38" + _varint(retry_count)
    if stored_ago_ms > 0:
        raw += b"\x40" + _varint(stored_ago_ms)
    if protocol_version >= 6:
        raw += b"\x48" + _varint(random_seed(seed_id or invocation_id))
        if protocol_version >= 7:
            if scope is not None:
                raw += b"\x52" + _SMALL[len(scope)] + scope.encode("ascii")
            if limit_key is not None:
                raw += b"\x5a" + _SMALL[len(limit_key)] + limit_key.encode("ascii")
            if idempotency_key is not None:
                encoded = idempotency_key.encode()
                raw += b"\x62" + _varint(len(encoded)) + encoded
    return frame(MessageType.START, raw)


def replay_chunks(first: bytes, journal: Iterable[tuple[int, bytes]], length: int) -> Iterator[bytes]:
    """`first` and the journal's frames, joined into pieces of a moderate size; read only as they are asked for."""
    parts = [first]
    size = len(first)
    for entry_type, raw in journal:
        length -= 1
        parts.append(frame(entry_type, raw))
        size += len(raw)
        if size >= _CHUNK_BYTES:
            yield b"".join(parts)
            parts.clear()
            size = 0
    # A service that was promised more entries than come would wait for ever.
    assert length == 0, f"{abs(length)} journal entries {'missing' if length > 0 else 'too many'}"
    if parts:
        yield b"".join(parts)
