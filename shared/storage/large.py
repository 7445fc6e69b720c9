"""Large values: a content that is a row of its own, stored once, and is put together with what names it. Pure: no I/O.

A value of state is an empty STATE row then, with a LARGE_STATE row beside it; a journal entry is a message without its
content. Who counts how many use a content is `partitiond.machine.large_values`.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from shared.ids import partition_key_of
from shared.storage import keys
from shared.storage.packing import unpack
from shared.storage.values import JournalRow, LargePart, LargeStateRow, decode_large_state

__all__ = ["LARGE_VALUE_BYTES", "Get", "content_of", "filled", "joined", "large_state_of", "state_value", "whole_raw"]

#: A value over this is large. Replicas must agree on it: what is stored follows from it.
LARGE_VALUE_BYTES = 64 * 1024

#: key -> stored value.
Get = Callable[[bytes], bytes | None]


def content_of(get: Get, partition_key: int, large: LargePart | LargeStateRow) -> bytes:
    """The user's bytes. There must be such a value."""
    stored = get(keys.large_key(partition_key, large.number))
    assert stored is not None, f"large value {large.number} at {partition_key:#x} is missing"
    return unpack(stored, large.packing, large.size)


def large_state_of(get: Get, key: bytes, value: bytes) -> LargeStateRow | None:
    """Which large value a STATE row of this key and value is; None: it is `value` itself."""
    if value:
        return None
    stored = get(keys.large_state_key(key))
    return None if stored is None else decode_large_state(stored)


def state_value(get: Get, key: bytes, value: bytes) -> bytes:
    """The user's bytes of a STATE row."""
    large = large_state_of(get, key, value)
    return value if large is None else content_of(get, int.from_bytes(key[1:9], "big"), large)


def whole_raw(get: Get, invocation_id: bytes, raw: bytes, large: LargePart | None) -> bytes:
    """The message of a journal entry, with its content."""
    if large is None:
        return raw
    return joined(raw, large, content_of(get, partition_key_of(invocation_id), large))


def filled(row: JournalRow) -> JournalRow:
    """The entry with zeros for a content that is elsewhere: its message can be read then, but for that."""
    large = row.large
    return row if large is None else msgspec.structs.replace(row, raw=joined(row.raw, large, bytes(large.size)))


def joined(raw: bytes, large: LargePart, content: bytes) -> bytes:
    """The message whose content that is."""
    assert len(content) == large.size, f"large value {large.number} has {len(content)} bytes, not {large.size}"
    return b"".join((raw[: large.offset], content, raw[large.offset :]))
