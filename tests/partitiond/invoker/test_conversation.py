"""What a service may say, as tables; the codes are those of Restate 1.7.12 where it has an answer.

Restate itself stops a partition at several of these (an Input, a Start or an ack from the service, an End without
an Output, a command without its result): here they are RT0012 and go no further.
"""

from __future__ import annotations

from typing import Any

import pytest

from partitiond.invoker.protocol.conversation import Conversation
from partitiond.invoker.protocol.habits import Habits
from partitiond.invoker.protocol.header import frame
from shared.ids import awakeable_id, encode_invocation_id
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as T
from shared.wal.commands import CallEntry, End, Entry, Failure, HandlerKind, RunCompletion, Suspend, Target
from tests.fakes.invoker_host import MemoryCatalog
from tests.fakes.service_endpoint import ask_ack, join
from tests.partitiond.invoker.builders import END, OUTPUT, catalog

_INV = encode_invocation_id(bytes(24))
_AWAKEABLE = awakeable_id(bytes(24), 17)
_VALUE = pb.Value(content=b"1")
K = HandlerKind

#: A good message of each kind that a service may send.
GOOD: dict[int, Any] = {
    T.OUTPUT: pb.OutputCommand(value=_VALUE),
    T.GET_LAZY_STATE: pb.GetLazyStateCommand(key=b"a", result_completion_id=1),
    T.SET_STATE: pb.SetStateCommand(key=b"a", value=_VALUE),
    T.CLEAR_STATE: pb.ClearStateCommand(key=b"a"),
    T.CLEAR_ALL_STATE: pb.ClearAllStateCommand(),
    T.GET_LAZY_STATE_KEYS: pb.GetLazyStateKeysCommand(result_completion_id=1),
    T.GET_EAGER_STATE: pb.GetEagerStateCommand(key=b"a", void=pb.Void()),
    T.GET_EAGER_STATE_KEYS: pb.GetEagerStateKeysCommand(),
    T.GET_PROMISE: pb.GetPromiseCommand(key="p", result_completion_id=1),
    T.PEEK_PROMISE: pb.PeekPromiseCommand(key="p", result_completion_id=1),
    T.COMPLETE_PROMISE: pb.CompletePromiseCommand(key="p", completion_value=_VALUE, result_completion_id=1),
    T.SLEEP: pb.SleepCommand(wake_up_time=1, result_completion_id=1),
    T.SEND_SIGNAL: pb.SendSignalCommand(target_invocation_id=_INV, idx=17, value=_VALUE),
    T.RUN: pb.RunCommand(result_completion_id=1, name="r"),
    T.ATTACH_INVOCATION: pb.AttachInvocationCommand(invocation_id=_INV, result_completion_id=1),
    T.GET_INVOCATION_OUTPUT: pb.GetInvocationOutputCommand(invocation_id=_INV, result_completion_id=1),
    T.COMPLETE_AWAKEABLE: pb.CompleteAwakeableCommand(awakeable_id=awakeable_id(bytes(24), 17), value=_VALUE),
}
_READS = {T.GET_LAZY_STATE, T.GET_LAZY_STATE_KEYS, T.GET_EAGER_STATE, T.GET_EAGER_STATE_KEYS}
_WRITES = {T.SET_STATE, T.CLEAR_STATE, T.CLEAR_ALL_STATE}
_PROMISES = {T.GET_PROMISE, T.PEEK_PROMISE, T.COMPLETE_PROMISE}
#: What each kind of handler may not send, for a precondition.
REFUSED: dict[HandlerKind, set[T]] = {
    K.SERVICE: _READS | _WRITES | _PROMISES,
    K.OBJECT_EXCLUSIVE: _PROMISES,
    K.OBJECT_SHARED: _WRITES | _PROMISES,
    K.WORKFLOW_RUN: set(),
    K.WORKFLOW_SHARED: _WRITES,
}
#: What no service may send at all.
_OURS = [t for t in T if t >= 0x8000] + [T.START, T.COMMAND_ACK, T.PROPOSE_RUN_COMPLETION_ACK, T.INPUT]
#: Before v7 nobody knows it.
_SINCE_V7 = [T.AWAITING_ON]
_UNKNOWN = [0x0008, 0x00FF, 0x040F, 0x0415, 0x0500, 0x7FFF, 0x8001, 0xFC00, 0xFFFF]


def conversation(kind: HandlerKind = K.SERVICE, **changes: Any) -> Conversation:
    fields: dict[str, Any] = {
        "invocation_id": bytes(24),
        "target": Target("S", "h", None if kind == K.SERVICE else "k", kind),
        "traceparent": None,
        "command_count": 3,
        "has_output": False,
        "catalog": MemoryCatalog(catalog()),
        "message_bytes_limit": 1 << 20,
        "random_bytes": bytes,
        "protocol_version": 6,
        "habits": Habits(),
    }
    return Conversation(**(fields | changes))


