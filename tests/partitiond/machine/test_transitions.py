"""Every (status, step) pair of the table, applied: what comes of it is what the table lists, no less and no more."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import get_args

import pytest
from msgspec.structs import replace

from partitiond.machine.actions import Action, TerminateOutcome
from partitiond.machine.status import COLUMNS, TABLE, Also, Cell, Step
from shared.ids import CANCEL_SIGNAL
from shared.protocol.message_types import MessageType
from shared.storage import keys
from shared.storage.values import Status
from shared.wal.commands import (
    AnnounceLeader,
    AskIds,
    AttachMessage,
    CallEntry,
    CleanUp,
    Command,
    CompleteAwakeable,
    CompletionMessage,
    Deliver,
    Effect,
    End,
    Failed,
    Failure,
    FailureDetail,
    FireTimers,
    GiveUp,
    InvokeMessage,
    InvokerEffects,
    KillMessage,
    OutboxMessage,
    PatchState,
    Pause,
    PauseInvocation,
    Pin,
    RestartAsNew,
    ResumeInvocation,
    RunCompletion,
    SetRules,
    SignalMessage,
    Suspend,
    SuspendOn,
    Terminate,
    TerminateMode,
    TruncateOutbox,
    Yield,
)
from shared.wal.futures import Combinator, Future, FutureNode, Leaf, signal_leaf
from tests.partitiond.machine.fixtures import (
    COUNTER,
    GREETER,
    HOUR_MS,
    START_MS,
    Machine,
    call,
    invoke,
    new_id,
    output,
    run,
    set_packed_state,
)

SOON = START_MS + HOUR_MS * 8
LATER = START_MS + HOUR_MS * 9
DETAIL = FailureDetail(500, "boom", "RT0007")
ACCEPTED = ("done", "appended", "pausing", "paused")


class Scene:
    """An invocation `id` of an object in `status`. `other`: the object is held by another one, or (suspended) it waits
    for the cancel signal too. `scope`: the object's."""

    def __init__(self, status: Status | None, *, retention_ms: int, other: bool, scope: str | None = None) -> None:
        self.machine = Machine()
        self.target = replace(COUNTER, scope=scope)
        self.id, self.holder, self.hog = (new_id(self.target) for _ in range(3))
        self.caller = new_id()
        self.retention_ms = retention_ms
        self.machine.apply(invoke(self.caller))
        if status is Status.INBOXED or (other and status in (None, Status.SCHEDULED)):
            self.machine.apply(invoke(self.holder, self.target))
        if status is None:
            return
        command = self.new(LATER if status is Status.SCHEDULED else 0)
        self.machine.apply(command)
        if status in (Status.SCHEDULED, Status.INBOXED):
            return
        self.machine.apply(CompleteAwakeable(self.id, 40, b"x"))
        self.report(Pin("dp_1", 5), run(5))
        match status:
            case Status.SUSPENDED:
                self.report(Suspend([1], [17, CANCEL_SIGNAL] if other else [17], ["n"]))
            case Status.PAUSED:
                self.report(Pause(Failure(500, "x")))
            case Status.COMPLETED:
                self.report(output(), End())
        assert self.status() == status

    def new(self, start_at_ms: int = 0) -> Command:
        command = invoke(self.id, self.target, retention_ms=self.retention_ms, start_at_ms=start_at_ms)
        command.journal_retention_ms //= 2
        return command

    def report(self, *effects: Effect) -> None:
        self.machine.apply(self.effects(*effects))

    def effects(self, *effects: Effect) -> Command:
        generation = self.machine.row(self.id).generation if self.machine.exists(self.id) else 1
        return InvokerEffects(self.id, generation, list(effects))

    def fill(self) -> None:
        """Another one of the scope has the only permit, or waits for it in front."""
        self.machine.apply(SetRules(1, [("s", 1)]))
        self.machine.apply(invoke(self.hog, replace(GREETER, scope=self.target.scope)))

    def status(self) -> Status | None:
        return self.machine.row(self.id).status if self.machine.exists(self.id) else None

    def trace(self) -> list[tuple[bytes, bytes]]:
        """Rows that the step may change, but the timer that it fires."""
        rows = self.machine.store.scan(b"\x00", b"\xff")
        return [(key, value) for key, value in rows if (self.id in key or self.caller in key) and key[:1] != keys.TIMER]


Variant = Callable[[Scene], Command]


