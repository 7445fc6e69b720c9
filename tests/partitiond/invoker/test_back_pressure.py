"""Services that do not read, that send more than the log takes, and that stop in the middle."""

from __future__ import annotations

from typing import Any

from partitiond.invoker.memory import FREE_BYTES
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as T
from shared.wal.commands import CompleteAwakeable, Entry
from tests.partitiond.invoker.builders import END, OUTPUT, invoke, suspension, value
from tests.partitiond.invoker.stage import Stage, play, until

SIGNAL = 17


def _set(name: bytes, content: bytes) -> tuple[int, bytes]:
    return T.SET_STATE, pb.SetStateCommand(key=name, value=pb.Value(content=content)).SerializeToString()


def _get(name: bytes, number: int) -> tuple[int, bytes]:
    return T.GET_LAZY_STATE, pb.GetLazyStateCommand(key=name, result_completion_id=number).SerializeToString()


def _run(number: int, content: bytes) -> list[tuple[int, bytes]]:
    proposal = pb.ProposeRunCompletion(result_completion_id=number, value=content)
    return [
        (T.RUN, pb.RunCommand(result_completion_id=number).SerializeToString()),
        (T.PROPOSE_RUN_COMPLETION, proposal.SerializeToString()),
    ]


def test_notifications_for_a_service_that_does_not_read_stay_in_the_journal() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer()
        stream.full = True
        stream.say(*_run(1, b"a" * 1000))
        await until(lambda: len(stream.messages) == 3)
        sent = len(stream.sent)
        for number in range(2, 200):
            stream.say(*_run(number, b"b" * 1000))
        await until(lambda: len(stage.host.journal(call.id)) == 399)
        assert len(stream.sent) == sent
        stream.full = False
        stream.handler.on_writable()
        received = [pb.Notification.FromString(raw).completion_id for kind, raw in stream.messages if kind == 0x8011]
        assert received == list(range(1, 200)), "all of them, in order, once"
        stream.say(OUTPUT, END).end()
        assert await stage.ended(call) == value("ok")

    play(scene)


def test_a_service_gets_its_window_back_when_its_bytes_are_applied() -> None:
    async def scene(stage: Stage) -> None:
        _, stream = await stage.start()
        assert not stream.auto_consume
        stream.answer().say(*_run(1, b"x" * 40_000))
        await stage.settle()
        assert stream.given_back == 0, "small answers cost nothing"
        stage.host.lost = True
        stream.say(*_run(2, b"x" * 40_000))
        await stage.settle()
        assert stream.given_back == 0
        stage.host.lost = False
        stream.say(*_run(3, b"x" * 70_000))
        await until(lambda: stream.given_back)

    play(scene)


def test_a_service_that_sends_much_gets_a_wider_window() -> None:
    async def scene(stage: Stage) -> None:
        streams = [(await stage.start())[1].answer() for _ in range(3)]
        for stream in streams:
            stream.say(*_run(1, b"x" * 70_000))
        await until(lambda: all(stream.given_back for stream in streams))
        assert [stream.widened > 0 for stream in streams] == [True, True, False]

    play(scene, invoker_memory_bytes=4 * 1024 * 1024)


def test_large_states_wait_for_memory_and_not_in_vain() -> None:
    """A thousand starts with 32 MiB of state each would be 32 GB."""

    async def scene(stage: Stage) -> None:
        paths = [f"Counter/k{number}/add" for number in range(3)]
        for path in paths:
            call, stream = await stage.start(path)
            stream.answer().say(*(_set(b"%d" % n, b"s" * 50_000) for n in range(8)), OUTPUT, END).end()
            await stage.ended(call)
        stage.endpoint.full = True
        calls = [invoke(path) for path in paths]
        for call in calls:
            stage.host.invoke(call)
        first = await stage.stream()
        second = await stage.stream()
        await stage.settle()
        assert len(stage.endpoint.streams) == 5, "the budget holds two"
        for stream in (first, second):
            stream.full = False
            stream.handler.on_writable()
        third = await stage.stream()
        third.full = False
        third.handler.on_writable()
        for stream in (first, second, third):
            (kind, raw), *_ = stream.messages
            assert kind == T.START
            start = pb.Start.FromString(raw)
            assert [len(entry.value) for entry in start.state_map] == [50_000] * 8
            assert not start.partial_state
            stream.answer().say(OUTPUT, END).end()
        for call in calls:
            assert await stage.ended(call) == value("ok")

    play(scene, invoker_memory_bytes=2_000_000, eager_state_bytes_limit=500_000)


