"""The services of the simulation, and the invoker that plays them: attempts that replay their journal, break off, wait
and suspend at random (tests/programs/simulated.py).

    Register/{key}   read, write n, add n, cas old new: a number; peek: shared
    List/{key}       append item; all its items are its state
    Sender           burst: sends items to lists, one after another, at once and later
    Caller           adds to two registers, one after another
    Waiter           awaits an awakeable that the world completes
    Napper           sleeps
    Limited          runs in a scope, whose rules change
    Flow/{key}       a workflow that awaits a promise, which `resolve` completes
Each begins with a step, whose token is part of its result.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from shared.protocol import service_pb2 as pb
from shared.protocol.input import input_payload
from shared.storage.values import InvocationRow
from shared.wal.commands import HandlerKind, Target
from shared.wal.futures import Leaf
from tests.fakes.scripted_invoker import ScriptedAttempt, ScriptedInvoker
from tests.programs.simulated import ProgramAttempt, ProgramInvoker, SimSteps

if TYPE_CHECKING:
    from tests.simulation.cluster import Cluster
    from tests.simulation.loop import Process

__all__ = ["SCOPE", "SimInvoker", "target"]

#: Of `Limited`.
SCOPE = "limited"

_KINDS = {
    ("Register", "apply"): HandlerKind.OBJECT_EXCLUSIVE,
    ("Register", "peek"): HandlerKind.OBJECT_SHARED,
    ("List", "append"): HandlerKind.OBJECT_EXCLUSIVE,
    ("Flow", "run"): HandlerKind.WORKFLOW_RUN,
    ("Flow", "resolve"): HandlerKind.WORKFLOW_SHARED,
}


def target(service: str, handler: str, key: str | None = None) -> Target:
    kind = _KINDS.get((service, handler), HandlerKind.SERVICE)
    return Target(service, handler, key, kind, SCOPE if service == "Limited" else None)


class SimInvoker(ProgramInvoker):
    """The invoker of one worker process."""

    def __init__(self, cluster: Cluster, process: Process, now_ms: Callable[[], int]) -> None:
        ScriptedInvoker.__init__(self, process.chooser, {}, cluster.make_invoke, now_ms)
        self.world: Any = cluster
        self.cluster = cluster

    def make_attempt(self, host: Any, invocation_id: bytes, row: InvocationRow) -> ScriptedAttempt:
        return _ServiceAttempt(self, host, invocation_id, row)

    def state_chunks(self, at_once: int) -> Iterator[list[Any]]:
        yield []

    async def close(self) -> None:
        """Its attempts end with their process."""


class _ServiceAttempt(ProgramAttempt):
    _invoker: SimInvoker

    def _make_body(self) -> Any:
        argument = json.loads(input_payload(self._commands[0][1]))
        return _perform(_Steps(self, self._invoker), self._target, argument)


class _Steps(SimSteps):
    _invoker: SimInvoker

    def _target(self, place: list[Any], path: str) -> Target:
        return target(*place)

    def _execute(self, path: str) -> str:
        return self._invoker.cluster.execute(path, self._attempt.host)

    async def nap(self, ms: int) -> None:
        completion = self.sleep(ms)
        _, raw = self._attempt._commands[self._attempt.index - 1]
        due_ms = pb.SleepCommand.FromString(raw).wake_up_time
        if await self.result(completion) != "failed 409":
            self._invoker.cluster.came(due_ms)

    def await_world(self, path: str) -> Leaf:
        """An awakeable that somebody outside completes."""
        awakeable_id, leaf = self.awakeable()
        self._invoker.cluster.asked(path, awakeable_id)
        return leaf


async def _perform(steps: _Steps, target: Target, argument: dict[str, Any]) -> Any:
    path = argument["path"]
    if target.kind not in (HandlerKind.OBJECT_SHARED, HandlerKind.WORKFLOW_SHARED):
        steps._invoker.cluster.began(path, argument.get("due_ms", 0))
    first = await steps.result(steps.run(path))
    if first == "failed 409":
        return [None, first]
    await steps.breathe()
    return [first[2], await _HANDLERS[target.service, target.handler](steps, argument)]


async def _apply(steps: _Steps, argument: dict[str, Any]) -> Any:
    n = await steps.get("n") or 0
    match argument["operation"]:
        case ["read"]:
            return n
        case ["write", value]:
            steps.set("n", value)
            return None
        case ["add", value]:
            steps.set("n", n + value)
            await steps.breathe()
            return n + value
        case ["cas", old, new]:
            if n == old:
                steps.set("n", new)
            return n == old


async def _peek(steps: _Steps, argument: dict[str, Any]) -> Any:
    return await steps.get("n") or 0


async def _append(steps: _Steps, argument: dict[str, Any]) -> Any:
    items = await steps.get("items") or []
    await steps.breathe()
    steps.set("items", [*items, argument["item"]])
    return len(items)


async def _burst(steps: _Steps, argument: dict[str, Any]) -> Any:
    path = argument["path"]
    for at in range(argument["count"]):
        key = argument["keys"][at % len(argument["keys"])]
        item = f"{path}/{at}"
        await steps.send(["List", "append", key], {"path": item, "item": item})
        await steps.breathe()
    return None


async def _call(steps: _Steps, argument: dict[str, Any]) -> Any:
    path, results = argument["path"], []
    for at, key in enumerate(argument["keys"]):
        call = {"path": f"{path}/{at}", "operation": ["add", 1]}
        result = await steps.result(steps.call(["Register", "apply", key], call))
        results.append(result)
        await steps.breathe()
    return results


async def _wait(steps: _Steps, argument: dict[str, Any]) -> Any:
    return await steps.result(steps.await_world(argument["path"]))


async def _nap(steps: _Steps, argument: dict[str, Any]) -> Any:
    await steps.nap(argument["ms"])
    return "slept"


async def _limited(steps: _Steps, argument: dict[str, Any]) -> Any:
    await steps.nap(argument["ms"])
    await steps.result(steps.run(argument["path"] + "/2"))
    return "done"


async def _run(steps: _Steps, argument: dict[str, Any]) -> Any:
    value = await steps.result(steps.promise("go"))
    await steps.nap(5)
    steps.set("value", value)
    return value


async def _resolve(steps: _Steps, argument: dict[str, Any]) -> Any:
    return await steps.complete("go", argument["value"])


_HANDLERS: dict[tuple[str, str], Callable[[_Steps, dict[str, Any]], Any]] = {
    ("Register", "apply"): _apply,
    ("Register", "peek"): _peek,
    ("List", "append"): _append,
    ("Sender", "burst"): _burst,
    ("Caller", "call"): _call,
    ("Waiter", "wait"): _wait,
    ("Napper", "nap"): _nap,
    ("Limited", "limited"): _limited,
    ("Flow", "run"): _run,
    ("Flow", "resolve"): _resolve,
}
