"""Response blocks: read like another implementation does, bounded, and without state between blocks."""

import contextlib

import pytest
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from partitiond.invoker.http2.errors import ConnectionFault, StreamFault
from partitiond.invoker.http2.frames import COMPRESSION_ERROR, ENHANCE_YOUR_CALM, PROTOCOL_ERROR
from partitiond.invoker.http2.hpack import BlockDecoder
from partitiond.invoker.http2.message import CONNECTION_FIELDS

from .recorder import block

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=20).filter(
    lambda name: name not in CONNECTION_FIELDS | {"content-length"}
)
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), max_size=60)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8), st.booleans())
def test_blocks_of_another_encoder_read_back(fields: list[tuple[str, str]], huffman: bool) -> None:
    encoder = Encoder()
    encoder.header_table_size = 0
    data = encoder.encode([(":status", "200"), *fields], huffman=huffman)
    status, headers, _ = BlockDecoder(65_536).decode(data)
    assert status == 200
    assert headers.items() == tuple(fields)
    for name, _ in fields:
        assert headers[name] == next(v for n, v in fields if n == name)


def test_headers_are_a_read_only_map_of_first_values() -> None:
    headers = BlockDecoder(65_536).decode(block((":status", "200"), ("a", "1"), ("b", "2"), ("a", "3"))).headers
    assert (headers["a"], headers.get("b"), headers.get("c"), headers.get("c", "x")) == ("1", "2", None, "x")
    assert "a" in headers
    assert "c" not in headers
    assert sorted(headers) == ["a", "b"]
    assert len(headers) == 2
    assert headers.items() == (("a", "1"), ("b", "2"), ("a", "3"))
    with pytest.raises(KeyError):
        headers["c"]


def test_the_same_block_is_decoded_once() -> None:
    decoder = BlockDecoder(65_536)
    data = block((":status", "200"), ("a", "1"))
    assert decoder.decode(data) is decoder.decode(bytes(bytearray(data)))


def test_the_cache_is_bounded() -> None:
    decoder = BlockDecoder(65_536)
    for n in range(5000):
        decoder.decode(block((":status", "200"), ("n", str(n))))
    assert len(decoder._cache) <= 1024
    big = block((":status", "200"), ("n", "x" * 5000))
    assert decoder.decode(big) is not decoder.decode(big)


def test_no_block_depends_on_one_before_it() -> None:
    """A peer that indexes although the table has size 0 must not be believed: the cache would be wrong."""
    decoder = BlockDecoder(65_536)
    assert decoder.decode(b"\x88\x40\x01a\x01b").headers["a"] == "b"
    with pytest.raises(ConnectionFault) as caught:
        decoder.decode(b"\x88\xbe")
    assert caught.value.code == COMPRESSION_ERROR


@pytest.mark.parametrize(
    "data",
    [
        b"\x80", b"\xbe", b"\x3f\xe1\x1f\x88", b"\x21\x88", b"\x88\x20", b"\x00\x01a", b"\x00\x81\xff\x01b",
        b"\xff" * 12,
    ],
)  # fmt: skip
def test_what_is_not_hpack_ends_the_connection(data: bytes) -> None:
    with pytest.raises(ConnectionFault) as caught:
        BlockDecoder(65_536).decode(data)
    assert caught.value.code == COMPRESSION_ERROR


def test_a_size_update_to_zero_is_allowed() -> None:
    assert BlockDecoder(65_536).decode(b"\x20\x88").status == 200


def test_a_header_list_over_the_limit_ends_the_stream() -> None:
    fields = [(":status", "200"), *((f"n{i}", "x" * 100) for i in range(10))]
    size = sum(len(n) + len(v) + 32 for n, v in fields)
    assert BlockDecoder(size).decode(block(*fields)).status == 200
    with pytest.raises(StreamFault) as caught:
        BlockDecoder(size - 1).decode(block(*fields))
    assert caught.value.code == ENHANCE_YOUR_CALM


MALFORMED = [
    [(":status", "20")], [(":status", "2000")], [(":status", "abc")], [(":status", "099")], [(":status", "")],
    [(":status", "200"), (":status", "200")], [(":path", "/")], [("a", "b"), (":status", "200")],
    [(":status", "200"), ("Upper", "x")], [(":status", "200"), ("", "x")], [(":status", "200"), ("a b", "x")],
    [(":status", "200"), ("a", "b\r")], [(":status", "200"), ("a", "b\0c")], [(":status", "200"), ("a", "b\n")],
    [(":status", "200"), ("connection", "close")], [(":status", "200"), ("transfer-encoding", "chunked")],
    [(":status", "200"), ("content-length", "x")], [(":status", "200"), ("content-length", "-1")],
    [(":status", "200"), ("content-length", "1"), ("content-length", "2")],
    [(":status", "200"), ("content-length", "")], [(":status", "200"), ("content-length", "9" * 30)],
]  # fmt: skip


@pytest.mark.parametrize("fields", MALFORMED)
def test_a_malformed_response_ends_the_stream(fields: list[tuple[str, str]]) -> None:
    with pytest.raises(StreamFault) as caught:
        BlockDecoder(65_536).decode(block(*fields))
    assert caught.value.code == PROTOCOL_ERROR


def test_a_value_with_blanks_at_its_ends_is_malformed() -> None:
    for value in (b" x", b"x\t"):
        with pytest.raises(StreamFault):
            BlockDecoder(65_536).decode(b"\x88\x00\x01a" + bytes((len(value),)) + value)


def test_bytes_that_are_not_utf8_survive() -> None:
    value = BlockDecoder(65_536).decode(b"\x88\x00\x01a\x02\xff\xfe").headers["a"]
    assert value.encode("utf-8", "surrogateescape") == b"\xff\xfe"


@given(st.binary(max_size=60))
def test_garbage_raises_nothing_but_faults(data: bytes) -> None:
    with contextlib.suppress(ConnectionFault, StreamFault):
        BlockDecoder(500).decode(data)