def message(make: Callable[[Scene], OutboxMessage]) -> Variant:
    return lambda scene: Deliver(9, [(1, make(scene))])


def start_timer(scene: Scene) -> Command:
    # Where there is no such timer, one is put there: it is taken for a sleep's that an older build stored.
    scene.machine.store.commit({keys.timer_key(LATER, scene.id, 0): b""})
    return FireTimers(LATER)


def turn(scene: Scene) -> Command:
    holder = scene.holder if scene.machine.exists(scene.holder) else new_id(GREETER)
    if holder != scene.holder:
        scene.machine.apply(invoke(holder))
    return InvokerEffects(holder, scene.machine.row(holder).generation, [output(), End()])


def turn_without_room(scene: Scene) -> Command:
    scene.fill()
    return turn(scene)


def room(scene: Scene) -> Command:
    """It waits for a permit, if it has a scope: as one that never ran, or as one whose next attempt is due."""
    if scene.status() is Status.INBOXED:
        scene.machine.apply(turn_without_room(scene))
    if scene.status() is Status.INVOKED:
        scene.report(Yield(SOON))
        scene.fill()
        scene.machine.apply(FireTimers(SOON))
    return SetRules(2, [("s", 2)])


def retry_timer(scene: Scene) -> Command:
    if scene.status() is Status.INVOKED:
        scene.report(Yield(SOON))
    return FireTimers(SOON)


def retry_timer_without_room(scene: Scene) -> Command:
    command = retry_timer(scene)
    scene.fill()
    return command


def resume_what_yields(scene: Scene) -> Command:
    if scene.status() is Status.INVOKED:
        scene.report(Yield(LATER))
    return ResumeInvocation(scene.id, 7)


def clean_up(after_ms: int) -> Variant:
    def make(scene: Scene) -> Command:
        scene.machine.now_ms += after_ms
        return CleanUp([scene.id])

    return make


def terminate(mode: TerminateMode) -> list[Variant]:
    return [lambda scene: Terminate(scene.id, mode, 7)]


_AWAITED = signal_leaf(17)


def first_of(*leaves: Leaf) -> Future:
    """The first of these to come."""
    return Future([FutureNode(0, Combinator.FIRST_COMPLETED, list(leaves))])


def untold_call(scene: Scene) -> CallEntry:
    """Its id is told when it is asked for."""
    return replace(call(scene.id, COUNTER, invoke(new_id()), id_completion=8, completion=9), untold=True)


def effect(*effects: Effect) -> Variant:
    return lambda scene: scene.effects(*effects)


def exhausted_while_cancelled(scene: Scene) -> Command:
    """The cancel signal came after the last attempt began."""
    known = 0
    if scene.status() is Status.INVOKED:
        known = scene.machine.row(scene.id).journal_length
        scene.machine.apply(Terminate(scene.id, TerminateMode.CANCEL, 7))
    return scene.effects(Pause(Failure(500, "x"), DETAIL, known))


