"""Every message type of the protocol × each version × bidi and request-response: taken, or refused with its code."""

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
from tests.partitiond.invoker.test_conversation import GOOD, REFUSED

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


def expected(message_type: T, version: int) -> type | str | None:
    """The effect's type, the code of the failure, or None: taken without an effect."""
    if message_type in GOOD:
        return "RT0017" if message_type in REFUSED[HandlerKind.SERVICE] else Entry
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
@pytest.mark.parametrize("message_type", list(T), ids=lambda message_type: message_type.name)
def test_each_message(message_type: T, mode: ProtocolMode, version: int) -> None:
    async def scene(stage: Stage) -> None:
        call, stream = await stage.start()
        stream.answer()
        if message_type is T.END:
            stream.say(OUTPUT)
        before = sum(len(effects.effects) for effects in stage.host.proposed)
        stream.say((message_type, RAW.get(message_type, b"")))
        told = [effect for effects in stage.host.proposed for effect in effects.effects][before:]
        told = [effect for effect in told if not isinstance(effect, Pin | Failed)]
        states = stage.invoker.states()
        wanted = expected(message_type, version)
        if isinstance(wanted, str):
            assert told == []
            assert states[0].last_failure_error_code == wanted
            assert not states[0].in_flight
            assert stream.was_reset or message_type is T.ERROR
            return
        assert [type(effect) for effect in told] == ([] if wanted is None else [wanted])
        if wanted in (End, Suspend, SuspendOn):
            after = Status.COMPLETED if wanted is End else Status.SUSPENDED
            await until(lambda: stage.host.status(call.id) == after)
        else:
            assert states[0].in_flight
            assert states[0].last_failure is None
            assert (states[0].last_awaiting_on is not None) == (message_type is T.AWAITING_ON)
        await stage.settle()

    known = catalog(deployment(protocol_mode=mode, max_protocol_version=version), retry=_ONCE)
    play(scene, known=known)
