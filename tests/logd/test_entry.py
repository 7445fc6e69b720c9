"""Stored values: golden bytes, round trips, damage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logd.entry import HardState, decode_entry, decode_value, encode_entry, encode_value
from logd.keys import (
    commit_key,
    entry_index,
    entry_key,
    entry_range,
    group_name,
    hard_state_key,
    registry_key,
    registry_range,
    trim_key,
)
from shared.errors import CorruptionError, FormatError


def test_formats_of_version_1() -> None:
    """Golden: these bytes are on disks."""
    entry = encode_entry(group_id=1, index=2, term=3, position=7, command=b"\0batch")
    assert entry.hex() == "01" + "48f3a62c" + "0000000000000003" + "0000000000000007" + "006261746368"
    assert entry_key(1, 2).hex() == "05" + "00000001" + "0000000000000002"
    assert registry_key("p-1") == b"\x01p-1"
    assert [key(1).hex() for key in (hard_state_key, commit_key, trim_key)] == [
        "0200000001",
        "0300000001",
        "0400000001",
    ]
    assert encode_value(HardState(4, "a"), key=hard_state_key(1)).hex() == "01" + "6876480d" + "9204a161"
    assert encode_value(9, key=commit_key(1)).hex() == "01" + "57915ae8" + "09"


@given(
    group_id=st.integers(0, 2**32 - 1),
    index=st.integers(0, 2**64 - 1),
    term=st.integers(0, 2**64 - 1),
    position=st.integers(0, 2**64 - 1),
    command=st.binary(max_size=100),
)
def test_entry_round_trip(group_id: int, index: int, term: int, position: int, command: bytes) -> None:
    value = encode_entry(group_id=group_id, index=index, term=term, position=position, command=command)
    assert decode_entry(value, group="g", group_id=group_id, index=index) == (term, position, command)


@given(position=st.integers(0, 25), bit=st.integers(0, 7))
def test_any_flipped_bit_of_an_entry_is_found(position: int, bit: int) -> None:
    value = bytearray(encode_entry(group_id=1, index=2, term=3, position=4, command=b"batch"))
    value[position] ^= 1 << bit
    with pytest.raises((CorruptionError, FormatError), match="group=p-1 index=2"):
        decode_entry(bytes(value), group="p-1", group_id=1, index=2)


@pytest.mark.parametrize(("group_id", "index"), [(1, 3), (2, 2)])
def test_an_entry_under_a_wrong_key_is_found(group_id: int, index: int) -> None:
    value = encode_entry(group_id=1, index=2, term=3, position=4, command=b"batch")
    with pytest.raises(CorruptionError, match="checksum"):
        decode_entry(value, group="p-1", group_id=group_id, index=index)


def test_a_cut_entry_and_a_newer_one_are_refused() -> None:
    value = encode_entry(group_id=1, index=2, term=3, position=4, command=b"batch")
    with pytest.raises(CorruptionError, match="is cut"):
        decode_entry(value[:20], group="p-1", group_id=1, index=2)
    with pytest.raises(FormatError, match="group=p-1 index=2 has format version 2; this build reads 1"):
        decode_entry(b"\2" + value[1:], group="p-1", group_id=1, index=2)


def test_small_values_are_checked() -> None:
    key = hard_state_key(1)
    value = encode_value(HardState(4, None), key=key)
    assert decode_value(value, HardState, key=key, what="vote") == HardState(4, None)
    with pytest.raises(FormatError, match="vote has format version 2; this build reads 1"):
        decode_value(b"\2" + value[1:], HardState, key=key, what="vote")
    for wrong in (value[:-1] + b"\0", value[:4], b""):
        with pytest.raises(CorruptionError, match="vote"):
            decode_value(wrong, HardState, key=key, what="vote")
    with pytest.raises(CorruptionError, match="vote"):
        decode_value(value, HardState, key=hard_state_key(2), what="vote")
    with pytest.raises(CorruptionError, match="vote"):
        decode_value(encode_value(5, key=key), HardState, key=key, what="vote")


def test_keys_sort_by_group_then_index() -> None:
    keys = [entry_key(1, 1), entry_key(1, 255), entry_key(1, 256), entry_key(2, 0), entry_key(256, 0)]
    assert keys == sorted(keys)
    first, end = entry_range(1)
    assert [first <= key < end for key in keys] == [True, True, True, False, False]
    assert entry_index(entry_key(7, 12345)) == 12345
    first, end = registry_range()
    assert first <= registry_key("zzz") < end
    assert group_name(registry_key("p-17")) == "p-17"
