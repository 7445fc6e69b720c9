"""State of an object, sent along or read on demand, with each serde."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pydantic
import restate
from restate.serde import BytesSerde, JsonSerde, PydanticJsonSerde, Serde

from tests.compat.python.declare import Declared, object_, target

box = object_("Box", inactivity_timeout=timedelta(seconds=2))
lazy = object_("Lazy", enable_lazy_state=True, inactivity_timeout=timedelta(seconds=2))


class Reversed(Serde[str]):
    """Text, back to front."""

    def serialize(self, obj: str | None) -> bytes:
        return (obj or "")[::-1].encode()

    def deserialize(self, buf: bytes) -> str:
        return buf.decode()[::-1]


class Animal(pydantic.BaseModel):
    name: str
    legs: int


@dataclass
class Plant:
    name: str
    height: float


def declare(declared: Declared) -> None:
    """The same handlers for both ways of getting the state."""

    @declared.handler()
    async def put(ctx: restate.ObjectContext, entry: Any) -> Any:
        ctx.set(entry[0], entry[1])
        return sorted(await ctx.state_keys())

    @declared.handler(kind="shared")
    async def look(ctx: restate.ObjectSharedContext, name: Any) -> Any:
        return await ctx.get(name)

    @declared.handler(kind="shared")
    async def names(ctx: restate.ObjectSharedContext) -> Any:
        return [ctx.key(), sorted(await ctx.state_keys())]

    @declared.handler()
    async def take_off(ctx: restate.ObjectContext, name: Any) -> None:
        ctx.clear(name)

    @declared.handler()
    async def wipe(ctx: restate.ObjectContext) -> None:
        ctx.clear_all()

    @declared.handler()
    async def tour(ctx: restate.ObjectContext) -> Any:
        ctx.set("a", 1)
        ctx.set("b", {"deep": [1, None, "ä"]})
        seen: list[Any] = [await ctx.get("a"), await ctx.get("b"), await ctx.get("none")]
        seen.append(sorted(await ctx.state_keys()))
        ctx.clear("a")
        seen += [await ctx.get("a"), sorted(await ctx.state_keys())]
        ctx.clear_all()
        seen += [await ctx.get("b"), await ctx.state_keys()]
        ctx.set("c", "last")
        return [*seen, await ctx.get("c")]

    @declared.handler()
    async def across_a_sleep(ctx: restate.ObjectContext) -> Any:
        before = await ctx.get("n")
        ctx.set("n", (before or 0) + 1)
        await ctx.sleep(timedelta(milliseconds=20))
        ctx.set("n", (await ctx.get("n")) + 10)
        return [before, await ctx.get("n")]

    @declared.handler()
    async def serdes(ctx: restate.ObjectContext) -> Any:
        ctx.set("bytes", b"\x00\xff", serde=BytesSerde())
        ctx.set("text", "straight", serde=Reversed())
        ctx.set("json", {"a": 1}, serde=JsonSerde())
        raw = await ctx.get("bytes", serde=BytesSerde())
        return [list(raw or b""), await ctx.get("text", serde=Reversed()), await ctx.get("json", serde=JsonSerde())]

    @declared.handler()
    async def nothing_much(ctx: restate.ObjectContext) -> Any:
        ctx.set("empty", b"", serde=BytesSerde())
        ctx.set("", "of no name")
        ctx.set("null", None)
        return [list(await ctx.get("empty", serde=BytesSerde()) or b"?"), await ctx.get(""), await ctx.get("null")]

    @declared.handler()
    async def large(ctx: restate.ObjectContext, size: Any) -> Any:
        ctx.set("large", "x" * size)
        await ctx.sleep(timedelta(milliseconds=10))
        return len(await ctx.get("large") or "")


declare(box)
declare(lazy)


@box.handler()
async def entry_names(ctx: restate.ObjectContext) -> Any:
    ctx.set("a", 1, entry_name="sets a")
    seen = [await ctx.get("a", entry_name="reads a"), await ctx.state_keys(entry_name="reads the names")]
    ctx.clear("a", entry_name="clears a")
    ctx.clear_all(entry_name="clears all")
    return seen


@lazy.handler()
async def entry_names_on_demand(ctx: restate.ObjectContext) -> Any:
    return [await ctx.get("a", entry_name="reads a"), await ctx.state_keys(entry_name="reads the names")]


@box.handler()
async def types(ctx: restate.ObjectContext) -> Any:
    ctx.set("animal", Animal(name="cat", legs=4), serde=PydanticJsonSerde(Animal))
    ctx.set("plant", Plant("fern", 0.5))
    animal = await ctx.get("animal", type_hint=Animal)
    plant = await ctx.get("plant", type_hint=Plant)
    assert animal is not None
    assert plant is not None
    return [animal.legs + 1, plant.height * 2]


@box.handler()
async def typed(ctx: restate.ObjectContext, animal: Animal) -> Animal:
    """The body is a model, and so is the answer."""
    return Animal(name=animal.name.upper(), legs=animal.legs)


@box.handler()
async def append(ctx: restate.ObjectContext, text: Any) -> Any:
    """Holds the object's lock for a while."""
    texts: list[Any] = await ctx.get("texts") or []
    await ctx.sleep(timedelta(milliseconds=5))
    ctx.set("texts", [*texts, text])
    return [*texts, text]


@box.handler(kind="shared")
async def writes_where_it_may_not(ctx: restate.ObjectContext) -> Any:
    """A shared handler that writes: refused by the runtime, for ever. It gives up at the second attempt."""
    ctx.set("a", 1)
    await ctx.sleep(timedelta(milliseconds=1))
    return "written"


@box.handler()
async def calls_itself_shared(ctx: restate.ObjectContext) -> Any:
    """A shared handler of the own key runs beside it, and sees what is written so far."""
    ctx.set("a", "by the caller")
    return await ctx.object_call(target("Box.look"), key=ctx.key(), arg="a")
