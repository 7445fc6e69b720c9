"""Random lives of invocations with scopes: the invariants hold after every record, and in the end all have run."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from partitiond.machine.actions import StartInvocation
from shared.ids import CANCEL_SIGNAL
from shared.limits import Rule, RuleBook
from shared.storage import keys, values
from shared.storage.values import Status
from shared.wal.commands import (
    Command,
    Deliver,
    Effect,
    End,
    Failure,
    FireTimers,
    GiveUp,
    HandlerKind,
    Pause,
    PauseInvocation,
    RestartAsNew,
    ResumeInvocation,
    SetRules,
    SignalMessage,
    Suspend,
    Target,
    Terminate,
    TerminateMode,
    Yield,
)
from tests.partitiond.machine.fixtures import GREETER, Machine, invoke, new_id, output, replay

TARGETS = [
    replace(GREETER, scope="s"),
    replace(GREETER, scope="t"),
    GREETER,
    *(Target("Counter", "add", key, HandlerKind.OBJECT_EXCLUSIVE, "s") for key in ("a", "b")),
    Target("Counter", "add", "a", HandlerKind.OBJECT_EXCLUSIVE),
    Target("Flow", "run", "w", HandlerKind.WORKFLOW_RUN, "t"),
]
_PATTERNS = ["*", "s", "t", "s/*", "*/k", "s/k/l", "*/*/*"]
_INVOKE = st.tuples(
    st.just("invoke"), st.sampled_from(TARGETS), st.sampled_from([None, "k", "k/l", "m"]), st.sampled_from([0, 0, 0, 5])
)
_STEPS = st.lists(
    st.one_of(
        _INVOKE,
        _INVOKE,
        _INVOKE,
        st.tuples(
            st.sampled_from(["end", "suspend", "yield", "give up", "exhausted"]), st.integers(0, 99), st.booleans()
        ),
        st.tuples(
            st.sampled_from(["signal", "cancel", "kill", "pause", "resume", "restart"]), st.integers(0, 99), st.just(0)
        ),
        st.tuples(st.just("time"), st.integers(1, 30), st.just(0)),
        st.tuples(st.just("rules"), st.dictionaries(st.sampled_from(_PATTERNS), st.integers(1, 2)), st.just(0)),
    ),
    min_size=12,
    max_size=50,
)

_EFFECTS: dict[str, list[Effect]] = {
    "end": [output(), End()],
    "suspend": [Suspend([], [17, CANCEL_SIGNAL], [])],
    "give up": [GiveUp(Failure(500, "x"))],
    "exhausted": [Pause(Failure(500, "x"))],
}


class World:
    """A machine, and what its invoker would run."""

    def __init__(self) -> None:
        self.machine = Machine()
        self.ids: list[bytes] = []
        self.messages = 0
        self.version = 0
        self.step("rules", {"*": 1, "t/*": 1}, 0)

    def apply(self, *commands: Command) -> None:
        for action in self.machine.apply(*commands):
            if isinstance(action, StartInvocation):
                assert self.machine.row(action.id).may_run

    def running(self) -> list[bytes]:
        return [each for each in self.ids if self.machine.exists(each) and self.machine.row(each).may_run]

    def usage(self) -> dict[str, int]:
        rows = self.machine.store.scan(keys.COUNTER, keys.RING)
        return {keys.decode_counter(key)[1]: values.decode_counter(value).usage for key, value in rows}

    def limit(self, path: str) -> float:
        rule = self.book.rule_of(tuple(path.split("/")))
        return float("inf") if rule is None or rule.concurrency is None else rule.concurrency

    def step(self, what: str, first: object, second: object, third: object = None) -> None:
        match what, first:
            case "invoke", Target():
                limit_key = second if isinstance(second, str) and first.scope is not None else None
                self.ids.append(new_id(first))
                later = self.machine.now_ms + 5 if third else 0
                self.apply(invoke(self.ids[-1], first, limit_key=limit_key, start_at_ms=later))
            case "time", int():
                self.machine.now_ms += first
                self.apply(FireTimers(self.machine.now_ms))
            case "rules", dict():
                self.version += 1
                self.book = RuleBook([Rule(*rule, 0, 0) for rule in first.items()])
                self.apply(SetRules(self.version, list(first.items())))
            case _, int():
                self.tell(what, first)

    def tell(self, what: str, number: int) -> None:
        ids = self.running() if what in _EFFECTS or what == "yield" else self.ids
        if not ids:
            return
        chosen = ids[number % len(ids)]
        if what == "yield":
            self.machine.report(chosen, Yield(self.machine.now_ms + 10))
        elif what in _EFFECTS:
            self.machine.report(chosen, *_EFFECTS[what])
        elif what == "restart":
            self.ids.append(chosen[:8] + new_id()[8:])
            self.apply(RestartAsNew(chosen, self.ids[-1]))
        else:
            self.apply(self.verb(what, chosen))

    def verb(self, what: str, chosen: bytes) -> Command:
        match what:
            case "signal":
                self.messages += 1
                return Deliver(9, [(self.messages, SignalMessage(chosen, 17, b"x"))])
            case "cancel":
                return Terminate(chosen, TerminateMode.CANCEL)
            case "kill":
                return Terminate(chosen, TerminateMode.KILL)
            case "pause":
                return PauseInvocation(chosen)
            case _:
                return ResumeInvocation(chosen)

    def drain(self) -> None:
        """Everybody goes on, under the present rules, until all have ended."""
        self.machine.now_ms += 1000
        self.apply(FireTimers(self.machine.now_ms))
        for each in self.ids:
            if self.machine.exists(each) and self.machine.row(each).status in (Status.PAUSED, Status.SUSPENDED):
                self.apply(ResumeInvocation(each))
        while running := self.running():
            self.machine.report(running[0], output(), End())


@pytest.mark.slow
@settings(deadline=None, max_examples=250)
@given(_STEPS)
def test_invariants_hold_and_nobody_is_left_behind(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    world = World()
    for step in steps:
        before = world.usage()
        world.step(*step)
        for path, usage in world.usage().items():
            assert usage <= max(world.limit(path), before.get(path, 0)), f"{path} grew above its limit"
    world.drain()
    machine = world.machine
    assert all(machine.row(each).status is Status.COMPLETED for each in world.ids if machine.exists(each))
    assert not list(machine.store.scan(keys.COUNTER, keys.OUTBOX)), "counters, queues and timers are gone"
    assert not list(machine.store.scan(keys.LOCK, keys.PROMISE))
    assert not list(machine.store.scan(keys.SCOPED_LOCK, keys.SCOPED_PROMISE))
    assert replay(machine.log).digest() == machine.store.digest()
