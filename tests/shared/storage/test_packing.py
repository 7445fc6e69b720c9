"""Contents packed and unpacked: what comes back is what went in, and what is hardly smaller is left alone."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import CorruptionError, FormatError
from shared.storage.packing import Packing, pack, unpack

_JSON = b",".join(b'{"id":%d,"name":"customer %d","open":%s}' % (i, i % 7, b"true") for i in range(3000))
_NOISE = random.Random(1).randbytes(100_000)


@pytest.mark.parametrize("content", [b"a" * 70_000, b"a" * 3_000_000, _JSON, "grün ".encode() * 20_000])
def test_a_text_is_packed_and_comes_back(content: bytes) -> None:
    packed = pack(memoryview(content))
    assert packed is not None
    assert len(packed) < len(content) / 4
    assert unpack(packed, Packing.ZSTD, len(content)) == content


@given(st.binary(max_size=2000).map(lambda part: part * 3))
def test_whatever_is_packed_comes_back(content: bytes) -> None:
    packed = pack(content)
    if packed is not None:
        assert len(packed) <= len(content) * 7 / 8 + 1
        assert unpack(packed, Packing.ZSTD, len(content)) == content


@pytest.mark.parametrize("content", [b"", b"x", _NOISE, _NOISE + bytes(5000)])
def test_what_is_hardly_smaller_is_left_as_it_is(content: bytes) -> None:
    assert pack(content) is None


def test_a_plain_content_is_what_is_stored() -> None:
    assert unpack(_NOISE, Packing.PLAIN, len(_NOISE)) is _NOISE


@pytest.mark.parametrize("size", [0, 1, len(_JSON) - 1, len(_JSON) + 1])
def test_another_size_is_told(size: int) -> None:
    packed = pack(_JSON)
    assert packed is not None
    for stored, packing in ((packed, Packing.ZSTD), (_JSON, Packing.PLAIN)):
        with pytest.raises(CorruptionError, match="restore the store"):
            unpack(stored, packing, size)


def test_an_unknown_packing_is_an_error() -> None:
    with pytest.raises(FormatError, match="the packing 9, which this build does not know"):
        unpack(b"x", 9, 1)


@pytest.mark.parametrize("stored", [b"", b"no frame", (pack(_JSON) or b"")[:-10]])
def test_what_is_no_frame_is_an_error(stored: bytes) -> None:
    with pytest.raises(CorruptionError, match=r"cannot be unpacked: .*; restore the store"):
        unpack(stored, Packing.ZSTD, len(_JSON))
