"""Every message type of the protocol × kind of handler × version × bidi and request-response: taken, or refused with
its code. The codes are Restate's where it has one; it panics at a message of the custom range."""

from __future__ import annotations

import pytest

from shared.catalog.deployments import ProtocolMode
from shared.catalog.services import RetryPolicy
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as T
from shared.storage.values import Status
from shared.wal.commands import CallEntry, End, Entry, Failed, HandlerKind, Pin, RunCompletion, Suspend, SuspendOn
from tests.partitiond.invoker.builders import OUTPUT, catalog, deployment, suspension
from tests.partitiond.invoker.stage import Stage, play, until
from tests.partitiond.invoker.test_conversation import GOOD, REFUSED, conversation, frame

#: A service's attempts stay failed, so that the failure can be read.
_ONCE = RetryPolicy(initial_interval_ms=60_000)
_CALL = pb.CallCommand(
    service_name="Greeter", handler_name="greet", parameter=b"1", invocation_id_notification_idx=1,
    result_completion_id=2,
)  # fmt: skip
_SEND = pb.OneWayCallCommand(
    service_name="Greeter", handler_name="greet", parameter=b"1", invocation_id_notification_idx=1
)
_AWAITING_ON = pb.AwaitingOn(awaiting_on=pb.Future(waiting_signals=[17]).SerializeToString())

RAW: dict[int, bytes] = {
    **{message_type: message.SerializeToString() for message_type, message in GOOD.items()},
    T.CALL: _CALL.SerializeToString(),
    T.ONE_WAY_CALL: _SEND.SerializeToString(),
    T.PROPOSE_RUN_COMPLETION: pb.ProposeRunCompletion(result_completion_id=1, value=b"v").SerializeToString(),
    T.SUSPENSION: suspension(signals=[17])[1],
    T.AWAITING_ON: _AWAITING_ON.SerializeToString(),
    T.ERROR: pb.Error(code=500, message="boom").SerializeToString(),
}
_PATHS = {
    HandlerKind.SERVICE: "Greeter/greet",
    HandlerKind.OBJECT_EXCLUSIVE: "Counter/k/add",
    HandlerKind.OBJECT_SHARED: "Counter/k/get",
    HandlerKind.WORKFLOW_RUN: "Flow/k/run",
    HandlerKind.WORKFLOW_SHARED: "Flow/k/query",
}
#: Numbers that the protocol gives to nothing: of control messages, of commands, of notifications, of custom entries.
UNKNOWN = [0x0008, 0x03FF, 0x040F, 0x0415, 0x7FFF, 0x8000, 0x8001, 0x8010, 0xFBFE, 0xFC00, 0xFFFF]


def expected(message_type: int, kind: HandlerKind, version: int) -> type | str | None:
    """The effect's type, the code of the failure, or None: taken without an effect."""
    if message_type in GOOD:
        return "RT0017" if message_type in REFUSED[kind] else Entry
    match message_type:
        case T.CALL | T.ONE_WAY_CALL:
            return CallEntry
        case T.PROPOSE_RUN_COMPLETION:
            return RunCompletion
        case T.SUSPENSION:
            return SuspendOn if version >= 7 else Suspend
        case T.AWAITING_ON:
            return None if version >= 7 else "RT0012"
        case T.ERROR:
            return "RT0007"
        case T.END:
            return End
        case _:
            return "RT0012"


@pytest.mark.parametrize("version", [5, 6, 7])
@pytest.mark.parametrize("mode", list(ProtocolMode), ids=lambda mode: mode.name)
@pytest.mark.parametrize("kind", list(HandlerKind), ids=lambda kind: kind.name)
@pytest.mark.parametrize("message_type", [*T, *UNKNOWN], ids=lambda each: T(each).name if each in set(T) else hex(each))
def test_each_message(message_type: int, kind: HandlerKind, mode: ProtocolMode, version: int) -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start(_PATHS[kind])
        stream.answer()
        if message_type == T.END:
            stream.say(OUTPUT)
            await until(lambda: stage.host.proposed != [])
        before = sum(len(effects.effects) for effects in stage.host.proposed)
        stream.say((message_type, RAW.get(message_type, b"")))
        if message_type == T.ERROR:
            stream.end()
        wanted = expected(message_type, kind, version)
        if not isinstance(wanted, str | None):
            # What nobody waits for is held for a moment.
            await until(lambda: sum(len(effects.effects) for effects in stage.host.proposed) > before)
        told = [effect for effects in stage.host.proposed for effect in effects.effects][before:]
        failures = [effect.detail for effect in told if isinstance(effect, Failed)]
        told = [effect for effect in told if not isinstance(effect, Pin | Failed)]
        states = stage.invoker.states()
        if isinstance(wanted, str):
            assert told == []
            assert states[0].last_failure_error_code == wanted
            assert [failure.doc_code for failure in failures] == [wanted], "as SQL keeps it"
            assert not states[0].in_flight
            assert stream.was_reset or message_type == T.ERROR
            return
        assert [type(effect) for effect in told] == ([] if wanted is None else [wanted])
        assert failures == []
        if wanted in (End, Suspend, SuspendOn):
            after = Status.COMPLETED if wanted is End else Status.SUSPENDED
            await until(lambda: stage.host.status(call.id) == after)
        else:
            assert states[0].in_flight
            assert states[0].last_failure is None
            assert (states[0].last_awaiting_on is not None) == (message_type == T.AWAITING_ON)
        await stage.settle()

    known = catalog(deployment(protocol_mode=mode, max_protocol_version=version), retry=_ONCE)
    play(scene, known=known)


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(HandlerKind), ids=lambda kind: kind.name)
def test_no_other_number_is_taken(kind: HandlerKind) -> None:
    """All 65536."""
    taken = []
    for message_type in range(1 << 16):
        talk = conversation(kind, has_output=True, protocol_version=7)
        talk.receive(frame(message_type, RAW.get(message_type, b"")))
        if talk.failure is None or talk.failure.doc_code != "RT0012":
            taken.append(message_type)
    known = {number for number in T if expected(number, kind, 7) != "RT0012"}
    assert taken == sorted(known)
