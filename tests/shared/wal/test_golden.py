"""The log's bytes: what was written once is read for ever, and what cannot be read is never skipped."""

from __future__ import annotations

import contextlib
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import CorruptionError, FormatError
from shared.wal import batch as batch_module
from shared.wal import commands as wal
from shared.wal.batch import FORMAT_VERSION, Batch, decode_batch, encode_batch
from shared.wal.commands import CallEntry, Command, Deliver, Effect, InvokerEffects, OutboxMessage
from tests.shared.golden import NEWEST, RELEASES, read_golden
from tests.shared.wal.examples import BATCHES

RELEASED = {release: read_golden(f"wal/golden-{release}.txt") for release in RELEASES}
GOLDEN = RELEASED[NEWEST]

#: Never given to something else; a retired one stays here.
TAGS = {
    "Command": {
        1: "AnnounceLeader", 2: "Invoke", 3: "InvokerEffects", 4: "FireTimers", 5: "Deliver", 6: "TruncateOutbox",
        7: "CompleteAwakeable", 8: "Terminate", 9: "CleanUp", 10: "PauseInvocation", 11: "ResumeInvocation",
        12: "RestartAsNew", 13: "SetRules", 14: "PatchState",
    },
    "Effect": {
        1: "Pin", 2: "Entry", 3: "CallEntry", 4: "RunCompletion", 5: "Suspend", 6: "End", 7: "GiveUp", 8: "Pause",
        9: "SuspendOn", 10: "Failed", 11: "Yield", 12: "AskIds", 13: "SetPackedState",
    },
    "OutboxMessage": {
        1: "InvokeMessage", 2: "CompletionMessage", 3: "SignalMessage", 4: "AttachMessage", 5: "KillMessage",
    },
}  # fmt: skip


@pytest.mark.parametrize(("release", "name"), [(release, name) for release in RELEASES for name in RELEASED[release]])
def test_old_bytes_decode_to_what_was_meant(release: str, name: str) -> None:
    assert decode_batch(RELEASED[release][name]) == BATCHES[name]


@pytest.mark.parametrize("name", BATCHES)
def test_this_build_writes_the_newest_known_bytes(name: str) -> None:
    assert encode_batch(BATCHES[name]).hex() == GOLDEN[name].hex(), "see tests/shared/golden.py"


def test_every_command_effect_and_message_has_golden_bytes() -> None:
    commands = [command for batch in BATCHES.values() for command in batch.commands]
    effects = [effect for c in commands if isinstance(c, InvokerEffects) for effect in c.effects]
    messages = [message for c in commands if isinstance(c, Deliver) for _, message in c.messages]
    assert {type(command) for command in commands} == set(get_args(Command))
    assert {type(effect) for effect in effects} == set(get_args(Effect))
    assert {type(message) for message in messages} == set(get_args(OutboxMessage))


@pytest.mark.parametrize("union", TAGS)
def test_tags_are_never_given_to_something_else(union: str) -> None:
    members = get_args(getattr(wal, union))
    assert {member.__struct_config__.tag: member.__name__ for member in members} == TAGS[union]


def test_enums_that_are_stored_keep_their_numbers() -> None:
    assert {kind.name: kind.value for kind in wal.HandlerKind} == {
        "SERVICE": 0, "OBJECT_EXCLUSIVE": 1, "OBJECT_SHARED": 2, "WORKFLOW_RUN": 3, "WORKFLOW_SHARED": 4,
    }  # fmt: skip
    assert {mode.name: mode.value for mode in wal.TerminateMode} == {
        "CANCEL": 0, "KILL": 1, "PURGE": 2, "PURGE_JOURNAL": 3,
    }  # fmt: skip


