"""Frames: golden bytes, every split point, garbage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partitiond.invoker.http2 import frames as f

from .recorder import parse_frames

GOLDEN = [
    (f.frame(f.DATA, f.END_STREAM, 1, b"hello"), "000005 00 01 00000001 68656c6c6f"),
    (f.frame(f.HEADERS, f.END_HEADERS, 0x7FFFFFFF, b"\x83"), "000001 01 04 7fffffff 83"),
    (f.rst_stream(5, f.CANCEL), "000004 03 00 00000005 00000008"),
    (f.settings({1: 0, 4: 1 << 20}), "00000c 04 00 00000000 0001 00000000 0004 00100000"),
    (f.settings({}), "000000 04 00 00000000"),
    (f.frame(f.PING, f.ACK, 0, b"12345678"), "000008 06 01 00000000 3132333435363738"),
    (f.goaway(f.PROTOCOL_ERROR, "no"), "00000a 07 00 00000000 00000000 00000001 6e6f"),
    (f.window_update(0, 0x7FFFFFFF), "000004 08 00 00000000 7fffffff"),
    (f.frame_header(0x123456, f.DATA, 0, 3), "123456 00 00 00000003"),
]


@pytest.mark.parametrize(("encoded", "golden"), GOLDEN)
def test_frames_have_the_layout_of_the_rfc(encoded: bytes, golden: str) -> None:
    assert encoded == bytes.fromhex(golden)


def test_another_implementation_reads_our_frames() -> None:
    kinds = [type(frame).__name__ for frame in parse_frames(b"".join(encoded for encoded, _ in GOLDEN[:-1]))]
    assert kinds == [
        "DataFrame", "HeadersFrame", "RstStreamFrame", "SettingsFrame", "SettingsFrame", "PingFrame",
        "GoAwayFrame", "WindowUpdateFrame",
    ]  # fmt: skip


def test_every_split_point_gives_the_same_frames() -> None:
    data = b"".join(encoded for encoded, _ in GOLDEN[:-1])
    whole = f.FrameReader().feed(data)
    assert len(whole) == 8
    for at in range(len(data) + 1):
        reader = f.FrameReader()
        assert reader.feed(data[:at]) + reader.feed(data[at:]) == whole
        assert not reader.tail


def test_bytes_one_by_one_give_the_same_frames() -> None:
    data = b"".join(encoded for encoded, _ in GOLDEN[:-1])
    reader = f.FrameReader()
    assert [frame for i in range(len(data)) for frame in reader.feed(data[i : i + 1])] == f.FrameReader().feed(data)


def test_the_reserved_bit_of_a_stream_id_is_ignored() -> None:
    assert f.FrameReader().feed(bytes.fromhex("000000 00 01 80000003")) == [(f.DATA, 1, 3, b"")]


def test_the_largest_frame_is_taken_and_one_byte_more_is_not() -> None:
    reader = f.FrameReader()
    assert reader.feed(f.frame(f.DATA, 0, 1, bytes(f.FRAME_BYTES_MAX)))
    assert not reader.oversized
    good = f.frame(f.DATA, 0, 1, b"before")
    assert reader.feed(good + f.frame_header(f.FRAME_BYTES_MAX + 1, f.DATA, 0, 1)) == [(f.DATA, 0, 1, b"before")]
    assert reader.oversized == f.FRAME_BYTES_MAX + 1


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_garbage_keeps_every_byte_until_an_oversized_frame(pieces: list[bytes]) -> None:
    reader = f.FrameReader()
    frames = []
    for piece in pieces:
        frames += reader.feed(piece)
        if reader.oversized:
            return
    length = sum(9 + len(payload) for *_, payload in frames)
    assert length + len(reader.tail) == sum(map(len, pieces))


def test_error_codes_have_names_and_unknown_ones_are_shown() -> None:
    assert f.error_name(f.HTTP_1_1_REQUIRED) == "HTTP_1_1_REQUIRED"
    assert f.error_name(0xFFFF) == "error 0xffff"
