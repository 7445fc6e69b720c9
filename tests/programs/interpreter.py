"""Performs a program by the steps that a runtime offers: those of the SDK, or those of the simulation."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Steps", "perform", "visit"]

#: Sleeps until it is cancelled.
_SLEEPER = [["sleep", 3_600_000]]


class Steps(Protocol):
    """What an invocation can do. Futures are the runtime's own."""

    async def breathe(self) -> None:
        """A moment at which an attempt may break off."""

    def run(self, path: str) -> Any: ...

    def sleep(self, ms: int) -> Any: ...

    def call(self, place: list[Any], argument: dict[str, Any]) -> Any: ...

    async def send(self, place: list[Any], argument: dict[str, Any], delay_ms: int = 0) -> str:
        """The id of what was sent."""

    def awakeable(self) -> tuple[str, Any]: ...

    def settle(self, awakeable_id: str, good: bool) -> None: ...

    def attach(self, invocation_id: str) -> Any: ...

    def cancel(self, invocation_id: str) -> None: ...

    def promise(self, name: str) -> Any: ...

    async def peek(self, name: str) -> Any: ...

    async def complete(self, name: str, value: Any) -> bool:
        """False: it was completed before."""

    async def get(self, name: str) -> Any: ...

    def set(self, name: str, value: Any) -> None: ...

    def clear(self, name: str) -> None: ...

    def clear_all(self) -> None: ...

    async def names(self) -> list[str]: ...

    async def result(self, future: Any) -> Any:
        """Its value, or `failed <code>`."""

    async def all(self, futures: list[Any]) -> None: ...

    async def first(self, futures: list[Any]) -> int: ...


async def visit(steps: Steps, argument: dict[str, Any], place: list[Any]) -> Any:
    """One invocation. A shared object keeps the order of its visitors, and notes when two are there at once."""
    path, program = argument["path"], argument["program"]
    if place[0] != "obj":
        return await perform(steps, program, path, place)
    if await steps.get("busy") is not None:
        steps.set("overlap", path)
    steps.set("busy", path)
    steps.set("order", [*(await steps.get("order") or []), path])
    result = await perform(steps, program, path, place)
    if await steps.get("busy") != path:
        steps.set("overlap", path)
    steps.clear("busy")
    return result


async def perform(steps: Steps, program: list[list[Any]], path: str, place: list[Any]) -> list[Any]:
    """The results of its operations."""
    results = []
    for at, op in enumerate(program):
        await steps.breathe()
        results.append(await _perform(steps, op, f"{path}/{at}", place))
    return results


async def _perform(steps: Steps, op: list[Any], path: str, place: list[Any]) -> Any:
    match op:
        case ["run" | "sleep" | "call" | "awake", *_]:
            return await _result(steps, await _start(steps, op, path))
        case ["send", callee, program]:
            await steps.send(callee, {"path": path, "program": program})
        case ["later", ms, callee, program]:
            await steps.send(callee, {"path": path, "program": program}, ms)
        case ["fork", callee, program]:
            sent = await steps.send(callee, {"path": path, "program": program})
            return await steps.result(steps.attach(sent))
        case ["cancel"]:
            sent = await steps.send(["svc"], {"path": path, "program": _SLEEPER})
            steps.cancel(sent)
            return await steps.result(steps.attach(sent))
        case ["settle", awakeable_id, good]:
            steps.settle(awakeable_id, good)
        case ["all", ops]:
            started = [await _start(steps, each, f"{path}.{at}") for at, each in enumerate(ops)]
            await steps.all([future for future, _ in started])
            return [await _result(steps, each) for each in started]
        case ["race", raced]:
            started_one = await _start(steps, raced, f"{path}.0")
            _, never = steps.awakeable()
            assert await steps.first([started_one[0], never]) == 0, "what nobody completes has come"
            return await _result(steps, started_one)
        case ["add", n]:
            steps.set("n", (await steps.get("n") or 0) + n)
        case ["promise", n]:
            return await _promise(steps, path, n)
        case _:
            return await _on_state(steps, op)
    return None


async def _start(steps: Steps, op: list[Any], path: str) -> tuple[Any, Any]:
    """(future, what its value reads as: None for the value itself)."""
    match op:
        case ["run"]:
            return steps.run(path), None
        case ["sleep", ms]:
            return steps.sleep(ms), "slept"
        case ["call", callee, program]:
            return steps.call(callee, {"path": path, "program": program}), None
        case ["awake", good]:
            awakeable_id, future = steps.awakeable()
            await steps.send(["svc"], {"path": path, "program": [["settle", awakeable_id, good]]})
            return future, None
        case _:
            raise AssertionError(f"{op} cannot be started")


async def _result(steps: Steps, started: tuple[Any, Any]) -> Any:
    future, word = started
    value = await steps.result(future)
    return value if word is None or str(value).startswith("failed") else word


async def _promise(steps: Steps, path: str, n: int) -> Any:
    name = path.replace("/", "-")
    future = steps.promise(name)
    await steps.send(["resolve"], {"path": path, "program": [name, n]})
    value = await steps.result(future)
    if await steps.complete(name, 0) or await steps.peek(name) != n:
        return "a promise was completed twice"
    return value


async def _on_state(steps: Steps, op: list[Any]) -> Any:
    match op:
        case ["put", name, n]:
            steps.set(name, n)
        case ["get", name]:
            return await steps.get(name)
        case ["drop", name]:
            steps.clear(name)
        case ["names"]:
            # The SDK names what the same attempt has cleared, too: it answers eager reads itself.
            return [name for name in sorted(await steps.names()) if await steps.get(name) is not None]
        case ["drop_all"]:
            steps.clear_all()
        case _:
            raise AssertionError(f"unknown operation {op}")
    return None