def _code(talk: Conversation) -> str | None:
    assert (talk.failure is None) or talk.over
    return talk.failure.doc_code if talk.failure else None


@pytest.mark.parametrize("kind", list(HandlerKind))
@pytest.mark.parametrize("message_type", list(GOOD), ids=lambda t: t.name)
def test_commands_by_kind_of_handler(kind: HandlerKind, message_type: T) -> None:
    raw = GOOD[message_type].SerializeToString()
    talk = conversation(kind)
    effects = talk.receive(frame(message_type, raw))
    if message_type in REFUSED[kind]:
        assert effects == []
        assert _code(talk) == "RT0017"
        assert talk.failure is not None
        assert talk.failure.related_index == 3
    else:
        assert effects == [Entry(message_type, raw)]
        assert _code(talk) is None


@pytest.mark.parametrize("kind", list(HandlerKind))
@pytest.mark.parametrize("message_type", [*_OURS, *_SINCE_V7, *_UNKNOWN], ids=hex)
def test_messages_that_no_service_may_send(kind: HandlerKind, message_type: int) -> None:
    talk = conversation(kind)
    assert talk.receive(join(OUTPUT, (message_type, b""), END)) == [Entry(*OUTPUT)]
    assert _code(talk) == "RT0012"
    assert talk.refused
    assert not talk.trailing


def test_garbage_of_a_refused_type_is_refused_by_its_type() -> None:
    talk = conversation(K.SERVICE)
    assert talk.receive(frame(T.SET_STATE, b"\xff")) == []
    assert _code(talk) == "RT0017"


def test_every_message_type_is_in_a_table() -> None:
    others = {*_SINCE_V7, T.SUSPENSION, T.ERROR, T.END, T.PROPOSE_RUN_COMPLETION, T.CALL, T.ONE_WAY_CALL}
    assert set(T) == set(GOOD) | set(_OURS) | others


@pytest.mark.parametrize("message_type", [*GOOD, T.SUSPENSION, T.ERROR, T.END, T.PROPOSE_RUN_COMPLETION, T.CALL])
def test_garbage_never_becomes_an_effect(message_type: T) -> None:
    talk = conversation(K.WORKFLOW_RUN)
    assert talk.receive(frame(message_type, b"\xff\xff\xff")) == []
    assert _code(talk) == "RT0012"


@pytest.mark.parametrize(
    ("message_type", "message", "code"),
    [
        (T.OUTPUT, pb.OutputCommand(), "RT0012"),
        (T.SET_STATE, pb.SetStateCommand(key=b"a"), "RT0012"),
        (T.COMPLETE_PROMISE, pb.CompletePromiseCommand(key="p"), "RT0012"),
        (T.PROPOSE_RUN_COMPLETION, pb.ProposeRunCompletion(result_completion_id=1), "RT0012"),
        (T.SEND_SIGNAL, pb.SendSignalCommand(target_invocation_id="foo", idx=17, void=pb.Void()), "RT0012"),
        (T.SEND_SIGNAL, pb.SendSignalCommand(target_invocation_id=_INV, void=pb.Void()), "RT0012"),
        (T.SEND_SIGNAL, pb.SendSignalCommand(target_invocation_id=_INV, idx=17), "RT0012"),
        (T.COMPLETE_AWAKEABLE, pb.CompleteAwakeableCommand(awakeable_id="foo", value=_VALUE), "RT0012"),
        (T.COMPLETE_AWAKEABLE, pb.CompleteAwakeableCommand(awakeable_id=awakeable_id(bytes(24), 1)), "RT0012"),
        (T.ATTACH_INVOCATION, pb.AttachInvocationCommand(invocation_id="foo"), "RT0017"),
        (T.ATTACH_INVOCATION, pb.AttachInvocationCommand(), "RT0012"),
        (T.GET_INVOCATION_OUTPUT, pb.GetInvocationOutputCommand(invocation_id="foo"), "RT0017"),
        (T.GET_INVOCATION_OUTPUT, pb.GetInvocationOutputCommand(), "RT0012"),
        (T.SUSPENSION, pb.Suspension(), "RT0012"),
        (T.END, pb.End(), "RT0012"),
    ],
)
def test_incomplete_messages(message_type: T, message: Any, code: str) -> None:
    talk = conversation(K.WORKFLOW_RUN)
    assert talk.receive(frame(message_type, message.SerializeToString())) == []
    assert _code(talk) == code


