"""Every status against every command: what it becomes, or that nothing changes. Nothing is left unlisted."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from partitiond.machine.actions import InvocationEnded, StartInvocation
from partitiond.machine.status import TRANSITIONS, move
from shared.protocol.message_types import MessageType as M
from shared.storage import keys
from shared.storage.values import InvocationRow, Status
from shared.wal.commands import (
    AnnounceLeader,
    AttachMessage,
    Caller,
    CleanUp,
    Command,
    CompleteAwakeable,
    CompletionMessage,
    Deliver,
    Effect,
    End,
    Failure,
    FireTimers,
    GiveUp,
    Invoke,
    InvokeMessage,
    InvokerEffects,
    KillMessage,
    OutboxMessage,
    Pause,
    Pin,
    RunCompletion,
    SignalMessage,
    Suspend,
    Terminate,
    TerminateMode,
    TruncateOutbox,
)
from tests.partitiond.machine.fixtures import (
    COUNTER,
    GREETER,
    HOUR_MS,
    Machine,
    call,
    invoke,
    new_id,
    output,
    sleep,
)

#: What it waits for while it is suspended.
AWAITED_COMPLETION, AWAITED_SIGNAL = 1, 17
START_IN_MS = 60_000
BROKEN = Failure(500, "broken")

COLUMNS: list[Status | None] = [None, *Status]
#: A row a command; the columns are: none yet, and the statuses in their order. A cell is the status afterwards:
#: S(cheduled) I(nboxed) R(unning: INVOKED) U (SUSPENDED) P(aused) C(ompleted), `-` for none; `=` when nothing at all
#: changed; `~` when it stays as it is and only its journal or its callers changed.
TABLE = """
                           -  S  I  R  U  P  C
Invoke                     R  =  =  =  =  =  =
Invoke by another caller   R  ~  ~  ~  ~  ~  =
effect Pin                 =  =  =  ~  =  =  =
effect Output              =  =  =  ~  =  =  =
effect Sleep               =  =  =  ~  =  =  =
effect Call                =  =  =  ~  =  =  =
effect RunCompletion       =  =  =  ~  =  =  =
effect Suspend             =  =  =  U  =  =  =
effect End                 =  =  =  C  =  =  =
effect GiveUp              =  =  =  C  =  =  =
effect Pause               =  =  =  P  =  =  =
effect of an older attempt =  =  =  =  =  =  =
FireTimers start           =  R  =  =  =  =  =
FireTimers sleep           =  =  ~  ~  R  ~  =
Deliver completion         =  ~  ~  ~  R  ~  =
Deliver other completion   =  ~  ~  ~  ~  ~  =
Deliver signal             =  ~  ~  ~  R  ~  =
Deliver cancel             =  C  C  ~  ~  R  =
Deliver kill               =  C  C  C  C  C  =
Deliver attach             =  ~  ~  ~  ~  ~  =
Deliver output             =  =  =  =  =  =  =
CompleteAwakeable          =  ~  ~  ~  R  ~  =
Terminate cancel           =  C  C  ~  ~  R  =
Terminate kill             =  C  C  C  C  C  =
Terminate purge            =  =  =  =  =  =  -
CleanUp early              =  =  =  =  =  =  =
CleanUp due                =  =  =  =  =  =  -
TruncateOutbox             =  =  =  =  =  =  =
AnnounceLeader             =  =  =  =  =  =  =
"""
LETTERS = {"S": Status.SCHEDULED, "I": Status.INBOXED, "R": Status.INVOKED, "U": Status.SUSPENDED, "P": Status.PAUSED}
LETTERS["C"] = Status.COMPLETED


class Scene:
    """An object's invocation in one status, and another invocation that may take part."""

    def __init__(self, status: Status | None) -> None:
        self.machine = Machine()
        self.id = new_id(COUNTER)
        self.other = new_id(GREETER)
        self.machine.apply(invoke(self.other, GREETER))
        if status is not None:
            self._bring_to(status)
        row = self.row()
        assert (None if row is None else row.status) is status

    def row(self) -> InvocationRow | None:
        return self.machine.row(self.id) if self.machine.exists(self.id) else None

    def _bring_to(self, status: Status) -> None:
        machine = self.machine
        if status is Status.SCHEDULED:
            self.invoke = invoke(self.id, COUNTER, uid=b"u", start_at_ms=machine.now_ms + START_IN_MS)
            machine.apply(self.invoke)
            return
        if status is Status.INBOXED:
            machine.apply(invoke(new_id(COUNTER), COUNTER))
        machine.apply(invoke(self.id, COUNTER, uid=b"u"))
        match status:
            case Status.SUSPENDED:
                machine.report(self.id, Suspend([AWAITED_COMPLETION], [AWAITED_SIGNAL], []))
            case Status.PAUSED:
                machine.report(self.id, Pause(BROKEN))
            case Status.COMPLETED:
                machine.report(self.id, output(), End())


