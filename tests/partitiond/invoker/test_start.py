"""The Start message and the replay, read back by protobuf."""

from __future__ import annotations

from typing import Any

import pytest

from partitiond.invoker.protocol.header import FrameReader
from partitiond.invoker.protocol.start import encode_start, encode_state, random_seed
from shared.ids import encode_invocation_id
from shared.protocol import service_pb2 as pb

_ID = bytes(range(24))


def _start(**changes: Any) -> pb.Start:
    fields: dict[str, Any] = {
        "invocation_id": _ID,
        "debug_id": encode_invocation_id(_ID),
        "known_entries": 1,
        "state": b"",
        "partial_state": False,
        "key": None,
        "retry_count": 0,
        "stored_ago_ms": 0,
        "protocol_version": 6,
    }
    messages = FrameReader(1 << 20).feed(encode_start(**(fields | changes)))
    assert [message_type for message_type, _, _ in messages] == [0]
    return pb.Start.FromString(messages[0][2])


def test_start_of_version_6() -> None:
    assert _start() == pb.Start(
        id=_ID, debug_id=encode_invocation_id(_ID), known_entries=1, random_seed=random_seed(_ID)
    )


def test_version_5_has_no_random_seed() -> None:
    assert _start(protocol_version=5).random_seed == 0


@pytest.mark.parametrize("version", [5, 6, 7])
@pytest.mark.parametrize(("scope", "limit_key"), [(None, None), ("s", None), ("s" * 36, "a" * 36 + "/" + "b" * 36)])
def test_scope_and_limit_key_since_version_7(version: int, scope: str | None, limit_key: str | None) -> None:
    start = _start(protocol_version=version, scope=scope, limit_key=limit_key, idempotency_key="i")
    told = version >= 7
    assert start == _start(protocol_version=version, idempotency_key="i") if not told else True
    assert (start.HasField("scope"), start.HasField("limit_key")) == (told and bool(scope), told and bool(limit_key))
    if told:
        assert (start.scope, start.limit_key, start.idempotency_key) == (scope or "", limit_key or "", "i")


@pytest.mark.parametrize("number", [0, 1, 127, 128, 16383, 16384, 2**31])
def test_numbers_of_every_length(number: int) -> None:
    start = _start(known_entries=number, retry_count=number, stored_ago_ms=number * 1000)
    assert start.known_entries == number
    assert start.retry_count_since_last_stored_entry == number
    assert start.duration_since_last_stored_entry == number * 1000


def test_clock_that_went_back_is_no_duration() -> None:
    assert _start(stored_ago_ms=-5).duration_since_last_stored_entry == 0


@pytest.mark.parametrize("key", ["", "k", "ключ", "k" * 300])
def test_key(key: str) -> None:
    assert _start(key=key).key == key


def test_state_is_sent_up_to_the_limit() -> None:
    entries = [(b"a", b"1" * 10), (b"b", b"2" * 200), (b"c", b"")]
    state = encode_state(entries, bytes_limit=1000, value_bytes_limit=1000)
    assert state.size == sum(map(len, state.parts))
    start = _start(state=b"".join(state.parts), partial_state=state.partial)
    assert [(entry.key, entry.value) for entry in start.state_map] == entries
    assert not start.partial_state
    state = encode_state(entries, bytes_limit=100, value_bytes_limit=1000)
    start = _start(state=b"".join(state.parts), partial_state=state.partial)
    assert [(entry.key, entry.value) for entry in start.state_map] == entries[:1]
    assert start.partial_state
    assert state.cut


def test_large_values_are_left_for_lazy_reads_and_smaller_ones_behind_them_are_sent() -> None:
    entries = [(b"a", b"1" * 10), (b"b", b"2" * 200), (b"c", b"3" * 100)]
    # Last one that was not even read.
    state = encode_state([*entries, (b"d", None)], bytes_limit=1000, value_bytes_limit=100)
    assert (state.cut, state.partial) == (False, True)
    start = _start(state=b"".join(state.parts), partial_state=state.partial)
    assert [(entry.key, entry.value) for entry in start.state_map] == [entries[0], entries[2]]
    assert start.partial_state


def test_large_state_follows_the_start_in_pieces() -> None:
    entries = [(b"%d" % number, b"v" * size) for number, size in enumerate((10, 5000, 0, 200_000))]
    parts, size, _, _ = encode_state(entries, bytes_limit=1 << 20, value_bytes_limit=1 << 20)
    assert max(map(len, parts)) == 200_000, "a large value is not copied"
    start = encode_start(
        invocation_id=_ID, debug_id=encode_invocation_id(_ID), known_entries=1, state=b"", partial_state=False, key="k",
        retry_count=0, stored_ago_ms=0, protocol_version=6, state_behind=size,
    )  # fmt: skip
    ((_, _, raw),) = FrameReader(1 << 20).feed(b"".join([start, *parts]))
    assert [(entry.key, entry.value) for entry in pb.Start.FromString(raw).state_map] == entries


def test_random_seed_is_stable_and_differs() -> None:
    assert random_seed(_ID) == 16940073577698638202
    assert random_seed(_ID) != random_seed(bytes(24))
