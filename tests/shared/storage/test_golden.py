"""The store's bytes: keys and rows that were written once are read for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.storage import keys, values
from shared.storage.values import InvocationRow, JournalRow, Status, encode
from tests.shared.golden import NEWEST, RELEASES, read_golden
from tests.shared.storage.examples import KEYS, VALUES
from tests.shared.wal.examples import CALLER_ID, GREETER, ID

GOLDEN_KEYS = read_golden("storage/keys.txt")
RELEASED = {release: read_golden(f"storage/values-{release}.txt") for release in RELEASES}
GOLDEN_VALUES = RELEASED[NEWEST]
DECODERS: dict[str, Callable[[bytes], Any]] = {
    "invocation": values.decode_invocation,
    "journal": values.decode_journal,
    "lock": values.decode_lock,
    "promise": values.decode_promise,
    "outbox": values.decode_outbox_row,
    "meta": values.decode_meta,
    "event": values.decode_event,
    "dropped": values.decode_dropped,
    "counter": values.decode_counter,
    "queue": values.decode_queue,
    "mutation": values.decode_mutation,
    "large_state": values.decode_large_state,
}


def decoder(name: str) -> Callable[[bytes], Any]:
    return DECODERS[name.partition("-")[0]]


def test_an_invocations_head_is_read_off_rows_of_every_release() -> None:
    read = 0
    for golden in RELEASED.values():
        for name, value in golden.items():
            if name.partition("-")[0] == "invocation":
                row, head = values.decode_invocation(value), values.decode_invocation_head(value)
                assert head == values.InvocationHead(
                    row.status.value,
                    head.target,
                    row.generation,
                    row.journal_length,
                    row.command_count,
                    row.created_at_ms,
                    row.modified_at_ms,
                )
                assert msgspec.msgpack.decode(head.target, type=type(row.target)) == row.target
                read += 1
    assert read >= len(RELEASED)


def test_keys_are_what_they_were() -> None:
    assert {name: key.hex() for name, key in KEYS.items()} == {name: key.hex() for name, key in GOLDEN_KEYS.items()}


def test_key_kinds_are_never_given_to_something_else() -> None:
    names = [name for name in keys.__all__ if name.isupper() and name not in ("META_KEY", "SCOPED")]
    kinds = {name: getattr(keys, name) for name in names}
    assert kinds == {
        "INVOCATION": b"\x01", "JOURNAL": b"\x02", "NOTIFICATION": b"\x03", "STATE": b"\x04", "LOCK": b"\x05",
        "INBOX": b"\x06", "PROMISE": b"\x07", "EVENT": b"\x08", "TIMER": b"\x20", "OUTBOX": b"\x21",
        "DEDUP": b"\x22", "META": b"\x30", "SCOPED_STATE": b"\x14", "SCOPED_LOCK": b"\x15",
        "SCOPED_INBOX": b"\x16", "SCOPED_PROMISE": b"\x17", "COUNTER": b"\x18", "RING": b"\x19", "QUEUE": b"\x1a",
        "WAITER": b"\x1b", "DROPPED": b"\x1c", "RUNNING": b"\x1d", "RULES": b"\x31",
        "MUTATION": b"\x09", "SCOPED_MUTATION": b"\x1e", "PATCHED": b"\x23", "LARGE": b"\x0a", "LARGE_USES": b"\x0b",
        "LARGE_STATE": b"\x0c", "SCOPED_LARGE_STATE": b"\x1f",
    }  # fmt: skip
    assert {status.name: status.value for status in Status} == {
        "SCHEDULED": 1, "INBOXED": 2, "INVOKED": 3, "SUSPENDED": 4, "PAUSED": 5, "COMPLETED": 6,
    }  # fmt: skip


@pytest.mark.parametrize(("release", "name"), [(release, name) for release in RELEASES for name in RELEASED[release]])
def test_old_rows_decode_to_what_was_meant(release: str, name: str) -> None:
    assert decoder(name)(RELEASED[release][name]) == VALUES[name][0]


@pytest.mark.parametrize("name", VALUES)
def test_this_build_writes_the_newest_known_rows(name: str) -> None:
    assert VALUES[name][1].hex() == GOLDEN_VALUES[name].hex(), "see tests/shared/golden.py"


@pytest.mark.parametrize("name", VALUES)
def test_fields_with_a_default_may_be_missing_and_unknown_ones_follow(name: str) -> None:
    """An older build did not know the last fields; a newer one may have added some."""
    row, data = VALUES[name]
    fields = msgspec.msgpack.decode(data)
    struct = msgspec.structs.fields(row)
    required = [field.name for field in struct if field.required]
    older = decoder(name)(encode(fields[: len(required)]))
    assert [getattr(older, field) for field in required] == [getattr(row, field) for field in required]
    assert decoder(name)(encode([*fields, "a new field"])) == row
    with pytest.raises(msgspec.MsgspecError):
        decoder(name)(encode(fields[: len(required) - 1]))


@pytest.mark.parametrize("status", Status)
def test_the_status_of_an_invocation_is_its_fourth_byte(status: Status) -> None:
    """Recovery and the cleaner look at it without decoding the row."""
    row = values.decode_invocation(GOLDEN_VALUES["invocation"])
    row.status = status
    short = InvocationRow(status, GREETER, 1, 1, 1, 0, 0, 0, 0)
    for data in (encode(row), encode(short)):
        assert (data[0], data[3]) == (0xDC, status)


def test_codecs_read_back_what_they_made() -> None:
    assert keys.decode_object(KEYS["state"]) == (0x0102030405060708, None, "Counter", "c1", b"n")
    assert keys.decode_object(KEYS["scoped-state"]) == (0x0102030405060708, "tenant-1", "Counter", "c1", b"n")
    assert keys.decode_object(KEYS["inbox"])[4] == (258).to_bytes(8, "big")
    assert keys.decode_timer(KEYS["timer"]) == (1_700_000_000_000, ID, 258)
    assert keys.decode_outbox(KEYS["outbox"]) == 258
    assert values.decode_inbox(ID) == ID
    assert values.decode_inbox(b"") is None


_names = st.text(max_size=6)
_objects = st.tuples(_names, _names, st.none() | st.text("ab", min_size=1, max_size=3))
_places = st.integers(0, (1 << 64) - 1)


@settings(deadline=None)
@given(_places, _objects, _objects)
def test_rows_of_one_object_are_never_among_those_of_another(
    place: int, this: tuple[str, str, str | None], that: tuple[str, str, str | None]
) -> None:
    prefix = keys.object_prefix(keys.STATE, place, *this)
    other = keys.object_prefix(keys.STATE, place, *that)
    assert other.startswith(prefix) == (this == that)
    service, key, scope = that
    assert keys.decode_object(other + b"rest") == (place, scope, service, key, b"rest")
    if scope is not None:
        assert other.startswith(keys.scope_prefix(keys.STATE, place, scope))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1 << 63), st.sampled_from([ID, CALLER_ID]), st.integers(0, 1 << 31))))
def test_timers_are_in_the_order_of_time(timers: list[tuple[int, bytes, int]]) -> None:
    made = sorted(keys.timer_key(*timer) for timer in timers)
    assert [keys.decode_timer(key)[0] for key in made] == sorted(at for at, _, _ in timers)


@settings(deadline=None)
@given(st.lists(st.integers(0, (1 << 32) - 1), unique=True))
def test_journal_rows_are_in_the_order_of_their_index(indexes: list[int]) -> None:
    made = sorted(keys.journal_key(ID, index) for index in indexes)
    assert made == [keys.journal_key(ID, index) for index in sorted(indexes)]
    prefix = keys.journal_prefix(ID)
    assert all(prefix <= key < keys.prefix_end(prefix) for key in made)


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=5).filter(lambda p: p.strip(b"\xff")), st.binary(max_size=5))
def test_the_end_of_a_prefix_is_behind_all_that_begins_with_it(prefix: bytes, rest: bytes) -> None:
    end = keys.prefix_end(prefix)
    assert prefix + rest < end
    assert not end.startswith(prefix)
    assert end <= prefix[:-1] + b"\xff" * 9 or prefix[-1:] == b"\xff"


def test_journal_rows_hold_the_wire_bytes_as_they_are() -> None:
    raw = bytes(range(256))
    assert values.decode_journal(encode(JournalRow(1, raw, 2))).raw == raw
