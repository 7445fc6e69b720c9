"""The interpreter as services of the official Python SDK. Each execution of a step leaves a line in STEPS_FILE."""

from __future__ import annotations

import json
import os
import uuid
from datetime import timedelta
from typing import Any

import restate
from restate.exceptions import TerminalError

from tests.programs.interpreter import visit

_SHORT = timedelta(milliseconds=200)
#: Attempts are cut short, so that invocations suspend and are replayed.
_OPTIONS: dict[str, Any] = {
    "inactivity_timeout": _SHORT,
    "invocation_retry_policy": restate.InvocationRetryPolicy(
        initial_interval=timedelta(milliseconds=20), max_interval=timedelta(milliseconds=500)
    ),
}
prog = restate.Service("Prog", **_OPTIONS)
prog_object = restate.VirtualObject("ProgObject", **_OPTIONS)
prog_flow = restate.Workflow("ProgFlow", **_OPTIONS)


class _SdkSteps:
    """See interpreter.Steps."""

    def __init__(self, ctx: Any) -> None:
        self._ctx = ctx

    async def breathe(self) -> None:
        pass

    def run(self, path: str) -> Any:
        def execute() -> list[str]:
            token = uuid.uuid4().hex
            with open(os.environ["STEPS_FILE"], "a") as file:
                file.write(f"{path} {token}\n")
            return ["step", path, token]

        return self._ctx.run_typed(path, execute)

    def sleep(self, ms: int) -> Any:
        return self._ctx.sleep(timedelta(milliseconds=ms))

    def call(self, place: list[Any], argument: dict[str, Any]) -> Any:
        service, handler, key = self._target(place, argument)
        return self._ctx.generic_call(service, handler, json.dumps(argument).encode(), key=key)

    async def send(self, place: list[Any], argument: dict[str, Any], delay_ms: int = 0) -> str:
        service, handler, key = self._target(place, argument)
        handle = self._ctx.generic_send(
            service, handler, json.dumps(argument).encode(), key=key,
            send_delay=timedelta(milliseconds=delay_ms) if delay_ms else None,
        )  # fmt: skip
        # Whoever needs the id waits for it; so does everybody here.
        return str(await handle.invocation_id())

    def _target(self, place: list[Any], argument: dict[str, Any]) -> tuple[str, str, str | None]:
        match place:
            case ["obj", key]:
                return "ProgObject", "do", key
            case ["own"]:
                return "ProgObject", "own", argument["path"]
            case ["flow"]:
                return "ProgFlow", "run", argument["path"]
            case ["resolve"]:
                return "ProgFlow", "resolve", self._ctx.key()
            case _:
                return "Prog", "do", None

    def awakeable(self) -> tuple[str, Any]:
        awakeable_id, future = self._ctx.awakeable(type_hint=str)
        return str(awakeable_id), future

    def settle(self, awakeable_id: str, good: bool) -> None:
        if good:
            self._ctx.resolve_awakeable(awakeable_id, "woken")
        else:
            self._ctx.reject_awakeable(awakeable_id, "as asked", 500)

    def attach(self, invocation_id: str) -> Any:
        return self._ctx.attach_invocation(invocation_id)

    def cancel(self, invocation_id: str) -> None:
        self._ctx.cancel_invocation(invocation_id)

    def promise(self, name: str) -> Any:
        return self._ctx.promise(name, type_hint=int).value()

    async def peek(self, name: str) -> Any:
        return await self._ctx.promise(name, type_hint=int).peek()

    async def complete(self, name: str, value: Any) -> bool:
        try:
            await self._ctx.promise(name, type_hint=int).resolve(value)
        except TerminalError:
            return False
        return True

    async def get(self, name: str) -> Any:
        return await self._ctx.get(name)

    def set(self, name: str, value: Any) -> None:
        self._ctx.set(name, value)

    def clear(self, name: str) -> None:
        self._ctx.clear(name)

    def clear_all(self) -> None:
        self._ctx.clear_all()

    async def names(self) -> list[str]:
        return list(await self._ctx.state_keys())

    async def result(self, future: Any) -> Any:
        try:
            value = await future
        except TerminalError as error:
            return f"failed {error.status_code}"
        return json.loads(value) if isinstance(value, bytes) else value

    async def all(self, futures: list[Any]) -> None:
        await restate.gather(*futures)

    async def first(self, futures: list[Any]) -> int:
        done, _ = await restate.wait_completed(*futures)
        return next(at for at, future in enumerate(futures) if future in done)


@prog.handler()
async def do(ctx: restate.Context, argument: dict[str, Any]) -> Any:
    return await visit(_SdkSteps(ctx), argument, ["svc"])


@prog_object.handler("do")
async def do_at(ctx: restate.ObjectContext, argument: dict[str, Any]) -> Any:
    return await visit(_SdkSteps(ctx), argument, ["obj", ctx.key()])


@prog_object.handler()
async def own(ctx: restate.ObjectContext, argument: dict[str, Any]) -> Any:
    return await visit(_SdkSteps(ctx), argument, ["own"])


@prog_object.handler(kind="shared")
async def state(ctx: restate.ObjectSharedContext) -> dict[str, Any]:
    """All that an object knows."""
    return {name: await ctx.get(name) for name in await ctx.state_keys()}


@prog_flow.main()
async def run(ctx: restate.WorkflowContext, argument: dict[str, Any]) -> Any:
    return await visit(_SdkSteps(ctx), argument, ["flow"])


@prog_flow.handler()
async def resolve(ctx: restate.WorkflowSharedContext, argument: dict[str, Any]) -> None:
    name, n = argument["program"]
    await ctx.promise(name, type_hint=int).resolve(n)


app = restate.app([prog, prog_object, prog_flow])
