"""The interpreter in the simulation: attempts that replay the journal, break off, wait and suspend at random, on the
nodes, the log and the demon of tests/partitiond/simulation."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any

from partitiond.invoker.protocol.packed_state import read_set_state
from shared.api.partition import InvokeRequest, ResultReply
from shared.ids import awakeable_id, key_partition_key
from shared.protocol import service_pb2 as pb
from shared.protocol.input import encode_input, input_payload
from shared.protocol.message_types import MessageType as T
from shared.storage import keys
from shared.storage.large import LARGE_VALUE_BYTES, state_value
from shared.storage.values import InvocationRow
from shared.wal.commands import (
    CallEntry,
    Caller,
    Effect,
    End,
    Entry,
    HandlerKind,
    RunCompletion,
    Suspend,
    SuspendOn,
    Target,
)
from shared.wal.futures import Combinator, Future, FutureNode, Leaf, signal_leaf, signal_of
from tests.fakes.scripted_invoker import ScriptedAttempt, ScriptedInvoker
from tests.partitiond.simulation.world import RETENTION_MS, World
from tests.programs.interpreter import visit

__all__ = ["ProgramAttempt", "ProgramInvoker", "ProgramWorld", "ServiceCrashError", "SimSteps", "Wait"]

_DO = Target("Prog", "do", None, HandlerKind.SERVICE)
_CANCEL = 1
#: Of the values of state so many are large, by their length: each time the same. Of these one in two is packed.
_LARGE_ONE_IN = 16


def _read_set_state(raw: bytes) -> Effect:
    return read_set_state(raw, ack=False)


class ServiceCrashError(Exception):
    """The service dies right here."""


@dataclass
class Wait:
    """Yielded to the attempt: until one of the leaves, or all, are there. No leaves: a moment to break off."""

    leaves: list[Leaf]
    all: bool = True

    def __await__(self) -> Generator[Wait, bool, bool]:
        """False: cancelled meanwhile."""
        return (yield self)


class ProgramInvoker(ScriptedInvoker):
    def __init__(self, world: ProgramWorld, now_ms: Callable[[], int]) -> None:
        super().__init__(world.chooser, {}, world.make_invoke, now_ms)
        self.world = world

    def make_attempt(self, host: Any, invocation_id: bytes, row: InvocationRow) -> ScriptedAttempt:
        return ProgramAttempt(self, host, invocation_id, row)


class ProgramAttempt(ScriptedAttempt):
    _invoker: ProgramInvoker
    _body: Coroutine[Wait, bool, Any] | None = None

    def _replay(self) -> None:
        if self._invoker.dead:
            return
        self.index = 1
        self.next_completion = 1
        self.next_signal = 17
        self.effects: list[Effect] = []
        self.state = self._read_state()
        self._waits: Wait | None = None
        self._body = self._make_body()
        self._go_on()

    def _make_body(self) -> Coroutine[Wait, bool, Any]:
        """What the handler does."""
        argument = json.loads(input_payload(self._commands[0][1]))
        steps = SimSteps(self, self._invoker)
        if self._target.handler == "resolve":
            return steps.complete(*argument["program"])
        place = {"do": ["svc"], "own": ["own"], "run": ["flow"]}.get(self._target.handler, ["obj"])
        return visit(steps, argument, place)

    def stop(self) -> None:
        super().stop()
        if self._body is not None:
            self._body.close()

    def _go_on(self) -> None:
        """Until it waits for something, breaks off, or ends."""
        heard: bool | None = None
        while self._body is not None and not self._gone and self._running and not self._invoker.dead:
            wait = self._waits
            if wait is not None:
                heard = not wait.leaves or self._is_there(wait)
                if not heard and not self._cancelled:
                    self._flush()
                    self._block(wait)
                    return
            try:
                self._waits = self._body.send(heard)  # type: ignore[arg-type]
            except StopIteration as ended:
                self._finish(ended.value)
                return
            except ServiceCrashError:
                # What was not proposed yet is lost with it.
                self._fail()
                return
            if not self._waits.leaves and self._breaks_off():
                return

    def _is_there(self, wait: Wait) -> bool:
        return (all if wait.all else any)(self.notification(leaf) is not None for leaf in wait.leaves)

    def notification(self, leaf: Leaf) -> pb.Notification | None:
        signal = signal_of(leaf)
        if signal is not None:
            return self._signals.get(signal)
        assert isinstance(leaf, int)
        return self._completions.get(leaf)

    def _breaks_off(self) -> bool:
        dice = self._chooser.random()
        if dice < 0.3:
            self._flush()
        if dice < 0.04:
            self._fail()
            return True
        return False

    def _flush(self) -> None:
        effects, self.effects = self.effects, []
        self._propose(effects)

    def _block(self, wait: Wait) -> None:
        dice = self._chooser.random()
        missing = [leaf for leaf in wait.leaves if self.notification(leaf) is None]
        if dice < 0.25:
            combinator = Combinator.ALL_COMPLETED if wait.all else Combinator.FIRST_COMPLETED
            root = FutureNode(0, Combinator.FIRST_COMPLETED, [signal_leaf(_CANCEL)])
            self._propose([SuspendOn(Future([root, FutureNode(0, combinator, missing)]))])
            self.stop()
        elif dice < 0.5:
            signals = [signal for signal in map(signal_of, missing) if signal is not None]
            completions = [leaf for leaf in missing if isinstance(leaf, int) and leaf >= 0]
            self._propose([Suspend(completions, [_CANCEL, *signals], [])])
            self.stop()
        elif dice < 0.55:
            self._fail()

    def _fail(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None
        super()._fail()

    def _finish(self, result: Any) -> None:
        output = pb.OutputCommand(value=pb.Value(content=json.dumps(result).encode()))
        self.command(T.OUTPUT, output)
        self.effects.append(End())
        self._flush()
        self.stop()

    def command(self, entry_type: T, message: Any, make: Callable[[bytes], Effect] | None = None) -> tuple[T, bytes]:
        """The next command, as the journal has it: stored before, or new."""
        at, self.index = self.index, self.index + 1
        if at < len(self._commands):
            stored = self._commands[at]
            assert stored[0] == entry_type, f"{self._target}: command {at} is {stored[0]:#x}, now {entry_type.name}"
            return entry_type, stored[1]
        raw: bytes = message.SerializeToString()
        self._commands.append((entry_type, raw))
        self.effects.append(Entry(entry_type, raw) if make is None else make(raw))
        return entry_type, raw

    def next_stored(self) -> int | None:
        """The type of the next command, if it is in the journal."""
        return self._commands[self.index][0] if self.index < len(self._commands) else None

    def new_completion(self) -> int:
        self.next_completion += 1
        return self.next_completion - 1

    def call_entry(self, entry_type: T, target: Target, argument: bytes, fields: dict[str, Any], raw: bytes) -> Effect:
        kept_ms = RETENTION_MS if entry_type == T.ONE_WAY_CALL else 0
        callee = self._invoker.make_call(target)
        callee.completion_retention_ms = callee.journal_retention_ms = kept_ms
        callee.caller = Caller(self.id, fields.get("result_completion_id"), self._target)
        callee.start_at_ms = fields.get("invoke_time", 0)
        return CallEntry(entry_type, raw, callee, fields["invocation_id_notification_idx"])


class SimSteps:
    """See interpreter.Steps. A future is a leaf."""

    def __init__(self, attempt: ProgramAttempt, invoker: ProgramInvoker) -> None:
        self._attempt = attempt
        self._invoker = invoker

    async def breathe(self) -> None:
        await Wait([])

    def run(self, path: str) -> Leaf:
        attempt = self._attempt
        completion = attempt.new_completion()
        attempt.command(T.RUN, pb.RunCommand(result_completion_id=completion, name=path))
        if attempt.notification(completion) is None:
            if attempt._chooser.random() < 0.05:
                raise ServiceCrashError
            token = self._execute(path)
            if attempt._chooser.random() < 0.05:
                raise ServiceCrashError
            attempt.effects.append(RunCompletion(completion, json.dumps(["step", path, token]).encode()))
        return completion

    def _execute(self, path: str) -> str:
        """The side effect itself; the token that its result tells of."""
        return self._invoker.world.execute(path)

    def sleep(self, ms: int) -> Leaf:
        completion = self._attempt.new_completion()
        wake_up_time = self._invoker.now_ms() + ms
        self._attempt.command(T.SLEEP, pb.SleepCommand(wake_up_time=wake_up_time, result_completion_id=completion))
        return completion

    def call(self, place: list[Any], argument: dict[str, Any]) -> Leaf:
        fields = {"invocation_id_notification_idx": self._attempt.new_completion()}
        fields["result_completion_id"] = self._attempt.new_completion()
        self._call(T.CALL, pb.CallCommand, place, argument, fields)
        return fields["result_completion_id"]

    async def send(self, place: list[Any], argument: dict[str, Any], delay_ms: int = 0) -> str:
        fields = {"invocation_id_notification_idx": self._attempt.new_completion()}
        if delay_ms:
            fields["invoke_time"] = self._invoker.now_ms() + delay_ms
        self._call(T.ONE_WAY_CALL, pb.OneWayCallCommand, place, argument, fields)
        leaf = fields["invocation_id_notification_idx"]
        await Wait([leaf])
        notification = self._attempt.notification(leaf)
        assert notification is not None
        return notification.invocation_id

    def _call(
        self, entry_type: T, message: Any, place: list[Any], argument: dict[str, Any], fields: dict[str, int]
    ) -> None:
        attempt = self._attempt
        target = self._target(place, argument["path"])
        names = {"service_name": target.service, "handler_name": target.handler, "key": target.key or ""}
        parameter = json.dumps(argument).encode()
        made = message(**names, parameter=parameter, **fields)
        attempt.command(entry_type, made, lambda raw: attempt.call_entry(entry_type, target, parameter, fields, raw))

    def _target(self, place: list[Any], path: str) -> Target:
        match place:
            case ["obj", key]:
                return Target("ProgObject", "do_at", key, HandlerKind.OBJECT_EXCLUSIVE)
            case ["own"]:
                return Target("ProgObject", "own", path, HandlerKind.OBJECT_EXCLUSIVE)
            case ["flow"]:
                return Target("ProgFlow", "run", path, HandlerKind.WORKFLOW_RUN)
            case ["resolve"]:
                return Target("ProgFlow", "resolve", self._attempt._target.key, HandlerKind.WORKFLOW_SHARED)
            case _:
                return _DO

    def awakeable(self) -> tuple[str, Leaf]:
        attempt = self._attempt
        attempt.next_signal += 1
        signal = attempt.next_signal - 1
        return awakeable_id(attempt.id, signal), signal_leaf(signal)

    def settle(self, awakeable_id: str, good: bool) -> None:
        message = pb.CompleteAwakeableCommand(awakeable_id=awakeable_id)
        if good:
            message.value.content = b'"woken"'
        else:
            message.failure.CopyFrom(pb.Failure(code=500, message="as asked"))
        self._attempt.command(T.COMPLETE_AWAKEABLE, message)

    def attach(self, invocation_id: str) -> Leaf:
        completion = self._attempt.new_completion()
        message = pb.AttachInvocationCommand(invocation_id=invocation_id, result_completion_id=completion)
        self._attempt.command(T.ATTACH_INVOCATION, message)
        return completion

    def cancel(self, invocation_id: str) -> None:
        message = pb.SendSignalCommand(target_invocation_id=invocation_id, idx=_CANCEL, void=pb.Void())
        self._attempt.command(T.SEND_SIGNAL, message)

    def promise(self, name: str) -> Leaf:
        completion = self._attempt.new_completion()
        self._attempt.command(T.GET_PROMISE, pb.GetPromiseCommand(key=name, result_completion_id=completion))
        return completion

    async def peek(self, name: str) -> Any:
        completion = self._attempt.new_completion()
        self._attempt.command(T.PEEK_PROMISE, pb.PeekPromiseCommand(key=name, result_completion_id=completion))
        return await self.result(completion)

    async def complete(self, name: str, value: Any) -> bool:
        completion = self._attempt.new_completion()
        message = pb.CompletePromiseCommand(key=name, result_completion_id=completion)
        message.completion_value.content = json.dumps(value).encode()
        self._attempt.command(T.COMPLETE_PROMISE, message)
        return await self.result(completion) is None

    async def get(self, name: str) -> Any:
        attempt = self._attempt
        lazy = attempt._chooser.random() < 0.3
        stored = attempt.next_stored()
        if stored is not None:
            lazy = stored == T.GET_LAZY_STATE
        key = name.encode()
        if lazy:
            completion = attempt.new_completion()
            attempt.command(T.GET_LAZY_STATE, pb.GetLazyStateCommand(key=key, result_completion_id=completion))
            return await self.result(completion)
        message = pb.GetEagerStateCommand(key=key)
        if key in attempt.state:
            message.value.content = attempt.state[key]
        else:
            message.void.SetInParent()
        _, raw = attempt.command(T.GET_EAGER_STATE, message)
        told = pb.GetEagerStateCommand.FromString(raw)
        return json.loads(told.value.content) if told.HasField("value") else None

    def set(self, name: str, value: Any) -> None:
        content = json.dumps(value).encode()
        packed = len(content) % (2 * _LARGE_ONE_IN) == 0
        if len(content) % _LARGE_ONE_IN == 0:
            content = content.ljust(LARGE_VALUE_BYTES + 1)
        message = pb.SetStateCommand(key=name.encode(), value=pb.Value(content=content))
        self._attempt.command(T.SET_STATE, message, _read_set_state if packed else None)
        self._attempt.state[name.encode()] = content

    def clear(self, name: str) -> None:
        self._attempt.command(T.CLEAR_STATE, pb.ClearStateCommand(key=name.encode()))
        self._attempt.state.pop(name.encode(), None)

    def clear_all(self) -> None:
        self._attempt.command(T.CLEAR_ALL_STATE, pb.ClearAllStateCommand())
        self._attempt.state.clear()

    async def names(self) -> list[str]:
        completion = self._attempt.new_completion()
        message = pb.GetLazyStateKeysCommand(result_completion_id=completion)
        self._attempt.command(T.GET_LAZY_STATE_KEYS, message)
        await Wait([completion])
        notification = self._attempt.notification(completion)
        assert notification is not None
        return [key.decode() for key in notification.state_keys.keys]

    async def result(self, future: Leaf) -> Any:
        if not await Wait([future]):
            return "failed 409"
        notification = self._attempt.notification(future)
        assert notification is not None
        match notification.WhichOneof("result"):
            case "failure":
                return f"failed {notification.failure.code}"
            case "value":
                return json.loads(notification.value.content)
            case _:
                return None

    async def all(self, futures: list[Leaf]) -> None:
        await Wait(futures)

    async def first(self, futures: list[Leaf]) -> int:
        await Wait(futures, all=False)
        return next(at for at, leaf in enumerate(futures) if self._attempt.notification(leaf) is not None)


class ProgramWorld(World):
    """Clients call programs instead of counters."""

    def __init__(self, seed: int, programs: list[list[Any]]) -> None:
        super().__init__(seed)
        self.programs = programs
        self._next = iter(range(len(programs)))
        #: Program -> its result.
        self.told: dict[int, Any] = {}
        #: (step, token), as they were executed.
        self.executed: list[tuple[str, str]] = []

    def make_invoker(self, now_ms: Callable[[], int]) -> ScriptedInvoker:
        return ProgramInvoker(self, now_ms)

    def execute(self, path: str) -> str:
        token = f"t{len(self.executed)}"
        self.executed.append((path, token))
        return token

    async def client(self, number: int, requests: int) -> None:
        for which in self._next:
            argument = json.dumps({"path": f"p{which}", "program": self.programs[which]}).encode()
            invoke = self.make_invoke(_DO, uid=f"program-{which}".encode())
            invoke.input = encode_input([], argument)
            reply = await self.ask(InvokeRequest(1, 0, invoke, True))
            assert isinstance(reply, ResultReply)
            assert isinstance(reply.result, bytes), f"program {which}: {reply.result}"
            self.acknowledged[invoke.id] = reply.result
            self.told[which] = json.loads(reply.result)

    def object_state(self, key: str) -> dict[str, Any]:
        """All that a shared object knows."""
        place = key_partition_key(key)
        prefix = keys.object_prefix(keys.STATE, place, "ProgObject", key)
        store = self.stores[self.table.partition_of(place).id]
        return {
            name[len(prefix) :].decode(): json.loads(state_value(store.get, name, value))
            for name, value in store.scan(prefix, keys.prefix_end(prefix))
        }