def test_an_awakeable_of_an_older_protocol_may_be_completed() -> None:
    """Its owner is none that runs here, but whoever kept the id must not fail for ever."""
    old = "prom_1" + awakeable_id(bytes(24), 17).removeprefix("sign_1")
    raw = pb.CompleteAwakeableCommand(awakeable_id=old, value=_VALUE).SerializeToString()
    assert conversation().receive(frame(T.COMPLETE_AWAKEABLE, raw)) == [Entry(T.COMPLETE_AWAKEABLE, raw)]


def test_output_and_end_end_it() -> None:
    talk = conversation()
    assert talk.receive(join(OUTPUT, END)) == [Entry(*OUTPUT), End()]
    assert talk.over
    assert talk.failure is None
    talk.end_of_response()
    assert talk.failure is None


def test_end_alone_is_enough_when_the_journal_has_an_output() -> None:
    assert conversation(has_output=True).receive(join(END)) == [End()]


def test_every_split_gives_the_same_effects() -> None:
    wire = join((T.RUN, GOOD[T.RUN].SerializeToString()), OUTPUT, END)
    whole = conversation().receive(wire)
    assert len(whole) == 3
    for cut in range(len(wire) + 1):
        talk = conversation()
        assert talk.receive(wire[:cut]) + talk.receive(wire[cut:]) == whole
        assert not talk.trailing or cut == len(wire)


def test_ack_is_asked_for_by_the_header_flag_only() -> None:
    raw = GOOD[T.RUN].SerializeToString()
    assert conversation().receive(ask_ack(frame(T.RUN, raw))) == [Entry(T.RUN, raw, True)]
    other_flag = frame(T.RUN, raw)[:2] + b"\x00\x01" + frame(T.RUN, raw)[4:]
    assert conversation().receive(other_flag) == [Entry(T.RUN, raw, False)]


def test_suspension_lists_what_it_waits_for() -> None:
    raw = pb.Suspension(waiting_completions=[1, 2], waiting_signals=[1], waiting_named_signals=["n"])
    talk = conversation()
    assert talk.receive(frame(T.SUSPENSION, raw.SerializeToString())) == [Suspend([1, 2], [1], ["n"])]
    assert talk.over


def test_run_completions_carry_values_and_failures() -> None:
    failure = pb.Failure(code=409, message="no", metadata=[pb.FailureMetadata(key="a", value="b")])
    talk = conversation()
    wire = join(
        (T.PROPOSE_RUN_COMPLETION, pb.ProposeRunCompletion(result_completion_id=1, value=b"").SerializeToString()),
        (
            T.PROPOSE_RUN_COMPLETION,
            pb.ProposeRunCompletion(result_completion_id=2, failure=failure).SerializeToString(),
        ),
    )
    assert talk.receive(wire) == [RunCompletion(1, b""), RunCompletion(2, Failure(409, "no", [("a", "b")]))]


def test_calls_become_call_entries() -> None:
    raw = pb.CallCommand(
        service_name="Greeter", handler_name="greet", result_completion_id=2, invocation_id_notification_idx=1
    ).SerializeToString()
    (effect,) = conversation().receive(frame(T.CALL, raw))
    assert isinstance(effect, CallEntry)
    assert effect.callee.caller is not None
    assert effect.callee.caller.completion_id == 2


def test_refused_command_and_all_behind_it_are_discarded() -> None:
    set_state = (int(T.SET_STATE), pb.SetStateCommand(key=b"a", value=_VALUE, name="mine").SerializeToString())
    talk = conversation(K.OBJECT_SHARED)
    assert talk.receive(join(OUTPUT, set_state, OUTPUT, END)) == [Entry(*OUTPUT)]
    failure = talk.failure
    assert failure is not None
    assert (failure.related_index, failure.related_name, failure.related_type) == (4, "mine", "SetState")


def test_too_large_a_message_is_refused_and_earlier_ones_are_kept() -> None:
    talk = conversation(message_bytes_limit=50)
    assert talk.receive(join(OUTPUT, (T.OUTPUT, bytes(50)))) == [Entry(*OUTPUT)]
    assert _code(talk) == "RT0003"


_LONG_FAILURE = pb.Failure(code=500, metadata=[pb.FailureMetadata()] * 1001)


