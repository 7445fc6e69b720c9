"""Frames out of a byte stream, whatever the pieces it arrives in."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import RemoteProtocolError
from shared.rpc.frames import FRAME_BYTES_LIMIT, FrameReader, encode_frame

MESSAGES = [b"", b"a", b"bc" * 3, bytes(300), b"", b"\x00\x00\x00\x01"]
STREAM = b"".join(encode_frame(message) for message in MESSAGES)


def test_a_frame_is_its_length_in_four_bytes_and_the_message() -> None:
    assert encode_frame(b"abc") == b"\x00\x00\x00\x03abc"
    assert encode_frame(b"") == b"\x00\x00\x00\x00"


@pytest.mark.parametrize("at", range(len(STREAM) + 1))
def test_every_split_point_gives_the_same_messages(at: int) -> None:
    reader = FrameReader()
    assert reader.feed(STREAM[:at]) + reader.feed(STREAM[at:]) == MESSAGES
    assert reader.pending_bytes == 0


def test_byte_by_byte_gives_each_message_with_its_last_byte() -> None:
    reader = FrameReader()
    found: list[bytes] = []
    for at in range(len(STREAM)):
        found += reader.feed(STREAM[at : at + 1])
        complete = b"".join(encode_frame(message) for message in found)
        assert STREAM[: at + 1].startswith(complete)
        assert reader.pending_bytes == at + 1 - len(complete)
    assert found == MESSAGES


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=8), st.data())
def test_any_pieces_give_the_same_messages(messages: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(encode_frame(message) for message in messages)
    reader = FrameReader()
    found: list[bytes] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += reader.feed(stream[:size])
        stream = stream[size:]
    assert found == messages
    assert reader.pending_bytes == 0


def test_a_stream_that_was_cut_leaves_bytes_pending() -> None:
    reader = FrameReader()
    assert reader.feed(encode_frame(b"abc")[:-1]) == []
    assert reader.pending_bytes == 6


@pytest.mark.parametrize("split", [False, True])
def test_a_frame_over_the_limit_is_refused_unread(split: bool) -> None:
    reader = FrameReader(bytes_limit=10)
    assert reader.feed(encode_frame(bytes(10))) == [bytes(10)]
    header = (11).to_bytes(4, "big")
    if split:
        assert reader.feed(header[:2]) == []
    with pytest.raises(RemoteProtocolError, match="frame of 11 bytes is over the limit of 10"):
        reader.feed(header[2:] if split else header)


def test_the_limit_leaves_room_for_a_record_of_32_mib() -> None:
    assert FRAME_BYTES_LIMIT >= 33 * 1024 * 1024
    with pytest.raises(RemoteProtocolError):
        FrameReader().feed(b"GET / HTTP/1.1\r\n\r\n")


def test_a_large_frame_in_small_pieces_is_joined_once() -> None:
    """32 MiB in pieces of 64 KiB: joining at each piece would copy 8 GiB."""
    reader = FrameReader()
    payload = bytes(32 * 1024 * 1024)
    stream = encode_frame(payload)
    found: list[bytes] = []
    for at in range(0, len(stream), 65536):
        assert not found
        found += reader.feed(stream[at : at + 65536])
    assert found == [payload]