def reports(*effects: Effect, older: bool = False) -> Callable[[Scene], Command]:
    def make(scene: Scene) -> Command:
        row = scene.row()
        generation = 1 if row is None else row.generation
        return InvokerEffects(scene.id, generation - older, list(effects))

    return make


def delivers(make: Callable[[Scene], OutboxMessage]) -> Callable[[Scene], Command]:
    return lambda scene: Deliver(7, [(1, make(scene))])


def calls(scene: Scene) -> Command:
    callee = invoke(new_id(GREETER), GREETER)
    row = scene.row()
    effect = call(scene.id, COUNTER, callee, id_completion=8, completion=9)
    return InvokerEffects(scene.id, 1 if row is None else row.generation, [effect])


def invoked_by_other(scene: Scene) -> Invoke:
    return invoke(scene.id, COUNTER, caller=Caller(scene.other, 5, GREETER))


def sleep_timer(scene: Scene) -> Command:
    """A timer of this very invocation is due, whatever it does now."""
    row = scene.row()
    born_lsn = 1 if row is None else row.born_lsn
    key = keys.timer_key(scene.machine.now_ms - 1, scene.id, AWAITED_COMPLETION)
    scene.machine.store.commit({key: born_lsn.to_bytes(8, "big")})
    return FireTimers(scene.machine.now_ms)


def start_timer(scene: Scene) -> Command:
    scene.machine.now_ms += START_IN_MS
    return FireTimers(scene.machine.now_ms)


def clean_up(scene: Scene, *, after_ms: int) -> Command:
    scene.machine.now_ms += after_ms
    return CleanUp([scene.id])


COMMANDS: dict[str, Callable[[Scene], Command]] = {
    "Invoke": lambda scene: invoke(scene.id, COUNTER, uid=b"u"),
    "Invoke by another caller": lambda scene: Deliver(7, [(1, InvokeMessage(invoked_by_other(scene)))]),
    "effect Pin": reports(Pin("dp_1", 6)),
    "effect Output": reports(output()),
    "effect Sleep": reports(sleep(1 << 50, 3)),
    "effect Call": calls,
    "effect RunCompletion": reports(RunCompletion(3, b"1")),
    "effect Suspend": reports(Suspend([4], [1], [])),
    "effect End": reports(End()),
    "effect GiveUp": reports(GiveUp(BROKEN)),
    "effect Pause": reports(Pause(BROKEN)),
    "effect of an older attempt": reports(output(), End(), older=True),
    "FireTimers start": start_timer,
    "FireTimers sleep": sleep_timer,
    "Deliver completion": delivers(lambda s: CompletionMessage(s.id, AWAITED_COMPLETION, M.CALL_COMPLETION, b"1")),
    "Deliver other completion": delivers(lambda s: CompletionMessage(s.id, 99, M.CALL_COMPLETION, b"1")),
    "Deliver signal": delivers(lambda s: SignalMessage(s.id, AWAITED_SIGNAL, b"1")),
    "Deliver cancel": delivers(lambda s: SignalMessage(s.id, 1, None)),
    "Deliver kill": delivers(lambda s: KillMessage(s.id)),
    "Deliver attach": delivers(lambda s: AttachMessage(s.id, s.other, 5, True)),
    "Deliver output": delivers(lambda s: AttachMessage(s.id, s.other, 5, False)),
    "CompleteAwakeable": lambda scene: CompleteAwakeable(scene.id, AWAITED_SIGNAL, b"1"),
    "Terminate cancel": lambda scene: Terminate(scene.id, TerminateMode.CANCEL, 1),
    "Terminate kill": lambda scene: Terminate(scene.id, TerminateMode.KILL, 1),
    "Terminate purge": lambda scene: Terminate(scene.id, TerminateMode.PURGE, 1),
    "CleanUp early": lambda scene: clean_up(scene, after_ms=HOUR_MS - 1),
    "CleanUp due": lambda scene: clean_up(scene, after_ms=HOUR_MS),
    "TruncateOutbox": lambda scene: TruncateOutbox([1, 2]),
    "AnnounceLeader": lambda scene: AnnounceLeader(b"another", "node-2", 0, 9),
}


