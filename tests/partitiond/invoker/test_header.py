"""Frames <-> messages, however the bytes are cut."""

from __future__ import annotations

import pytest

from partitiond.invoker.protocol.header import FrameReader, frame

_MESSAGES = [(0x0401, 0, b"hello"), (0x0003, 0, b""), (0x040D, 0x8000, b"x" * 300), (0xFBFF, 0, b"z")]


def _wire() -> bytes:
    return b"".join(
        kind.to_bytes(2, "big") + flags.to_bytes(2, "big") + len(raw).to_bytes(4, "big") + raw
        for kind, flags, raw in _MESSAGES
    )


def test_frame_is_type_flags_length_and_body() -> None:
    assert frame(0x0401, b"abc") == bytes.fromhex("0401 0000 00000003") + b"abc"


def test_every_split_in_two_gives_the_same_messages() -> None:
    wire = _wire()
    for cut in range(len(wire) + 1):
        reader = FrameReader(1 << 20)
        assert reader.feed(wire[:cut]) + reader.feed(wire[cut:]) == _MESSAGES
        assert reader.pending_bytes == 0


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 100])
def test_pieces_of_any_size_give_the_same_messages(size: int) -> None:
    wire = _wire()
    reader = FrameReader(1 << 20)
    found = [message for at in range(0, len(wire), size) for message in reader.feed(wire[at : at + size])]
    assert found == _MESSAGES


def test_half_a_frame_stays_pending() -> None:
    reader = FrameReader(1 << 20)
    assert reader.feed(_wire()[:20]) == _MESSAGES[:1]
    assert reader.pending_bytes == 7


def test_large_message_in_small_pieces_is_joined_once() -> None:
    """Joining at each piece would copy 32 MiB two thousand times."""
    raw = bytes(4 << 20)
    wire = frame(0x0401, raw)
    reader = FrameReader(32 << 20)
    found = [message for at in range(0, len(wire), 16384) for message in reader.feed(wire[at : at + 16384])]
    assert found == [(0x0401, 0, raw)]


def test_message_at_the_limit_is_refused_and_earlier_ones_are_kept() -> None:
    reader = FrameReader(100)
    assert reader.feed(frame(0x0401, b"a" * 99) + frame(0x0402, b"b" * 100) + frame(0x0003, b"")) == [
        (0x0401, 0, b"a" * 99)
    ]
    assert reader.oversized == (0x0402, 100)
    assert reader.feed(frame(0x0003, b"")) == []


def test_oversized_header_is_refused_before_its_body_comes() -> None:
    reader = FrameReader(100)
    assert reader.feed(bytes.fromhex("04010000ffffffff")) == []
    assert reader.oversized == (0x0401, 0xFFFFFFFF)
