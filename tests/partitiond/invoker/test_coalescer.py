"""Steps that nobody waits for go to the log with the next one, or a moment later; none is lost or put out of order."""

from __future__ import annotations

import asyncio

import uvloop

from partitiond.invoker.coalescer import Coalescer
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as T
from shared.storage.values import Status
from shared.wal.commands import End, Entry, Failed, Pin, RunCompletion, SuspendOn, Terminate, TerminateMode
from tests.fakes.service_endpoint import ask_ack, join
from tests.partitiond.invoker.builders import END, OUTPUT, suspension, value
from tests.partitiond.invoker.stage import Stage, play, until

#: As good as for ever.
_LONG_S = 3600.0


def _run(number: int, name: str = "step") -> tuple[int, bytes]:
    return int(T.RUN), pb.RunCommand(result_completion_id=number, name=name).SerializeToString()


def _proposal(number: int) -> tuple[int, bytes]:
    message = pb.ProposeRunCompletion(result_completion_id=number, value=b"1")
    return int(T.PROPOSE_RUN_COMPLETION), message.SerializeToString()


def _set(content: bytes) -> tuple[int, bytes]:
    return int(T.SET_STATE), pb.SetStateCommand(key=b"k", value=pb.Value(content=content)).SerializeToString()


def _kinds(stage: Stage) -> list[list[type]]:
    return [[type(effect) for effect in effects.effects] for effects in stage.host.proposed]


def test_a_step_is_one_record() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer().say(_run(1))
        await stage.settle()
        assert _kinds(stage) == []
        stream.say(_proposal(1))
        await stage.settle()
        stream.say(_run(2))
        stream.say(_proposal(2))
        await stage.settle()
        stream.say(OUTPUT)
        stream.say(END).end()
        assert _kinds(stage) == [[Pin, Entry, RunCompletion], [Entry, RunCompletion], [Entry, End]]
        assert await stage.ended(call) == value("ok")

    play(scene, hold_s=_LONG_S)


def test_a_long_step_is_stored_while_it_runs() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer().say(_run(1))
        await until(lambda: _kinds(stage) == [[Pin, Entry]])
        stream.say(_proposal(1))
        await stage.settle()
        stream.say(_run(2))
        await until(lambda: _kinds(stage) == [[Pin, Entry], [RunCompletion], [Entry]])
        stream.say(_proposal(2), OUTPUT, END).end()
        assert await stage.ended(call) == value("ok")

    play(scene)


def test_what_is_held_is_stored_before_the_failure() -> None:
    async def scene(stage: Stage) -> None:
        _, stream = await stage.start()
        stream.answer().say(_run(1))
        stream.say(_run(2))
        stream.end()
        await until(lambda: stage.invoker.states()[0].last_failure is not None)
        assert _kinds(stage) == [[Pin, Entry, Entry], [Failed]]
        again = await stage.stream()
        assert [message_type for message_type, _ in again.messages[2:]] == [T.RUN, T.RUN], "nothing is lost"

    play(scene, hold_s=_LONG_S)


def test_what_is_held_is_stored_before_the_suspension() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer().say(_run(1))
        stream.say(suspension(signals=[17])).end()
        await until(lambda: stage.host.status(call.id) == Status.SUSPENDED)
        assert _kinds(stage) == [[Pin, Entry, SuspendOn]]

    play(scene, hold_s=_LONG_S)


def test_what_asks_for_an_answer_is_not_held() -> None:
    async def scene(stage: Stage) -> None:
        _, stream = await stage.start()
        stream.answer().data(ask_ack(join(_run(1))))
        await stage.settle()
        assert [message_type for message_type, _ in stream.messages[2:]] == [T.COMMAND_ACK]

    play(scene, hold_s=_LONG_S)


def test_large_and_many_are_not_held() -> None:
    async def scene(stage: Stage) -> None:
        _, stream = await stage.start()
        stream.answer().say(_run(1, name="x" * 5000))
        assert _kinds(stage) == [[Pin, Entry]]
        for number in range(2, 35):
            stream.say(_run(number))
        assert _kinds(stage)[1:] == [[Entry] * 33]


def test_a_change_of_state_is_not_held() -> None:
    """A workflow says how far it is, and its other handlers read that."""

    async def scene(stage: Stage) -> None:
        _, stream = await stage.start("Counter/a/add")
        stream.answer().say(_set(b"1"))
        assert _kinds(stage) == [[Pin, Entry]]

    play(scene, hold_s=_LONG_S)


def test_a_change_of_state_takes_along_what_is_held() -> None:
    async def scene(stage: Stage) -> None:
        _, stream = await stage.start("Counter/a/add")
        stream.answer().say(_run(1))
        stream.say(_set(b"1"))
        assert _kinds(stage) == [[Pin, Entry, Entry]]

    play(scene, hold_s=_LONG_S)


def test_who_is_killed_reports_nothing_more() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer().say(_run(1))
        stage.host.submit(Terminate(call.id, TerminateMode.KILL))
        await stage.ended(call)
        await asyncio.sleep(0.005)
        assert _kinds(stage) == []
        assert stream.was_reset

    play(scene)


class _Holder:
    def __init__(self) -> None:
        self.asked = 0

    def report_held(self) -> None:
        self.asked += 1


def test_the_timer_runs_only_while_something_is_held() -> None:
    async def scene() -> None:
        coalescer, holder = Coalescer(0.001), _Holder()
        coalescer.add(holder)
        coalescer.add(holder)
        async with asyncio.timeout(10):
            while not holder.asked:  # noqa: ASYNC110  (plain state)
                await asyncio.sleep(0.001)
        assert coalescer._timer is None, "an idle worker does not tick"
        coalescer.add(holder)
        coalescer.close()
        await asyncio.sleep(0.005)
        assert holder.asked == 1

    uvloop.run(scene())
