"""Clients: each makes requests, one after another, and keeps the history of what it asked and heard.

What they know of an answer that never came is what a real client knows: it may have happened.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from random import Random
from typing import Any

from msgspec.structs import replace

from partitiond.machine.messages import CANCELED, KILLED, WORKFLOW_INVOKED
from shared.api.partition import (
    AttachRequest,
    AwakeableRequest,
    InvokeReply,
    InvokeRequest,
    PatchStateReply,
    PatchStateRequest,
    PauseRequest,
    ResultReply,
    ResumeRequest,
    TerminateReply,
    TerminateRequest,
)
from shared.ids import key_partition_key
from shared.protocol.input import encode_input
from shared.state_version import state_version
from shared.storage import keys
from shared.storage.large import state_value
from shared.wal.commands import Failure, Invoke, PatchState, Result, TerminateMode
from tests.simulation import checkers
from tests.simulation.cluster import Cluster
from tests.simulation.linearizable import Call
from tests.simulation.services import target

__all__ = ["Clients"]

_REGISTERS = ("r1", "r2", "r3")
_LISTS = ("l1", "l2")
_OPERATIONS = (
    *("apply", "apply", "apply", "peek", "burst", "burst", "send", "call", "call", "call"),
    *("wait", "nap", "limited", "flow", "later", "edit"),
)


class _LostError(Exception):
    """The ingress went away before it answered."""


class Clients:
    """All of them, and what they know at the end."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.loop = cluster.loop
        #: Calls of each register.
        self.calls: dict[str, list[Call]] = defaultdict(list)
        #: Items that went to a list, and those of them that may not have.
        self.sent: list[str] = []
        self.doubtful: set[str] = set()
        #: Invocation -> (its name, what it answered first).
        self.answered: dict[bytes, tuple[str, Result]] = {}
        self.heard: dict[str, list[Any]] = defaultdict(list)
        #: Invocations that may never have begun, with their names.
        self.unknown: dict[bytes, str] = {}
        #: Purged: nobody can ask for them.
        self.purged: set[bytes] = set()
        #: Kept for a moment only.
        self.short: set[bytes] = set()
        self.tokens: dict[str, str] = {}
        self.open: dict[str, float] = {}
        self._settled: dict[str, Any] = {}
        self._operators: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until all have done what they had to do."""
        plan = self.cluster.plan
        completer = self.loop.create_task(self._complete_awakeables())
        await asyncio.gather(*(self._client(number) for number in range(plan.clients)))
        while self._operators:
            await asyncio.gather(*self._operators)
        completer.cancel()

    # How they ask.

    async def ask(self, place: int, request: Any) -> Any:
        """Through the ingress. Raises _LostError when it goes away before it answers."""
        cluster = self.cluster
        while cluster.front is None or not cluster.front.alive or cluster.router is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        process, router = cluster.front, cluster.router
        answer: asyncio.Future[Any] = self.loop.create_future()

        async def exchange() -> None:
            found = await router.exchange(place, replace(request))
            if not answer.done():
                answer.set_result(found.reply)

        def lost() -> None:
            if not answer.done():
                answer.set_exception(_LostError())

        process.at_exit[lost] = None
        process.start(exchange(), name="request")
        try:
            return await answer
        finally:
            process.at_exit.pop(lost, None)

    async def insist(self, place: int, request: Any) -> Any:
        """Again and again: the request may be repeated."""
        while True:
            try:
                return await self.ask(place, request)
            except _LostError:
                await asyncio.sleep(0.01)

    def _make(self, name: str, where: tuple[Any, ...], argument: dict[str, Any], **more: Any) -> Invoke:
        invoke = self.cluster.make_invoke(target(*where), uid=name.encode(), **more)
        invoke.input = encode_input([], json.dumps({"path": name, **argument}).encode())
        return invoke

    async def invoke(self, name: str, invoke: Invoke, *, repeats: bool = True) -> Result | None:
        """Its result; None: nobody knows."""
        request = InvokeRequest(1, 0, invoke, True)
        place = int.from_bytes(invoke.id[:8], "big")
        self.open[name] = self.loop.time()
        self._note(name, "asks")
        while True:
            try:
                reply = await self.ask(place, request)
                break
            except _LostError:
                if not repeats:
                    del self.open[name]
                    self.unknown[invoke.id] = name
                    self._note(name, "does not know")
                    return None
                await asyncio.sleep(0.01)
        del self.open[name]
        assert isinstance(reply, ResultReply)
        result = reply.result
        assert result is not None, f"{name} has no result"
        self._note(name, result)
        if result == WORKFLOW_INVOKED:
            return result  # Another request was first: this one is nobody's result.
        self.answered[invoke.id] = (name, result)
        self.heard[name].append(result)
        if isinstance(result, bytes):
            token = json.loads(result)[0]
            if token is not None:
                self.tokens[name] = token
        return result

    def _note(self, *words: Any) -> None:
        self.cluster.record.note(round(self.loop.time(), 9), *words)

    # What they ask for.

    async def _client(self, number: int) -> None:
        chooser = Random(f"{self.cluster.plan.seed} client {number}")
        for turn in range(self.cluster.plan.requests):
            name = f"c{number}.{turn}"
            await getattr(self, "_" + chooser.choice(_OPERATIONS))(name, number, chooser)
            await asyncio.sleep(chooser.choice((0.0, 0.01, 0.1, 0.5)))

    async def _apply(self, name: str, number: int, chooser: Random) -> None:
        key = chooser.choice(_REGISTERS)
        value = chooser.randrange(100)
        operations: list[tuple[Any, ...]] = [("read",), ("write", value), ("add", value), ("add", 1)]
        operation = chooser.choice((*operations, ("cas", value, value + 1)))
        invoke = self._make(name, ("Register", "apply", key), {"operation": operation})
        if chooser.random() < 0.15:
            self._operate(invoke, chooser, (TerminateMode.KILL,))
        elif chooser.random() < 0.2:
            self._pause(invoke, chooser)
        await self._call_of(key, name, operation, invoke, repeats=chooser.random() < 0.7)

    async def _peek(self, name: str, number: int, chooser: Random) -> None:
        key = chooser.choice(_REGISTERS)
        await self._call_of(key, name, ("read",), self._make(name, ("Register", "peek", key), {}), repeats=True)

    async def _call_of(self, key: str, name: str, operation: tuple[Any, ...], invoke: Invoke, *, repeats: bool) -> None:
        began_at = self.loop.time()
        result = await self.invoke(name, invoke, repeats=repeats)
        if result is None:
            self.calls[key].append(Call(name, operation, began_at, None))
        elif isinstance(result, Failure):
            assert result in (KILLED, CANCELED), result
            self.calls[key].append(Call(name, operation, began_at, self.loop.time(), doubtful=True))
        else:
            self.calls[key].append(Call(name, operation, began_at, self.loop.time(), json.loads(result)[1]))

    async def _burst(self, name: str, number: int, chooser: Random) -> None:
        count = chooser.randint(1, 9)
        invoke = self._make(name, ("Sender", "burst"), {"count": count, "keys": _LISTS[: chooser.randint(1, 2)]})
        items = [f"{name}/{at}" for at in range(count)]
        self.sent += items
        if await self.invoke(name, invoke, repeats=chooser.random() < 0.7) is None:
            self.doubtful.update(items)

    async def _send(self, name: str, number: int, chooser: Random) -> None:
        """One-way, one after another: the list sees them in this order."""
        key = chooser.choice(_LISTS)
        for at in range(chooser.randint(1, 4)):
            item = f"{name}/{at}"
            self.sent.append(item)
            invoke = self._make(item, ("List", "append", key), {"item": item})
            reply = await self.insist(key_partition_key(key), InvokeRequest(1, 0, invoke, False))
            assert isinstance(reply, InvokeReply)
            self._note(item, "sent")

    async def _call(self, name: str, number: int, chooser: Random) -> None:
        called = [chooser.choice(_REGISTERS) for _ in range(chooser.randint(1, 5))]
        invoke = self._make(name, ("Caller", "call"), {"keys": called})
        if chooser.random() < 0.2:
            self._operate(invoke, chooser, (TerminateMode.KILL, TerminateMode.CANCEL))
        began_at = self.loop.time()
        result = await self.invoke(name, invoke, repeats=chooser.random() < 0.7)
        sums = json.loads(result)[1] if isinstance(result, bytes) else None
        for at, key in enumerate(called):
            known = isinstance(sums, list) and isinstance(sums[at], list)
            ended_at = self.loop.time() if known else None
            value = sums[at][1] if known else None  # type: ignore[index]
            self.calls[key].append(Call(f"{name}/{at}", ("add", 1), began_at, ended_at, value))

    async def _wait(self, name: str, number: int, chooser: Random) -> None:
        invoke = self._make(name, ("Waiter", "wait"), {})
        if chooser.random() < 0.3:
            self._operate(invoke, chooser, (TerminateMode.KILL, TerminateMode.CANCEL))
        result = await self.invoke(name, invoke)
        if isinstance(result, bytes):
            value = json.loads(result)[1]
            told = (value, "failed 409") if value == "failed 409" else self._settled.get(name)
            self.cluster.record.check("result.one", checkers.reply_is_what_is_stored(value, told and told[0]))

    async def _nap(self, name: str, number: int, chooser: Random) -> None:
        invoke = self._make(name, ("Napper", "nap"), {"ms": chooser.choice((1, 50, 500, 2000))})
        if chooser.random() < 0.3:
            self._operate(invoke, chooser, (TerminateMode.KILL, TerminateMode.CANCEL))
        elif chooser.random() < 0.3:
            self._pause(invoke, chooser)
        elif chooser.random() < 0.3:
            invoke.completion_retention_ms = invoke.journal_retention_ms = 30_000
            self.short.add(invoke.id)
        result = await self.invoke(name, invoke)
        if result not in (KILLED, CANCELED) and chooser.random() < 0.2:
            await self._purge(invoke)

    async def _limited(self, name: str, number: int, chooser: Random) -> None:
        invoke = self._make(
            name,
            ("Limited", "limited"),
            {"ms": chooser.choice((1, 20, 200))},
            limit_key=chooser.choice((None, "a", "a/x")),
        )
        if chooser.random() < 0.2:
            self._operate(invoke, chooser, (TerminateMode.KILL, TerminateMode.CANCEL))
        await self.invoke(name, invoke)

    async def _edit(self, name: str, number: int, chooser: Random) -> None:
        """A register's state is replaced from outside, while calls that came before and behind it read and write it."""
        key = chooser.choice(_REGISTERS)
        adds = [f"{name}/add-{at}" for at in range(chooser.randint(0, 3))]
        first = chooser.randint(0, len(adds))
        patch, operation = self._patch(key, chooser)
        await asyncio.gather(
            *(self._add(key, add) for add in adds[:first]),
            self._replace(key, name, patch, operation, chooser),
            *(self._add(key, add) for add in adds[first:]),
        )

    async def _add(self, key: str, name: str) -> None:
        invoke = self._make(name, ("Register", "apply", key), {"operation": ["add", 1]})
        await self._call_of(key, name, ("add", 1), invoke, repeats=True)

    def _patch(self, key: str, chooser: Random) -> tuple[PatchState, tuple[Any, ...]]:
        """Now and then only if the state is as expected."""
        value, expected = chooser.randrange(100), chooser.choice((None, None, 1, 2))
        clock = self.cluster.nodes[chooser.choice(list(self.cluster.nodes))].clock
        uid = clock.now_ms().to_bytes(8, "big") + chooser.randbytes(8)
        version = None if expected is None else state_version([(b"n", b"%d" % expected)])
        patch = PatchState(uid, "Register", key, None, version, [(b"n", b"%d" % value)] if value else [])
        return patch, ("write", value) if expected is None else ("replace", expected, value)

    async def _replace(
        self, key: str, name: str, patch: PatchState, operation: tuple[Any, ...], chooser: Random
    ) -> None:
        await asyncio.sleep(chooser.choice((0.0, 0.002, 0.02)))
        began_at = self.loop.time()
        reply = await self.insist(key_partition_key(key), PatchStateRequest(1, 0, patch))
        assert isinstance(reply, PatchStateReply)
        self._note(name, "edited")
        # It may wait for calls that came before, and has been made when one that came later is answered.
        read = self._make(f"{name}/read", ("Register", "apply", key), {"operation": ["read"]})
        await self._call_of(key, f"{name}/read", ("read",), read, repeats=True)
        self.calls[key].append(Call(name, operation, began_at, self.loop.time()))
        if chooser.random() < 0.3:
            # The same again, behind a call that has seen it, changes nothing.
            await self._add(key, f"{name}/again")
            await self.insist(key_partition_key(key), PatchStateRequest(1, 0, patch))

    async def _later(self, name: str, number: int, chooser: Random) -> None:
        """Not before its time."""
        clock = self.cluster.nodes[chooser.choice(list(self.cluster.nodes))].clock
        due_ms = clock.now_ms() + chooser.choice((10, 300, 1500))
        key = chooser.choice(_REGISTERS)
        invoke = self._make(name, ("Register", "apply", key), {"operation": ["add", 1], "due_ms": due_ms})
        invoke.start_at_ms = due_ms
        if chooser.random() < 0.2:
            self._operate(invoke, chooser, (TerminateMode.KILL,))
        await self._call_of(key, name, ("add", 1), invoke, repeats=True)

    async def _flow(self, name: str, number: int, chooser: Random) -> None:
        """A workflow; others ask for its result, complete its promise, and try to run it once more."""
        run = self._make(name, ("Flow", "run", name), {})
        second = replace(run, request_uid=b"second")
        resolves = [self._make(f"{name}-resolve-{at}", ("Flow", "resolve", name), {"value": at}) for at in range(2)]
        place = key_partition_key(name)
        first, *others = await asyncio.gather(
            self.invoke(name, run),
            self.insist(place, AttachRequest(1, 0, run.id, True)),
            self._later_ask(place, InvokeRequest(1, 0, second, True)),
            *(self.invoke(resolve.request_uid.decode(), resolve) for resolve in resolves),
        )
        attached, again, *resolved = others
        if attached.found:
            self.heard[name].append(attached.result)
        if isinstance(again.result, bytes):
            # It came first: then the other one attached to it or was refused.
            self.heard[name].append(again.result)
        wins = [json.loads(result)[1] for result in resolved if isinstance(result, bytes)]
        self.cluster.record.check(
            "result.one", None if wins.count(True) == 1 else f"promise of {name} was completed so: {wins}"
        )
        if isinstance(first, bytes):
            won = wins.index(True)
            self.cluster.record.check("result.one", checkers.reply_is_what_is_stored(json.loads(first)[1], won))

    async def _later_ask(self, place: int, request: Any) -> Any:
        await asyncio.sleep(0.3)
        return await self.insist(place, request)

    # Operators, and who completes awakeables.

    def _operate(self, invoke: Invoke, chooser: Random, modes: tuple[TerminateMode, ...]) -> None:
        self._spawn(self._terminate(invoke, chooser.choice((0.0, 0.02, 0.3, 1.0)), chooser.choice(modes)))

    def _pause(self, invoke: Invoke, chooser: Random) -> None:
        self._spawn(self._pause_and_resume(invoke, chooser.choice((0.01, 0.2)), chooser.choice((0.0, 0.3, 2.0))))

    def _spawn(self, work: Any) -> None:
        task = self.loop.create_task(work)
        self._operators.add(task)
        task.add_done_callback(self._operated)

    def _operated(self, task: asyncio.Task[None]) -> None:
        self._operators.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.cluster.fail(error)

    async def _terminate(self, invoke: Invoke, after_s: float, mode: TerminateMode) -> None:
        await asyncio.sleep(after_s)
        reply = await self.insist(_place(invoke), TerminateRequest(1, 0, invoke.id, mode))
        assert isinstance(reply, TerminateReply)
        assert reply.outcome in ("done", "appended", "not_found", "completed"), reply.outcome
        self._note("terminated", invoke.id, reply.outcome)

    async def _pause_and_resume(self, invoke: Invoke, after_s: float, for_s: float) -> None:
        await asyncio.sleep(after_s)
        paused = await self.insist(_place(invoke), PauseRequest(1, 0, invoke.id))
        if paused.outcome in ("paused", "pausing"):
            await asyncio.sleep(for_s)
            resumed = await self.insist(_place(invoke), ResumeRequest(1, 0, invoke.id))
            assert resumed.outcome in ("done", "running", "resumed", "completed"), resumed.outcome

    async def _purge(self, invoke: Invoke) -> None:
        reply = await self.insist(_place(invoke), TerminateRequest(1, 0, invoke.id, TerminateMode.PURGE))
        assert reply.outcome in ("done", "not_found"), reply.outcome
        self.purged.add(invoke.id)
        gone = await self.insist(_place(invoke), AttachRequest(1, 0, invoke.id, False))
        self.cluster.record.check("reply.lost", "what was purged is still there" if gone.found else None)

    async def _complete_awakeables(self) -> None:
        """As somebody outside would: after a while, twice, with two values. The first counts."""
        chooser = Random(f"{self.cluster.plan.seed} awakeables")
        begun: set[tuple[bytes, int]] = set()
        while True:
            await asyncio.sleep(0.05)
            for path, signals in list(self.cluster.awaited.items()):
                for signal in signals:
                    if signal not in begun:
                        begun.add(signal)
                        self._spawn(self._complete(path, *signal, chooser.choice((0.0, 0.1, 1.0))))

    async def _complete(self, path: str, invocation_id: bytes, signal: int, after_s: float) -> None:
        await asyncio.sleep(after_s)
        place = int.from_bytes(invocation_id[:8], "big")
        # Known before it is sent: the handler may end before the answer comes.
        self._settled.setdefault(path, (f"value of {path}",))
        for value in (f"value of {path}", "too late"):
            await self.insist(place, AwakeableRequest(1, 0, invocation_id, signal, json.dumps(value).encode()))

    # At the end.

    async def ask_again(self) -> None:
        """Whatever was answered is answered the same again, and what nobody knows has come to an end."""
        check = self.cluster.record.check
        for invocation_id, (name, result) in list(self.answered.items()):
            place = int.from_bytes(invocation_id[:8], "big")
            reply = await self.insist(place, AttachRequest(1, 0, invocation_id, True))
            if not reply.found:
                # What never began is forgotten when it is killed or cancelled.
                may_be_gone = invocation_id in self.purged | self.short or result in (CANCELED, KILLED)
                check("reply.lost", None if may_be_gone else f"{name} was answered, and is gone")
                continue
            check("reply.lost", checkers.reply_is_what_is_stored(result, reply.result))
        for invocation_id in self.unknown:
            place = int.from_bytes(invocation_id[:8], "big")
            await self.insist(place, AttachRequest(1, 0, invocation_id, True))

    def check(self) -> None:
        """Once all is quiet."""
        check = self.cluster.record.check
        check("end.leftovers", checkers.forgotten(self.short | self.purged, self.cluster.row_of))
        check("object.linearizable", checkers.objects_linearizable(self._calls_with_last()))
        seen = [self._list(key) for key in _LISTS]
        check("send.once", checkers.sent_once(self.sent, [item for items in seen for item in items], self.doubtful))
        for items in seen:
            check("send.fifo", checkers.fifo_of_sends(items))
        check("step.once", checkers.steps_stored_once(self.cluster.executed, self.tokens))
        check("result.one", checkers.one_result_for_all(self.heard))
        check("reply.once", checkers.each_reply_once(self.cluster.replies))

    def _calls_with_last(self) -> dict[str, list[Call]]:
        """The state at the end is a read behind all others."""
        now = self.loop.time()
        found = {}
        for key in _REGISTERS:
            last = self._state("Register", key, b"n") or 0
            found[key] = [*self.calls[key], Call("at the end", ("read",), now, now + 1, last)]
        return found

    def _list(self, key: str) -> list[str]:
        return self._state("List", key, b"items") or []

    def _state(self, service: str, key: str, name: bytes) -> Any:
        place = key_partition_key(key)
        store = self.cluster.record.references[self.cluster.table.partition_of(place).id].store
        state_key = keys.state_key(place, service, key, name)
        stored = store.get(state_key)
        return None if stored is None else json.loads(state_value(store.get, state_key, stored))


def _place(invoke: Invoke) -> int:
    return int.from_bytes(invoke.id[:8], "big")