@pytest.mark.parametrize(
    ("message_type", "message"),
    [
        (T.OUTPUT, pb.OutputCommand(failure=_LONG_FAILURE)),
        (T.COMPLETE_PROMISE, pb.CompletePromiseCommand(key="p", completion_failure=_LONG_FAILURE)),
        (T.SEND_SIGNAL, pb.SendSignalCommand(target_invocation_id=_INV, idx=17, failure=_LONG_FAILURE)),
        (T.COMPLETE_AWAKEABLE, pb.CompleteAwakeableCommand(awakeable_id=_AWAKEABLE, failure=_LONG_FAILURE)),
        (T.PROPOSE_RUN_COMPLETION, pb.ProposeRunCompletion(failure=_LONG_FAILURE)),
        (T.SUSPENSION, pb.Suspension(waiting_completions=[70_000] * 1_000_001)),
        (T.CALL, pb.CallCommand(service_name="Greeter", handler_name="greet", key="k" * 60_000)),
        (T.ONE_WAY_CALL, pb.OneWayCallCommand(service_name="Greeter", idempotency_key="\u20ac" * 20_001)),
    ],
    ids=lambda value: value.name if isinstance(value, T) else "",
)
def test_what_grows_past_a_record_is_refused(message_type: T, message: Any) -> None:
    """Each is stored as something larger than the message, which alone just fits. A batch that logd refuses as too
    large ends the leadership, and the next leader starts the attempt that made it: for ever."""
    talk = conversation(K.WORKFLOW_RUN, message_bytes_limit=32 << 20)
    assert talk.receive(frame(message_type, message.SerializeToString())) == []
    assert _code(talk) == "RT0003"


def test_many_calls_of_a_caller_with_a_long_key_are_proposed_one_by_one() -> None:
    """Each carries that key."""
    talk = conversation(K.OBJECT_SHARED, target=Target("S", "h", "k" * 30_000, K.OBJECT_SHARED))
    call = int(T.CALL), pb.CallCommand(service_name="Greeter", handler_name="greet").SerializeToString()
    assert len(talk.receive(join(call, call))) == 2
    assert not talk.bulky
    assert len(talk.receive(join(*[call] * 20, OUTPUT, END, END))) == 22
    assert talk.bulky


@pytest.mark.parametrize(
    ("code", "doc_code", "named"),
    [
        (500, "RT0007", "500 Internal"),
        (409, "RT0007", "409 Aborted"),
        (570, "RT0016", "570 Journal mismatch"),
        (571, "RT0012", "571 Protocol violation"),
        (599, "RT0007", "599"),
    ],
)
def test_error_message_is_a_failure_of_the_attempt(code: int, doc_code: str, named: str) -> None:
    error = pb.Error(
        code=code, message="boom", stacktrace="at line 1", related_command_index=2, related_command_name="step",
        related_command_type=T.RUN, next_retry_delay=77,
    )  # fmt: skip
    talk = conversation()
    assert talk.receive(frame(T.ERROR, error.SerializeToString())) == []
    failure = talk.failure
    assert failure is not None
    assert (failure.doc_code, failure.code, failure.next_retry_delay_ms) == (doc_code, code, 77)
    assert failure.full_text == f"[{named}] boom\nat line 1"
    assert (failure.related_index, failure.related_name, failure.related_type) == (2, "step", "Run")
    assert not talk.refused


def test_a_long_error_is_cut() -> None:
    """It is logged at each retry, and all that wait to retry are one answer to a query."""
    text = "x" * 900_000
    talk = conversation(message_bytes_limit=32 << 20)
    talk.receive(frame(T.ERROR, pb.Error(message=text, stacktrace=text, related_command_name=text).SerializeToString()))
    failure = talk.failure
    assert failure is not None
    assert {len(t) for t in (failure.message, failure.stacktrace, failure.related_name or "")} == {16 * 1024}


@pytest.mark.parametrize("last", [join(OUTPUT, END), frame(T.SUSPENSION, b"\x0a\x01\x01"), frame(T.ERROR, b"")])
@pytest.mark.parametrize("rest", [frame(T.END, b""), b"\x00"])
def test_bytes_behind_the_last_message_are_told_and_change_nothing(last: bytes, rest: bytes) -> None:
    together, apart = conversation(), conversation()
    effects = together.receive(last + rest)
    assert effects == apart.receive(last)
    assert not apart.trailing
    assert apart.receive(rest) == []
    assert together.trailing
    assert apart.trailing
    assert _code(together) == _code(apart)


@pytest.mark.parametrize(
    ("said", "how"),
    [
        (b"", "before it ended"),
        (frame(T.RUN, b"")[:5], "within a message"),
        (frame(T.RUN, b"\x58\x01")[:9], "within a message"),
        (join(OUTPUT), "before it ended"),
    ],
)
def test_response_that_ends_without_a_last_message(said: bytes, how: str) -> None:
    """Restate's code, with a text that says how; its own says "unknown"."""
    talk = conversation()
    if said:
        talk.receive(said)
    talk.end_of_response()
    assert _code(talk) == "RT0007"
    assert talk.failure is not None
    assert how in talk.failure.message