VARIANTS: dict[Step, list[Variant]] = {
    Step.INVOKE: [Scene.new, lambda scene: scene.new(LATER), message(lambda scene: InvokeMessage(scene.new()))],  # type: ignore[arg-type]
    Step.START_TIMER: [start_timer],
    Step.TURN: [turn, turn_without_room],
    Step.ROOM: [room],
    Step.ENTRY: [
        effect(run(6)),
        effect(RunCompletion(5, b"x")),
        effect(Pin("dp_2", 6)),
        effect(Failed(DETAIL)),
        lambda scene: scene.effects(call(scene.id, COUNTER, invoke(new_id()), id_completion=8, completion=9)),
        lambda scene: scene.effects(untold_call(scene), AskIds()),
        effect(set_packed_state(b"n", b"a" * 100_000)),
    ],
    Step.YIELD: [effect(Yield(LATER))],
    Step.RETRY_TIMER: [retry_timer, retry_timer_without_room],
    Step.SUSPEND: [
        *(effect(Suspend(*awaited)) for awaited in (([], [17], []), ([5], [1], []), ([], [40], []))),
        *(
            effect(SuspendOn(first_of(*leaves)))
            for leaves in ([signal_leaf(17)], [5, signal_leaf(1)], [signal_leaf(40)])
        ),
    ],
    Step.END: [effect(output(), End())],
    Step.GIVE_UP: [effect(GiveUp(Failure(500, "x")))],
    Step.EXHAUSTED: [effect(Pause(Failure(500, "x"), DETAIL)), exhausted_while_cancelled],
    Step.COMPLETION: [
        message(lambda scene: CompletionMessage(scene.id, 1, MessageType.CALL_COMPLETION, b"x")),
        message(lambda scene: CompletionMessage(scene.id, 99, MessageType.CALL_COMPLETION, b"x")),
    ],
    Step.SIGNAL: [
        message(lambda scene: SignalMessage(scene.id, "n", b"x")),
        message(lambda scene: SignalMessage(scene.id, 99, None)),
        lambda scene: CompleteAwakeable(scene.id, 17, b"x"),
    ],
    Step.CANCEL_SIGNAL: [message(lambda scene: SignalMessage(scene.id, CANCEL_SIGNAL, None))],
    Step.ATTACH: [
        message(lambda scene: AttachMessage(scene.id, scene.caller, 1, True)),
        message(lambda scene: AttachMessage(scene.id, scene.caller, 1, False)),
    ],
    Step.KILL_MESSAGE: [message(lambda scene: KillMessage(scene.id))],
    Step.CLEAN_UP: [clean_up(0), clean_up(HOUR_MS * 2 // 3), clean_up(HOUR_MS * 2)],
    Step.CANCEL: terminate(TerminateMode.CANCEL),
    Step.KILL: terminate(TerminateMode.KILL),
    Step.PURGE: terminate(TerminateMode.PURGE),
    Step.PURGE_JOURNAL: terminate(TerminateMode.PURGE_JOURNAL),
    Step.PAUSE: [lambda scene: PauseInvocation(scene.id, 7, DETAIL)],
    Step.RESUME: [lambda scene: ResumeInvocation(scene.id, 7), resume_what_yields],
    Step.RESTART: [lambda scene: RestartAsNew(scene.id, scene.id[:8] + b"n" * 16, 7)],
}


@pytest.mark.parametrize("status", COLUMNS, ids=str)
@pytest.mark.parametrize("step", Step)
def test_pair(step: Step, status: Status | None) -> None:
    seen: list[Status | Also | str] = []
    for variant in VARIANTS[step]:
        for retention_ms in (HOUR_MS, 0) if status is not Status.COMPLETED else (HOUR_MS,):
            for other, scope in product((False, True), (None, "s")):
                scene = Scene(status, retention_ms=retention_ms, other=other, scope=scope)
                seen += _outcome(scene, variant)
    cell: Cell = TABLE[step][COLUMNS.index(status)]
    assert set(seen) == ({cell} if isinstance(cell, str) else set(cell))


def _outcome(scene: Scene, variant: Variant) -> list[Status | Also | str]:
    """One result; none when the step left no trace."""
    command = variant(scene)
    before, status_before = scene.trace(), scene.status()
    generation = scene.machine.row(scene.id).generation if status_before is not None else 0
    actions = scene.machine.apply(command)
    after, status = scene.trace(), scene.status()
    for action in actions:
        if isinstance(action, TerminateOutcome) and action.outcome not in ACCEPTED:
            assert before == after, "refused, and yet something was stored"
            return [action.outcome]
    if status != status_before:
        return [Also.FORGOTTEN if status is None else status]
    if status is Status.INVOKED and scene.machine.row(scene.id).generation > generation:
        return [Status.INVOKED]
    return [Also.STAYS] if before != after or any(_is_about(action, scene) for action in actions) else []


def _is_about(action: Action, scene: Scene) -> bool:
    return isinstance(action, TerminateOutcome) or getattr(action, "id", None) == scene.id


def test_a_row_for_each_step_and_a_cell_for_each_status() -> None:
    assert list(TABLE) == list(Step)
    assert {len(cells) for cells in TABLE.values()} == {len(COLUMNS)}


def test_every_command_effect_and_message_is_a_step() -> None:
    """A new kind must find its row. Announcements, the outbox's truncation and changes of state concern none."""
    used: set[type] = {AnnounceLeader, TruncateOutbox, PatchState}
    for variants in VARIANTS.values():
        for variant in variants:
            command = variant(Scene(Status.INVOKED, retention_ms=HOUR_MS, other=False))
            used.add(type(command))
            if isinstance(command, InvokerEffects):
                used |= {type(effect) for effect in command.effects}
            if isinstance(command, Deliver):
                used |= {type(message) for _, message in command.messages}
    wanted = {*get_args(Command), *get_args(Effect), *get_args(OutboxMessage)}
    assert wanted - used == set()
