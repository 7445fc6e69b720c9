"""An invoker whose services are scripts: it replays the journal, goes on, waits, suspends, fails and retries.

A script is a list of steps. Completion ids follow from a step's place, so that a replay finds its own.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType, is_command
from shared.storage.values import InvocationRow
from shared.wal.commands import (
    AskIds,
    CallEntry,
    Caller,
    DeploymentChoice,
    Effect,
    End,
    Entry,
    FailureDetail,
    Invoke,
    InvokerEffects,
    Pin,
    RunCompletion,
    Suspend,
    Target,
    Yield,
)

__all__ = ["ScriptedAttempt", "ScriptedInvoker", "Step"]


@dataclass(frozen=True)
class Step:
    """`add`: state "n" grows by one. `sleep`: so many ms. `call`, `send`: to `target`. `run`: a side effect."""

    kind: Literal["add", "sleep", "call", "send", "run"]
    ms: int = 0
    target: Target | None = None


#: Completion ids of step i: the callee's id, and the result.
def _ids(step_index: int) -> tuple[int, int]:
    return 2 * step_index + 1, 2 * step_index + 2


class ScriptedInvoker:
    """`scripts` by handler name. `make_call` makes the Invoke of a call or send."""

    def __init__(
        self,
        chooser: random.Random,
        scripts: Mapping[str, Sequence[Step]],
        make_call: Callable[[Target], Invoke],
        now_ms: Callable[[], int],
    ) -> None:
        self.chooser = chooser
        self.scripts = scripts
        self.make_call = make_call
        self.now_ms = now_ms
        self.dead = False
        self.attempts = 0
        #: (service, key) -> the attempt of an exclusive handler that runs now.
        self.holders: dict[tuple[str, str | None], ScriptedAttempt] = {}
        #: scope -> its attempts that run now, and how many there may be.
        self.running: dict[str | None, set[ScriptedAttempt]] = defaultdict(set)
        self.limits: dict[str | None, int] = {}
        self._attempts: dict[Any, dict[bytes, ScriptedAttempt]] = {}

    def start(self, host: Any, invocation_id: bytes, row: InvocationRow, input: bytes | None = None) -> None:
        of_host = self._attempts.setdefault(host, {})
        known = of_host.get(invocation_id)
        if known is not None:
            if known.generation >= row.generation:
                return
            known.stop()
        attempt = of_host[invocation_id] = self.make_attempt(host, invocation_id, row)
        attempt.begin_later(row)

    def make_attempt(self, host: Any, invocation_id: bytes, row: InvocationRow) -> ScriptedAttempt:
        return ScriptedAttempt(self, host, invocation_id, row)

    def notify(self, host: Any, invocation_id: bytes, generation: int, index: int, entry_type: int, raw: bytes) -> None:
        attempt = self._attempts.get(host, {}).get(invocation_id)
        if attempt is not None and attempt.generation == generation:
            attempt.notify(entry_type, raw)

    def ack(self, host: Any, invocation_id: bytes, generation: int, command_index: int) -> None:
        pass

    def ack_run(self, host: Any, invocation_id: bytes, generation: int, completion_id: int) -> None:
        pass

    def refuse_suspension(self, host: Any, invocation_id: bytes, generation: int, completions: list[int]) -> None:
        raise AssertionError("a script's run is never open")

    def retry_now(self, host: Any, invocation_id: bytes, generation: int) -> None:
        pass

    def write_now(self) -> None:
        pass

    def last_failure(self, host: Any, invocation_id: bytes) -> FailureDetail | None:
        return None

    def deployment_of(self, target: Target, wanted: str | None) -> DeploymentChoice | None:
        return None

    def abort(self, host: Any, invocation_id: bytes, generation: int) -> None:
        attempt = self._attempts.get(host, {}).get(invocation_id)
        if attempt is not None and attempt.generation <= generation:
            attempt.stop()

    def abort_all(self, host: Any) -> None:
        for attempt in list(self._attempts.pop(host, {}).values()):
            attempt.stop()

    def forget(self, attempt: ScriptedAttempt) -> None:
        of_host = self._attempts.get(attempt.host, {})
        if of_host.get(attempt.id) is attempt:
            del of_host[attempt.id]


class ScriptedAttempt:
    """One chain of attempts: it comes again after a failure, as the invoker's does."""

    def __init__(self, invoker: ScriptedInvoker, host: Any, invocation_id: bytes, row: InvocationRow) -> None:
        self.host = host
        self.id = invocation_id
        self.generation = row.generation
        self._invoker = invoker
        self._chooser = invoker.chooser
        self._target = row.target
        self._script = invoker.scripts.get(row.target.handler, ())
        self._gone = False
        self._running = False
        self._timer: asyncio.TimerHandle | None = None

    def begin_later(self, row: InvocationRow | None) -> None:
        """As soon as the loop gets to it: a connection takes its time."""
        self._timer = asyncio.get_running_loop().call_later(self._pause_s(), self._begin, row)

    def _pause_s(self) -> float:
        return self._chooser.choice((0.0, 0.0005, 0.003, 0.05))

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._gone = True
        self._leave()
        self._invoker.forget(self)

    def _leave(self) -> None:
        """No attempt runs."""
        self._running = False
        place = (self._target.service, self._target.key)
        if self._invoker.holders.get(place) is self:
            del self._invoker.holders[place]
        self._invoker.running[self._target.scope].discard(self)

    def _begin(self, row: InvocationRow | None) -> None:
        if self._gone:
            return
        row = self.host.load(self.id)
        if row is None or row.generation != self.generation or not row.may_run:
            self.stop()
            return
        self._invoker.attempts += 1
        if self._target.takes_lock:
            place = (self._target.service, self._target.key)
            assert place not in self._invoker.holders, f"two exclusive handlers of {place} run at once"
            self._invoker.holders[place] = self
        scope = self._target.scope
        self._invoker.running[scope].add(self)
        assert len(self._invoker.running[scope]) <= self._invoker.limits.get(scope, 1 << 30), f"too many of {scope}"
        self._running = True
        self._pinned = row.deployment_id is not None
        self._commands: list[tuple[int, bytes]] = []
        self._completions: dict[int, pb.Notification] = {}
        self._signals: dict[int, pb.Notification] = {}
        self._cancelled = False
        self._has_output = False
        if row.first_untold:
            self._propose([AskIds()])
        for index in range(row.journal_length):
            entry_type, raw = self.host.read_entry(self.id, index)
            if is_command(entry_type):
                self._commands.append((entry_type, raw))
                self._has_output |= entry_type == MessageType.OUTPUT
            else:
                self._take(entry_type, raw)
        self._replay()

    def _replay(self) -> None:
        """From the first step on, with what the journal holds."""
        self._at = 0
        self._total = 0
        self._n = int(self._read_state().get(b"n", b"0"))
        self._go_on()

    def _read_state(self) -> dict[bytes, bytes]:
        if self._target.key is None:
            return {}
        return dict(self.host.read_state(self._target, value_bytes_limit=1 << 30))

    def notify(self, entry_type: int, raw: bytes) -> None:
        if self._running:
            self._take(entry_type, raw)
            self._timer = asyncio.get_running_loop().call_later(self._pause_s(), self._go_on)

    def _take(self, entry_type: int, raw: bytes) -> None:
        notification = pb.Notification.FromString(raw)
        if entry_type == MessageType.SIGNAL:
            self._cancelled |= notification.signal_id == 1
            self._signals[notification.signal_id] = notification
        else:
            assert notification.completion_id not in self._completions, "a notification came twice"
            self._completions[notification.completion_id] = notification

    def _go_on(self) -> None:
        if self._gone or not self._running:
            return
        effects: list[Effect] = []
        while self._at < len(self._script) and not self._has_output:
            step = self._script[self._at]
            self._total += self._perform(step, effects)
            waits_for = self._waits_for(step)
            if waits_for is not None:
                if step.kind == "call" and waits_for == _ids(self._at)[0]:
                    effects.append(AskIds())
                self._propose(effects)
                self._wait(waits_for)
                return
            self._at += 1
            if effects and self._chooser.random() < 0.3:
                self._propose(effects)
                effects = []
                if self._chooser.random() < 0.2:
                    self._fail()
                    return
                if self._chooser.random() < 0.5:
                    self._timer = asyncio.get_running_loop().call_later(self._pause_s(), self._go_on)
                    return
        if not self._has_output:
            effects.append(_output(self._result()))
        effects.append(End())
        self._propose(effects)
        self.stop()

    def _waits_for(self, step: Step) -> int | None:
        """The completion that it needs first. Some handlers want to know whom they called."""
        id_completion, completion = _ids(self._at)
        if step.kind == "call" and self._wants_ids() and id_completion not in self._completions:
            return id_completion
        return completion if step.kind in ("sleep", "call", "run") and completion not in self._completions else None

    def _tells_later(self) -> bool:
        """By the id, since a further choice would change all that follow."""
        return self.id[-1] % 3 > 0

    def _wants_ids(self) -> bool:
        return self.id[-2] % 2 > 0

    def _result(self) -> pb.OutputCommand:
        if self._cancelled:
            return pb.OutputCommand(failure=pb.Failure(code=409, message="canceled"))
        return pb.OutputCommand(value=pb.Value(content=str(self._total).encode()))

    def _perform(self, step: Step, effects: list[Effect]) -> int:
        """Journal it unless it is there; returns what an `add` made of the counter."""
        stored = self._commands[self._at + 1] if self._at + 1 < len(self._commands) else None
        if stored is not None:
            if step.kind == "add":
                assert stored[0] == MessageType.SET_STATE
                return int(pb.SetStateCommand.FromString(stored[1]).value.content)
            return 0
        id_completion, completion = _ids(self._at)
        match step.kind:
            case "add":
                self._n += 1
                command = pb.SetStateCommand(key=b"n", value=pb.Value(content=str(self._n).encode()))
                self._entry(effects, MessageType.SET_STATE, command.SerializeToString())
                return self._n
            case "sleep":
                wake_up = self._invoker.now_ms() + step.ms
                raw = pb.SleepCommand(wake_up_time=wake_up, result_completion_id=completion).SerializeToString()
                self._entry(effects, MessageType.SLEEP, raw)
            case "run":
                raw = pb.RunCommand(result_completion_id=completion).SerializeToString()
                self._entry(effects, MessageType.RUN, raw)
                effects.append(RunCompletion(completion, b"done"))
            case "call" | "send":
                assert step.target is not None
                self._call(step.kind, step.target, id_completion, completion, effects)
        return 0

    def _entry(self, effects: list[Effect], entry_type: MessageType, raw: bytes) -> None:
        effects.append(Entry(entry_type, raw))
        self._commands.append((entry_type, raw))

    def _call(self, kind: str, target: Target, id_completion: int, completion: int, effects: list[Effect]) -> None:
        callee = self._invoker.make_call(target)
        callee.caller = Caller(self.id, completion if kind == "call" else None, self._target)
        command: pb.CallCommand | pb.OneWayCallCommand
        if kind == "call":
            entry_type = MessageType.CALL
            command = pb.CallCommand(invocation_id_notification_idx=id_completion, result_completion_id=completion)
        else:
            entry_type = MessageType.ONE_WAY_CALL
            command = pb.OneWayCallCommand(invocation_id_notification_idx=id_completion)
        command.service_name, command.handler_name, command.key = target.service, target.handler, target.key or ""
        raw = command.SerializeToString()
        effects.append(CallEntry(entry_type, raw, callee, id_completion, untold=self._tells_later()))
        self._commands.append((entry_type, raw))

    def _wait(self, completion_id: int) -> None:
        """Go on waiting, or suspend. A cancelled handler ends at its next step."""
        if self._cancelled:
            self._propose([_output(self._result()), End()])
            self.stop()
        elif self._chooser.random() < 0.5:
            self._propose([Suspend([completion_id], [1], [])])
            self.stop()
        elif self._chooser.random() < 0.1:
            self._fail()

    def _propose(self, effects: list[Effect]) -> None:
        if not effects or self._invoker.dead:
            return
        if not self._pinned:
            effects.insert(0, Pin("dp_1", 6))
            self._pinned = True
        self.host.propose(InvokerEffects(self.id, self.generation, list(effects)))

    def _fail(self) -> None:
        """The connection broke: again, once all that was proposed is in the journal. Within a scope it may be later."""
        if self._target.scope is not None and self._chooser.random() < 0.5:
            self._propose([Yield(self._invoker.now_ms() + self._chooser.choice((5, 100)))])
            self.stop()
            return
        self._leave()
        self._timer = asyncio.get_running_loop().call_later(
            self._pause_s(), lambda: self.host.when_applied(lambda: self.begin_later(None) if not self._gone else None)
        )


def _output(command: pb.OutputCommand) -> Entry:
    return Entry(MessageType.OUTPUT, command.SerializeToString())
