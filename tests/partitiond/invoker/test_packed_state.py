"""What a SetState becomes on its way to the log: packed where that makes it smaller, else as it came."""

from __future__ import annotations

import random

import pytest

from partitiond.invoker.protocol.packed_state import read_set_state
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType
from shared.storage.large import LARGE_VALUE_BYTES
from shared.storage.packing import Packing, unpack
from shared.wal.commands import Entry, SetPackedState

_TEXT = b'{"name":"everlog"},' * 10_000
_NOISE = random.Random(7).randbytes(100_000)


def _raw(content: bytes, *, name: str = "") -> bytes:
    return pb.SetStateCommand(key=b"key", value=pb.Value(content=content), name=name).SerializeToString()


@pytest.mark.parametrize("content", [_TEXT, _TEXT[: LARGE_VALUE_BYTES + 1], b"a" * 3_000_000])
@pytest.mark.parametrize("name", ["", "set"])
@pytest.mark.parametrize("ack", [False, True])
def test_a_large_text_is_packed(content: bytes, name: str, ack: bool) -> None:
    raw = _raw(content, name=name)
    effect = read_set_state(raw, ack=ack)
    assert isinstance(effect, SetPackedState)
    assert (effect.key, effect.size, effect.packing, effect.ack) == (b"key", len(content), Packing.ZSTD, ack)
    assert len(effect.content) < len(content) / 4
    assert unpack(effect.content, effect.packing, effect.size) == content
    assert effect.raw[: effect.offset] + content + effect.raw[effect.offset :] == raw


@pytest.mark.parametrize(
    "raw",
    [
        _raw(b""),
        _raw(b"small"),
        # What the machine would not store as a large value.
        _raw(_TEXT[:LARGE_VALUE_BYTES]),
        _raw(_NOISE),
        # The key comes twice: protobuf is to read it.
        b"\x0a\x01x" + _raw(_TEXT),
    ],
)
@pytest.mark.parametrize("ack", [False, True])
def test_any_other_is_left_as_it_came(raw: bytes, ack: bool) -> None:
    assert read_set_state(raw, ack=ack) == Entry(MessageType.SET_STATE, raw, ack)
