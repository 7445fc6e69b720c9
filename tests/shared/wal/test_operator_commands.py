"""Golden bytes of what operators ask for and of journal events: they are in logs and stores for ever."""

from __future__ import annotations

import pytest

from shared.storage.values import EventKind, EventRow, decode_event, decode_invocation, encode
from shared.wal.batch import Batch, decode_batch, encode_batch
from shared.wal.commands import (
    Command,
    DeploymentChoice,
    Failed,
    Failure,
    FailureDetail,
    InvokerEffects,
    Pause,
    PauseInvocation,
    RestartAsNew,
    ResumeInvocation,
    Terminate,
    TerminateMode,
)

ID = bytes(range(24))
NEW = bytes(range(8)) + bytes(16)
DETAIL = FailureDetail(500, "m", "RT0007", "s", 1, "n", "Run")

GOLDEN: dict[str, tuple[Command, str]] = {
    "pause": (PauseInvocation(ID, 7), "019401020391940ac418000102030405060708090a0b0c0d0e0f101112131415161707c0"),
    "pause with the last failure": (
        PauseInvocation(ID, 7, DETAIL),
        "019401020391940ac418000102030405060708090a0b0c0d0e0f10111213141516170797cd01f4a16da6525430303037a17301a16ea352756e",
    ),
    "resume": (ResumeInvocation(ID, 7), "019401020391940bc418000102030405060708090a0b0c0d0e0f101112131415161707c0"),
    "resume elsewhere": (
        ResumeInvocation(ID, 7, DeploymentChoice("dp_1", 5, 6)),
        "019401020391940bc418000102030405060708090a0b0c0d0e0f10111213141516170793a464705f310506",
    ),
    "restart": (
        RestartAsNew(ID, NEW, 7, 2, DeploymentChoice("dp_1", 5, 6), True),
        "019401020391970cc418000102030405060708090a0b0c0d0e0f1011121314151617c418000102030405060700000000000000000000000000000000070293a464705f310506c3",
    ),
    "purge-journal": (
        Terminate(ID, TerminateMode.PURGE_JOURNAL, 7),
        "0194010203919408c418000102030405060708090a0b0c0d0e0f10111213141516170307",
    ),
    "failed": (
        InvokerEffects(ID, 1, [Failed(DETAIL)]),
        "0194010203919403c418000102030405060708090a0b0c0d0e0f10111213141516170191920a97cd01f4a16da6525430303037a17301a16ea352756e",
    ),
    "paused": (
        InvokerEffects(ID, 1, [Pause(Failure(500, "m"), DETAIL, 7)]),
        "0194010203919403c418000102030405060708090a0b0c0d0e0f10111213141516170191940893cd01f4a16d9097cd01f4a16da6525430303037a17301a16ea352756e07",
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_commands_keep_their_bytes(name: str) -> None:
    command, golden = GOLDEN[name]
    batch = Batch(1, 2, 3, [command])
    # As version 1 wrote them: nothing but the number in front has changed since.
    assert encode_batch(batch).hex()[2:] == golden[2:]
    assert decode_batch(bytes.fromhex(golden)) == batch


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ("9208" + "93cd01f4a16d90", None),
        ("9308" + "93cd01f4a16d90" + "97cd01f4a16da6525430303037a17301a16ea352756e", DETAIL),
    ],
)
def test_a_pause_of_an_older_build_is_read(fields: str, detail: FailureDetail | None) -> None:
    """It had fewer fields: 03 effects, [8, failure] or [8, failure, detail]."""
    old = "01940102039194" + "03" + "c418" + ID.hex() + "01" + "91" + fields
    (command,) = decode_batch(bytes.fromhex(old)).commands
    assert command == InvokerEffects(ID, 1, [Pause(Failure(500, "m"), detail)])


def test_events_keep_their_bytes() -> None:
    event = EventRow(EventKind.TRANSIENT_ERROR, 3, 4, DETAIL)
    assert encode(event).hex() == "9401030497cd01f4a16da6525430303037a17301a16ea352756e"
    assert decode_event(encode(event)) == event
    assert decode_event(encode(EventRow(EventKind.PAUSED, 3, 4))).failure is None


def test_an_invocation_of_an_older_build_is_read() -> None:
    """16 fields: without open runs, events, and where it was restarted from."""
    old = bytes.fromhex("dc001003" + "94a153a168c000" + "01010100000000" + "c0c090c0c400c000")
    row = decode_invocation(old)
    assert (row.open_runs, row.event_count, row.restarted_from, row.seed_id) == ([], 0, None, None)
