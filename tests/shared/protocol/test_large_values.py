"""Large values without protobuf objects: as protobuf has them, or left to it."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from shared.protocol import service_pb2 as pb
from shared.protocol.large_values import split_set_state


@pytest.mark.parametrize("size", [1, 100, 127, 128, 130, 16_000, 16_384, 70_000, 3_000_000])
@pytest.mark.parametrize("name", ["", "set"])
def test_a_set_state_is_split_as_protobuf_reads_it(size: int, name: str) -> None:
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    raw = pb.SetStateCommand(key=b"key", value=pb.Value(content=content), name=name).SerializeToString()
    found = split_set_state(raw)
    assert found is not None
    key, at, length = found
    assert (key, raw[at : at + length]) == (b"key", content)


@given(st.binary(max_size=60), st.booleans())
def test_what_is_split_is_what_protobuf_reads(data: bytes, prefixed: bool) -> None:
    raw = b"\x0a\x01k\x1a\x03\x0a\x01v" + data if prefixed else data
    found = split_set_state(raw)
    if found is None:
        return
    message = pb.SetStateCommand.FromString(raw)
    key, at, length = found
    assert (message.key, message.value.content) == (key, raw[at : at + length])
    assert message.HasField("value")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x0a\x01k",
        b"\x1a\x03\x0a\x01v",
        b"\x0a\x01k\x1a\x00",
        b"\x0a\x01k\x1a\x04\x0a\x01vv",
        b"\x0a\x01k\x1a\x02\x0a\x01",
        b"\x0a\x01k\x1a\x09\x0a\x07v",
        b"\x0a\x01k\x1a\x03\x0a\x01v\x62\x01\xff",
        b"\x0a\x01k\x1a\x03\x0a\x01v\x0a\x01k",
        b"\x0a\x01k\x1a\x03\x0a\x01v\x1a",
        b"\x0a\x01k\x1a\x03\x0a\x01v\x6a\x01x",
        b"\x0a\x01k\x1a\xff\xff\xff\xff\xff\xff",
    ],
)
def test_anything_unusual_is_left_to_protobuf(raw: bytes) -> None:
    assert split_set_state(raw) is None


def test_a_name_that_is_no_text_is_refused_by_protobuf() -> None:
    with pytest.raises(DecodeError):
        pb.SetStateCommand.FromString(b"\x0a\x01k\x1a\x03\x0a\x01v\x62\x01\xff")