def _cells() -> dict[tuple[str, Status | None], str]:
    cells: dict[tuple[str, Status | None], str] = {}
    for line in TABLE.strip("\n").splitlines()[1:]:
        words = line.split()
        name = " ".join(words[: -len(COLUMNS)])
        for status, cell in zip(COLUMNS, words[-len(COLUMNS) :], strict=True):
            cells[name, status] = cell
    return cells


CELLS = _cells()


def rows_of(scene: Scene) -> list[tuple[bytes, bytes]]:
    """All that is stored of the invocation but its timers."""
    kinds = (keys.INVOCATION, keys.JOURNAL, keys.NOTIFICATION)
    return [
        row for kind in kinds for row in scene.machine.store.scan(kind + scene.id, keys.prefix_end(kind + scene.id))
    ]


def cell_of(before: list[tuple[bytes, bytes]], status: Status | None, scene: Scene) -> str:
    """What happened, in the table's letters."""
    if rows_of(scene) == before:
        return "="
    row = scene.row()
    if row is None:
        return "-"
    if row.status is status:
        return "~"
    return next(letter for letter, each in LETTERS.items() if each is row.status)


def test_the_table_lists_every_pair() -> None:
    assert set(CELLS) == set(itertools.product(COMMANDS, COLUMNS))


def test_every_command_effect_and_message_has_its_row() -> None:
    named = {type(make(Scene(None))) for make in COMMANDS.values()}
    assert named == set(Command.__args__)  # type: ignore[attr-defined]
    made = [make(Scene(Status.INVOKED)) for make in COMMANDS.values()]
    effects = {type(effect) for command in made if isinstance(command, InvokerEffects) for effect in command.effects}
    assert {effect.__name__ for effect in Effect.__args__} == {effect.__name__ for effect in effects}  # type: ignore[attr-defined]
    messages = {type(message) for command in made if isinstance(command, Deliver) for _, message in command.messages}
    assert messages == set(OutboxMessage.__args__)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("status", COLUMNS, ids=lambda status: status.name if status else "none")
def test_what_a_command_makes_of_a_status(status: Status | None, name: str) -> None:
    scene = Scene(status)
    command = COMMANDS[name](scene)
    before = rows_of(scene)
    if isinstance(command, AnnounceLeader):
        scene.machine.announce(command.uid)
        actions = []
    else:
        actions = scene.machine.apply(command)
    assert cell_of(before, status, scene) == CELLS[name, status]
    row = scene.row()
    after = None if row is None else row.status
    if after is not status:
        assert after is None or after in TRANSITIONS[status], "the table in status.py does not list this step"
    started = [action.id for action in actions if isinstance(action, StartInvocation)]
    ended = [action.id for action in actions if isinstance(action, InvocationEnded)]
    assert (scene.id in started) == (after is Status.INVOKED and status is not Status.INVOKED)
    assert (scene.id in ended) == (
        after is Status.COMPLETED and (status is not Status.COMPLETED or name.startswith("Invoke"))
    )


@pytest.mark.parametrize(("before", "after"), list(itertools.product(Status, Status)))
def test_a_step_that_is_not_in_the_table_is_a_bug(before: Status, after: Status) -> None:
    row = InvocationRow(before, GREETER, 1, 1, 1, 0, 0, 0, 0)
    if after in TRANSITIONS[before]:
        move(row, after, 5)
        assert (row.status, row.modified_at_ms) == (after, 5)
    else:
        with pytest.raises(AssertionError, match=f"{before.name} -> {after.name}"):
            move(row, after, 5)
        assert row.status is before