def test_who_waits_for_memory_can_be_killed() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start("Counter/k/add")
        stream.answer().say(*(_set(b"%d" % n, b"s" * 50_000) for n in range(8)), OUTPUT, END).end()
        await stage.ended(call)
        stage.endpoint.full = True
        hog = invoke("Counter/k/get")
        stage.host.invoke(hog)
        hogging = await stage.stream()
        waiting = invoke("Counter/k/add")
        stage.host.invoke(waiting)
        await until(lambda: len(stage.invoker.states()) == 2)
        await stage.settle()
        row = stage.host.load(waiting.id)
        assert row is not None
        stage.invoker.abort(stage.host, waiting.id, row.generation)
        hogging.full = False
        hogging.handler.on_writable()
        hogging.answer().say(OUTPUT, END).end()
        await stage.ended(hog)
        assert len(stage.endpoint.streams) == 2

    play(scene, invoker_memory_bytes=1_000_000, eager_state_bytes_limit=500_000)


def test_a_stalled_holder_of_memory_that_others_need_is_ended(monkeypatch: Any) -> None:
    """A service stops in the middle of a large message, for ever: its retry may do better, and the others go on."""
    monkeypatch.setattr("partitiond.invoker.attempt._STALLED_S", 0.02)

    async def scene(stage: Stage) -> None:
        _, stalled = await stage.start()
        half = (300_000).to_bytes(4, "big")
        stalled.answer().data(T.OUTPUT.to_bytes(2, "big") + b"\0\0" + half + b"x" * 100_000)
        call, other = await stage.start()
        other.answer()
        output = pb.OutputCommand(value=pb.Value(content=b'"' + b"y" * 300_000 + b'"')).SerializeToString()
        data = T.OUTPUT.to_bytes(2, "big") + b"\0\0" + len(output).to_bytes(4, "big") + output
        other.data(data[:100_000])
        await until(lambda: [s for s in stage.invoker.states() if s.last_failure_error_code == "RT0001"])
        (failed,) = [state for state in stage.invoker.states() if state.last_failure]
        assert "stopped within a message for 0.02 s, and others need the memory" in (failed.last_failure or "")
        other.data(data[100_000:]).say(END).end()
        assert len(bytes(await stage.ended(call))) == 300_002  # type: ignore[arg-type]

    play(scene, invoker_memory_bytes=1_000_000)


def test_many_reads_of_large_values_are_not_one_record() -> None:
    """Commands of 30 bytes, each answered with a megabyte: in one record, all answers would be in memory at once."""

    async def scene(stage: Stage) -> None:
        call, stream = await stage.start("Counter/k/add_lazily")
        stream.answer().say(*(_get(b"%d" % number, number) for number in range(1, 21)))
        counts = [len([e for e in each.effects if isinstance(e, Entry)]) for each in stage.host.proposed]
        assert sum(counts) == 20
        assert max(counts) <= 4
        assert len(stage.host.flushed) >= 16
        stream.say(OUTPUT, END).end()
        assert await stage.ended(call) == value("ok")

    play(scene)


def test_a_large_notification_waits_its_turn_and_a_small_one_does_not_overtake_it() -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer().say(suspension(signals=[SIGNAL]))
        stream.end()
        await until(lambda: not stage.invoker.states())
        stage.host.submit(CompleteAwakeable(call.id, SIGNAL, b"x" * (FREE_BYTES + 1)))
        again = await stage.stream()
        stage.host.submit(CompleteAwakeable(call.id, SIGNAL + 1, b"y"))
        await until(lambda: len(again.messages) == 4)
        kinds = [pb.Notification.FromString(raw).signal_id for kind, raw in again.messages if kind == T.SIGNAL]
        assert kinds == [SIGNAL, SIGNAL + 1]
        again.answer().say(OUTPUT, END).end()
        assert await stage.ended(call) == value("ok")

    play(scene)
