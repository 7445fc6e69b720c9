"""A SetState with a large value: its content is packed before it goes to the log. Pure: no I/O."""

from __future__ import annotations

from shared.protocol.large_values import split_set_state
from shared.protocol.message_types import MessageType
from shared.storage.large import LARGE_VALUE_BYTES
from shared.storage.packing import Packing, pack
from shared.wal.commands import Entry, SetPackedState

__all__ = ["read_set_state"]


def read_set_state(raw: bytes, *, ack: bool) -> Entry | SetPackedState:
    """The effect of a SetStateCommand that was found to be good."""
    parts = split_set_state(raw) if len(raw) > LARGE_VALUE_BYTES else None
    if parts is not None:
        key, start, size = parts
        end = start + size
        packed = pack(memoryview(raw)[start:end]) if size > LARGE_VALUE_BYTES else None
        if packed is not None:
            return SetPackedState(raw[:start] + raw[end:], key, start, size, Packing.ZSTD, packed, ack)
    return Entry(MessageType.SET_STATE, raw, ack)
