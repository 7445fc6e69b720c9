"""Everything that a log or a store may hold has words, and what cannot be read is shown as it is."""

from __future__ import annotations

import msgspec
import pytest

from logd.raft.private import COMMAND
from logd.raft.private import NO_OP as RAFT_NO_OP
from partitiond.machine.actions import (
    AbortAttempt,
    AckCommand,
    AckRun,
    Action,
    ForwardNotification,
    InvocationEnded,
    InvocationStored,
    RegisterTimer,
    RetryNow,
    RunRefused,
    SendOutbox,
    StartInvocation,
    SuspensionRefused,
    TerminateOutcome,
)
from scripts.debug.actions import action_words
from scripts.debug.differing import Difference, differences, row_changes
from scripts.debug.logs import BATCH, NO_OP
from scripts.debug.rows import TABLES, decode_row
from shared.ids import encode_invocation_id
from shared.protocol.message_types import MessageType
from shared.storage import keys, values
from shared.storage.values import JournalRow, LargePart, OutboxRow
from shared.wal.commands import CompletionMessage
from sqld.tables.command_words import command_words, entry_words
from tests.partitiond.machine.fixtures import GREETER, Machine, invoke, new_id, set_state
from tests.shared.storage.examples import KEYS, VALUES
from tests.shared.wal.examples import BATCHES

ID = bytes(range(24))


@pytest.mark.parametrize("name", BATCHES)
def test_every_command_has_words(name: str) -> None:
    for command in BATCHES[name].commands:
        words = command_words(command)
        assert "object at" not in words
        assert "\n" not in words


def _actions() -> list[Action]:
    machine = Machine()
    invocation_id = new_id()
    machine.apply(invoke(invocation_id))
    row = machine.row(invocation_id)
    return [
        StartInvocation(ID, row),
        ForwardNotification(ID, 3, 0x8011, b"", 4),
        AckCommand(ID, 3, 1),
        AckRun(ID, 3, 1),
        AbortAttempt(ID, 3),
        SuspensionRefused(ID, 3, [1, 2]),
        RetryNow(ID, 3),
        RegisterTimer(17),
        SendOutbox(5, OutboxRow(1, CompletionMessage(ID, 2, 0x800D, b"x"))),
        InvocationStored(ID, b"u", created=True, start_at_ms=0),
        InvocationEnded(ID, GREETER, b"x", 0),
        RunRefused(ID, b"u"),
        TerminateOutcome(1, "done"),
    ]


def test_every_action_has_words() -> None:
    actions = _actions()
    assert {type(action) for action in actions} == set(Action.__args__)  # type: ignore[attr-defined]
    for action in actions:
        words = action_words(action)
        assert words.startswith(type(action).__name__)
        if hasattr(action, "id"):
            assert encode_invocation_id(ID) in words


def test_every_kind_of_key_has_a_table() -> None:
    named = {name: value for name, value in vars(keys).items() if name.isupper() and isinstance(value, bytes)}
    kinds = {value for value in named.values() if len(value) == 1}
    assert {decode_row(kind + bytes(8), b"").table for kind in kinds} == set(TABLES)


@pytest.mark.parametrize("name", VALUES)
def test_every_stored_value_is_told_by_its_fields(name: str) -> None:
    value, stored = VALUES[name]
    kind = {
        "InvocationRow": keys.INVOCATION + ID,
        "JournalRow": keys.journal_key(ID, 0),
        "EventRow": keys.event_key(ID, 0),
        "LockRow": keys.lock_key(1, "S", "k"),
        "PromiseRow": keys.promise_key(1, "S", "k", "n"),
        "OutboxRow": keys.outbox_key(1),
        "DroppedRow": keys.dropped_key(ID),
        "PartitionMeta": keys.META_KEY,
        "CounterRow": keys.counter_key(1, "a"),
        "QueueRow": keys.queue_key(1, "a", b"q"),
        "MutationRow": keys.mutation_key(1, "S", "k", 1),
        "LargeStateRow": keys.large_state_key(keys.state_key(1, "S", "k", b"n")),
    }.get(type(value).__name__)
    if kind is None:
        pytest.skip("its bytes are no struct")
    row = decode_row(kind, stored)
    assert row.error is None
    assert set(value.__struct_fields__) <= set(row.value)
    msgspec.json.encode(row.value)


def test_an_entry_without_its_large_content_is_told_all_the_same() -> None:
    raw = set_state(b"n", bytes(70_000)).raw
    whole = JournalRow(MessageType.SET_STATE, raw, 0)
    head = len(raw) - 70_000
    cut = JournalRow(MessageType.SET_STATE, raw[:head], 0, large=LargePart(1, head, 70_000))
    assert entry_words(cut) == entry_words(whole)
    assert "cannot be read" not in entry_words(cut)


@pytest.mark.parametrize("name", KEYS)
def test_every_key_is_decoded(name: str) -> None:
    row = decode_row(KEYS[name], None)
    assert row.error is None
    assert row.table != "unknown"


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        (keys.INVOCATION + ID, b"\xc1", "unreadable value"),
        (keys.journal_key(ID, 1), values.encode([0x7FFF, b"", 0]), "unreadable value"),
        (keys.STATE + b"\x00", b"x", "unreadable key"),
        (b"\x99abc", b"x", "no table has the kind 0x99"),
    ],
)
def test_what_cannot_be_decoded_is_shown_with_its_bytes(key: bytes, value: bytes, error: str) -> None:
    row = decode_row(key, value)
    assert row.error is not None
    assert error in row.error
    assert value.hex() in str(row.value) or key.hex() in str(row.key)


def test_differences_are_told_field_by_field() -> None:
    machine = Machine()
    invocation_id = new_id()
    machine.apply(invoke(invocation_id))
    key = keys.invocation_key(invocation_id)
    row = machine.row(invocation_id)
    before = values.encode(row)
    row.journal_length = 7
    changed = values.encode(row)
    found = list(differences([(b"\x01\x00", b"1"), (key, before)], [(key, changed), (b"\x01\x01", b"2")]))
    assert set(found) == {
        Difference(b"\x01\x00", b"1", None),
        Difference(b"\x01\x01", None, b"2"),
        Difference(key, before, changed),
    }
    assert [change.path for change in row_changes(Difference(key, before, changed))] == ["journal_length"]


def test_raft_marks_its_entries_as_the_reader_takes_them() -> None:
    assert (BATCH, NO_OP) == (COMMAND, RAFT_NO_OP)