def _with(commands: list[object]) -> bytes:
    return bytes([FORMAT_VERSION]) + msgspec.msgpack.encode([1, 1, 1, commands])


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "unreadable batch: it is empty"),
        (b"\x00", "format version is 0"),
        (b"\x01", "unreadable batch"),
        (GOLDEN["invoke"][:-1], "unreadable batch"),
        (GOLDEN["invoke"] + b"\x00", "unreadable batch"),
        (_with([[100, b""]]), "unreadable batch.*100"),
        (_with([[0]]), "unreadable batch"),
        (_with([["Invoke"]]), "unreadable batch"),
        (_with([[3, bytes(24), 1, [[99]]]]), "unreadable batch.*99"),
        (_with([[5, 1, [[1, [60, b""]]]]]), "unreadable batch.*60"),
        (_with([[4]]), "unreadable batch"),
        (_with([[4, "now"]]), "unreadable batch"),
        (_with([[8, bytes(24), 30]]), "unreadable batch.*30"),
    ],
    ids=[
        "empty", "version 0", "nothing behind the version", "cut", "one byte too many",
        "unknown command", "tag 0", "tag by name", "unknown effect", "unknown message", "field missing", "wrong type",
        "unknown mode",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_an_error(data: bytes, text: str) -> None:
    with pytest.raises(CorruptionError, match=text):
        decode_batch(data)


def test_a_newer_version_is_refused_by_name() -> None:
    with pytest.raises(
        FormatError, match=rf"format version {FORMAT_VERSION + 1}; this build reads 1 to {FORMAT_VERSION}"
    ):
        decode_batch(bytes([FORMAT_VERSION + 1]) + encode_batch(BATCHES["invoke"])[1:])


@pytest.mark.parametrize("name", BATCHES)
def test_a_build_of_version_1_refuses_what_this_one_writes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated: the number was 1 in all builds up to 0.3."""
    monkeypatch.setattr(batch_module, "FORMAT_VERSION", 1)
    with pytest.raises(FormatError, match="format version 2; this build reads 1: use the newer build"):
        decode_batch(encode_batch(BATCHES[name]))


def test_a_record_of_this_version_with_more_fields_at_the_end_is_read() -> None:
    """A newer build that added a field with a default, and is rolled back: the field is not known here."""
    data = bytes([FORMAT_VERSION]) + msgspec.msgpack.encode([1, 1, 1, [[4, 5, 6, "a new field"]]])
    assert decode_batch(data).commands == [wal.FireTimers(5, 6)]


@pytest.mark.parametrize("name", GOLDEN)
def test_any_cut_is_an_error_and_never_a_shorter_batch(name: str) -> None:
    data = GOLDEN[name]
    for at in range(len(data)):
        with pytest.raises(CorruptionError):
            decode_batch(data[:at])


@settings(deadline=None)
@given(st.sampled_from(sorted(GOLDEN)), st.data())
def test_damaged_bytes_are_an_error_or_a_batch_and_nothing_else(name: str, data: st.DataObject) -> None:
    damaged = bytearray(GOLDEN[name])
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    # UnicodeDecodeError: see the test below.
    with contextlib.suppress(CorruptionError, FormatError, UnicodeDecodeError):
        decode_batch(bytes(damaged))


def test_text_that_is_not_utf8_is_a_corruption_too() -> None:
    with pytest.raises(CorruptionError):
        decode_batch(GOLDEN["announce"].replace(b"node-1", b"node-\xff"))


_failures = st.builds(
    wal.Failure,
    st.integers(0, 65535),
    st.text(max_size=9),
    st.lists(st.tuples(st.text(max_size=3), st.text()), max_size=2),
)
_results = st.one_of(st.binary(max_size=9), _failures)
_targets = st.builds(
    wal.Target, st.text(max_size=5), st.text(max_size=5), st.none() | st.text(), st.sampled_from(wal.HandlerKind)
)
_ids = st.binary(min_size=24, max_size=24)
_callers = st.builds(wal.Caller, _ids, st.none() | st.integers(0, 1 << 32), _targets, st.integers(0, 1 << 63))
_invokes = st.builds(
    wal.Invoke, _ids, _targets, st.binary(max_size=9), st.none() | st.text(max_size=5), st.integers(0, 1 << 50),
    st.integers(0, 1 << 50), st.integers(0, 1 << 50), st.none() | _callers, st.none() | st.text(max_size=5),
    st.binary(max_size=16),
)  # fmt: skip
_effects: st.SearchStrategy[Effect] = st.one_of(
    st.builds(wal.Pin, st.text(max_size=9), st.integers(0, 9)),
    st.builds(wal.Entry, st.integers(0, 65535), st.binary(max_size=9), st.booleans()),
    st.builds(CallEntry, st.integers(0, 65535), st.binary(max_size=9), _invokes, st.integers(0, 99), st.booleans()),
    st.builds(wal.RunCompletion, st.integers(0, 99), _results),
    st.builds(wal.Suspend, st.lists(st.integers(0, 9)), st.lists(st.integers(0, 99)), st.lists(st.text(max_size=4))),
    st.just(wal.End()),
    st.builds(wal.GiveUp, _failures),
    st.builds(wal.Pause, _failures),
)
_commands: st.SearchStrategy[Command] = st.one_of(
    _invokes,
    st.builds(InvokerEffects, _ids, st.integers(0, 1 << 63), st.lists(_effects, max_size=3)),
    st.builds(wal.CompleteAwakeable, _ids, st.integers(0, 1 << 32), _results),
    st.builds(wal.CleanUp, st.lists(_ids, max_size=3)),
    st.builds(
        wal.PatchState, st.binary(max_size=16), st.text(max_size=5), st.text(max_size=5), st.none() | st.text(),
        st.none() | st.text(), st.lists(st.tuples(st.binary(max_size=5), st.binary(max_size=5)), max_size=3),
    ),
)  # fmt: skip


@settings(deadline=None)
@given(st.integers(0, 1 << 63), st.integers(0, 1 << 63), st.integers(0, 1 << 50), st.lists(_commands, max_size=3))
def test_any_batch_comes_back_as_it_was(epoch: int, seq: int, at_ms: int, commands: list[Command]) -> None:
    batch = Batch(epoch, seq, at_ms, commands)
    data = encode_batch(batch)
    assert decode_batch(data) == batch
    assert encode_batch(decode_batch(data)) == data
