"""What an attempt begins with: state that goes along, or waits to be asked for, and an input that was just stored."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from partitiond.invoker.chain import Chain
from shared.catalog.deployments import ProtocolMode
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as T
from tests.partitiond.invoker.builders import END, OUTPUT, catalog, deployment, value
from tests.partitiond.invoker.stage import FAST, Stage, play, until

REQUEST_RESPONSE = {"protocol_mode": ProtocolMode.REQUEST_RESPONSE}


async def _store(stage: Stage, state: dict[bytes, bytes]) -> None:
    """An invocation that leaves this state in the object `c`."""
    call, stream = await stage.start("Counter/c/add", 1)
    writes = [
        (T.SET_STATE, pb.SetStateCommand(key=key, value=pb.Value(content=content)).SerializeToString())
        for key, content in state.items()
    ]
    stream.answer().say(*writes, OUTPUT, END).end()
    await stage.ended(call)


def test_the_input_of_a_new_invocation_is_not_read_again() -> None:
    async def scene(stage: Stage) -> None:
        def unread(invocation_id: bytes, index: int) -> Any:
            raise AssertionError(f"entry {index} was read")

        stage.host.read_entry = unread  # type: ignore[method-assign]
        call, stream = await stage.start("Greeter/greet", "Ann")
        assert [kind for kind, _ in stream.messages] == [T.START, T.INPUT]
        assert b"Ann" in stream.messages[1][1]
        stream.answer().say(OUTPUT, END).end()
        assert await stage.ended(call) == value("ok")

    play(scene)


def test_state_is_sent_eagerly_lazily_or_in_part() -> None:
    async def scene(stage: Stage) -> None:
        await _store(stage, {b"value": b"1" * 50})
        _, stream = await stage.start("Counter/c/add", 1)
        start = pb.Start.FromString(stream.messages[0][1])
        assert dict(stream.head.headers)["x-restate-service-key"] == "c"
        assert (start.key, len(start.state_map), start.partial_state) == ("c", 1, False)
        stream.answer().say(OUTPUT, END).end()
        for path, part in (("Counter/c/add_lazily", True), ("Counter/d/add", False), ("Greeter/greet", True)):
            _, stream = await stage.start(path, 1)
            start = pb.Start.FromString(stream.messages[0][1])
            assert (len(start.state_map), start.partial_state) == (0, part)
            stream.answer().say(OUTPUT, END).end()
        _, stream = await stage.start("Counter/c/get", None)
        assert len(pb.Start.FromString(stream.messages[0][1]).state_map) == 1

    play(scene)


@pytest.mark.parametrize("bidi", [True, False])
def test_a_large_value_is_sent_when_it_is_asked_for_where_that_costs_no_attempt(bidi: bool) -> None:
    large = b"1" * 70_000
    read = pb.GetLazyStateCommand(key=b"large", result_completion_id=1).SerializeToString()

    async def scene(stage: Stage) -> None:
        await _store(stage, {b"large": large, b"small": b"2"})
        call, stream = await stage.start("Counter/c/add", 1)
        start = pb.Start.FromString(stream.messages[0][1])
        assert start.partial_state is bidi
        if bidi:
            assert [(entry.key, entry.value) for entry in start.state_map] == [(b"small", b"2")]
            reads, stage.host.read_entry = stage.host.read_entry, None  # type: ignore[method-assign, assignment]
            stream.answer().say((T.GET_LAZY_STATE, read))
            await until(lambda: len(stream.messages) == 3)
            stage.host.read_entry = reads  # type: ignore[method-assign]
            answer = pb.Notification.FromString(stream.messages[2][1])
            assert (answer.completion_id, answer.value.content) == (1, large), "and not read from the store again"
        else:
            assert [(entry.key, entry.value) for entry in start.state_map] == [(b"large", large), (b"small", b"2")]
            stream.answer()
        stream.say(OUTPUT, END).end()
        await stage.ended(call)

    play(scene, known=None if bidi else catalog(deployment(**REQUEST_RESPONSE), retry=FAST))


def test_state_over_the_limit_is_partial() -> None:
    async def scene(stage: Stage) -> None:
        await _store(stage, {b"value": b"1" * 50})
        _, stream = await stage.start("Counter/c/add", 1)
        start = pb.Start.FromString(stream.messages[0][1])
        assert (len(start.state_map), start.partial_state) == (0, True)

    play(scene, eager_state_bytes_limit=10)


def test_a_chain_that_is_over_is_no_cycle_of_references() -> None:
    """Each invocation has one: they would stay until Python looks for cycles, and make it look more often."""

    async def scene(stage: Stage) -> None:
        call, stream = await stage.start("Counter/c/add", 1)
        stream.answer().say(OUTPUT, END).end()
        await stage.ended(call)
        await stage.settle()
        # The fake knows its attempt for ever.
        vars(stream).clear()
        assert [thing for thing in gc.get_objects() if type(thing) is Chain] == []

    gc.collect()
    gc.disable()
    try:
        play(scene)
    finally:
        gc.enable()
