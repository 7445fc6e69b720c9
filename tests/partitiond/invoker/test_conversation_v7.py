"""What service protocol v7 adds to a conversation: trees of futures, AwaitingOn, acknowledged runs, behaviour."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partitiond.invoker.failure import Behavior
from partitiond.invoker.protocol import futures
from partitiond.invoker.protocol.conversation import Conversation
from partitiond.invoker.protocol.header import frame
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as T
from shared.wal.commands import Entry, RunCompletion, SuspendOn
from shared.wal.futures import Combinator as C
from shared.wal.futures import Future, FutureNode
from tests.fakes.service_endpoint import ask_ack, join
from tests.partitiond.invoker.test_conversation import conversation

PROPOSAL = frame(
    T.PROPOSE_RUN_COMPLETION, pb.ProposeRunCompletion(result_completion_id=1, value=b"v").SerializeToString()
)


def v7(**changes: Any) -> Conversation:
    return conversation(protocol_version=7, **changes)


def suspension(raw: bytes) -> bytes:
    return frame(T.SUSPENSION, pb.Suspension(awaiting_on=raw).SerializeToString())


def awaiting_on(raw: bytes) -> bytes:
    return frame(T.AWAITING_ON, pb.AwaitingOn(awaiting_on=raw).SerializeToString())


def chain(depth: int) -> bytes:
    """A leaf under `depth` nested futures."""
    raw = pb.Future(waiting_completions=[1]).SerializeToString()
    for _ in range(depth):
        length = bytearray()
        rest = len(raw)
        while rest >= 128:
            length.append(rest & 127 | 128)
            rest >>= 7
        length.append(rest)
        raw = b"\x22" + bytes(length) + raw
    return raw


TREE = pb.Future(
    waiting_completions=[3, 3, 1 << 31],
    combinator_type=C.ALL_SUCCEEDED_OR_FIRST_FAILED,
    nested_futures=[
        pb.Future(
            waiting_signals=[1, 300],
            waiting_named_signals=["ü"],
            nested_futures=[pb.Future(combinator_type=C.ALL_COMPLETED)],
        ),
        pb.Future(waiting_completions=[4], combinator_type=C.FIRST_COMPLETED),
    ],
)
FLAT = Future(
    [
        FutureNode(0, C.ALL_SUCCEEDED_OR_FIRST_FAILED, [3, 1 << 31]),
        FutureNode(0, C.UNKNOWN, [-2, -301, "ü"]),
        FutureNode(1, C.ALL_COMPLETED, []),
        FutureNode(0, C.FIRST_COMPLETED, [4]),
    ]
)


def test_a_suspension_carries_a_tree() -> None:
    talk = v7()
    assert talk.receive(suspension(TREE.SerializeToString())) == [SuspendOn(FLAT)]
    assert talk.over
    assert talk.failure is None


def test_awaiting_on_goes_on_and_is_no_effect() -> None:
    talk = v7()
    assert talk.receive(awaiting_on(TREE.SerializeToString())) == []
    assert talk.awaiting_on == FLAT
    assert not talk.over


@pytest.mark.parametrize(("version", "asked", "ack"), [(6, True, False), (7, False, False), (7, True, True)])
def test_a_proposal_asks_for_an_ack_since_v7(version: int, asked: bool, ack: bool) -> None:
    talk = conversation(protocol_version=version)
    assert talk.receive(ask_ack(PROPOSAL) if asked else PROPOSAL) == [RunCompletion(1, b"v", ack)]


@pytest.mark.parametrize(
    ("version", "said", "behavior"),
    [
        (7, 0, Behavior.RETRY),
        (7, 1, Behavior.PAUSE),
        (7, 2, Behavior.FAIL),
        (7, 9, Behavior.RETRY),
        (6, 1, Behavior.RETRY),
    ],
)
def test_an_error_says_what_is_to_follow(version: int, said: int, behavior: Behavior) -> None:
    talk = conversation(protocol_version=version)
    talk.receive(frame(T.ERROR, b"\x08\xf4\x03\x48" + bytes([said])))
    assert talk.failure is not None
    assert talk.failure.code == 500
    assert talk.failure.behavior is behavior


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(T.SUSPENSION, b""), "RT0012"),
        (suspension(b""), "RT0012"),
        (suspension(pb.Future(nested_futures=[pb.Future()]).SerializeToString()), "RT0012"),
        (frame(T.SUSPENSION, pb.Suspension(waiting_completions=[1]).SerializeToString()), "RT0012"),
        (frame(T.AWAITING_ON, b""), "RT0012"),
        (suspension(b"\x0a"), "RT0012"),
        (suspension(b"\x0a\x05\x01"), "RT0012"),
        (suspension(b"\x0a\x02\x01\x80"), "RT0012"),
        (suspension(b"\x08" + b"\x80" * 11), "RT0012"),
        (suspension(b"\x1a\x01\xff"), "RT0012"),
        (suspension(b"\x0f"), "RT0012"),
        (suspension(b"\x00\x01"), "RT0012"),
        (suspension(b"\x22\x02\x0a\x05"), "RT0012"),
        (awaiting_on(b"\x0a"), "RT0012"),
    ],
)
def test_a_future_that_is_none_is_refused(data: bytes, code: str) -> None:
    talk = v7()
    assert talk.receive(data) == []
    assert talk.failure is not None
    assert talk.failure.doc_code == code
    assert talk.failure.behavior is Behavior.RETRY


@pytest.mark.parametrize("message", [suspension, awaiting_on])
def test_a_future_may_be_nested_to_1000_and_deeper_pauses(message: Any) -> None:
    talk = v7()
    talk.receive(message(chain(1000)))
    assert talk.failure is None
    talk = v7()
    assert talk.receive(message(chain(1001))) == []
    assert talk.failure is not None
    assert (talk.failure.doc_code, talk.failure.behavior) == ("RT0025", Behavior.PAUSE)


def test_a_future_of_too_many_parts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(futures, "SIZE_MAX", 5)
    talk = v7()
    talk.receive(suspension(pb.Future(waiting_completions=range(4)).SerializeToString()))
    assert talk.failure is None
    talk = v7()
    talk.receive(suspension(pb.Future(waiting_completions=range(5)).SerializeToString()))
    assert talk.failure is not None
    assert talk.failure.doc_code == "RT0003"


def test_unknown_fields_of_a_future_are_skipped() -> None:
    raw = b"\x30\x01" + b"\x3d1234" + b"\x3912345678" + b"\x4a\x01x" + b"\x08\x05" + b"\x28\x63"
    assert v7().receive(suspension(raw)) == [SuspendOn(Future([FutureNode(0, C.UNKNOWN, [5])]))]


_SCOPES = [(None, True), ("s", True), ("", False), ("s/t", False), ("s" * 37, False)]


@pytest.mark.parametrize("target", ["workflow_target", "idempotent_request_target"])
@pytest.mark.parametrize("message_type", [T.ATTACH_INVOCATION, T.GET_INVOCATION_OUTPUT])
@pytest.mark.parametrize(("scope", "taken"), _SCOPES)
def test_a_target_within_a_scope(message_type: T, target: str, scope: str | None, taken: bool) -> None:
    fields: dict[str, Any] = {
        "workflow_target": pb.WorkflowTarget(workflow_name="Flow", workflow_key="k", scope=scope),
        "idempotent_request_target": pb.IdempotentRequestTarget(
            service_name="S", handler_name="h", idempotency_key="i", scope=scope
        ),
    }
    command = pb.AttachInvocationCommand if message_type == T.ATTACH_INVOCATION else pb.GetInvocationOutputCommand
    message = command(**{target: fields[target]}, result_completion_id=1)
    talk = v7()
    raw = message.SerializeToString()
    effects = talk.receive(frame(message_type, raw))
    if taken:
        assert effects == [Entry(message_type, raw)]
        return
    assert effects == []
    assert talk.failure is not None
    assert talk.failure.doc_code == "RT0024"


@pytest.mark.parametrize("message_type", [T.CALL, T.ONE_WAY_CALL])
def test_a_call_with_a_bad_scope_is_refused(message_type: T) -> None:
    command = pb.CallCommand if message_type == T.CALL else pb.OneWayCallCommand
    message = command(service_name="Greeter", handler_name="greet", scope="ß")
    talk = v7()
    assert talk.receive(frame(message_type, message.SerializeToString())) == []
    assert talk.failure is not None
    assert talk.failure.doc_code == "RT0024"


def test_every_split_gives_the_same() -> None:
    wire = join((T.AWAITING_ON, pb.AwaitingOn(awaiting_on=chain(3)).SerializeToString())) + ask_ack(PROPOSAL)
    for cut in range(len(wire) + 1):
        talk = v7()
        assert talk.receive(wire[:cut]) + talk.receive(wire[cut:]) == [RunCompletion(1, b"v", True)]
        assert talk.awaiting_on is not None


@given(st.binary(max_size=60))
@settings(max_examples=400, deadline=None)
def test_garbage_is_refused_or_read_as_protobuf_reads_it(raw: bytes) -> None:
    talk = v7()
    effects = talk.receive(suspension(raw))
    assert talk.over
    try:
        message = pb.Future.FromString(raw)
    except Exception:
        # What we are laxer about (groups are refused by both) does no harm; what we take is a sound tree.
        message = None
    for effect in effects:
        assert isinstance(effect, SuspendOn)
        assert all(node.parent <= index for index, node in enumerate(effect.future.nodes))
        if message is not None:
            root = effect.future.nodes[0]
            assert {leaf for leaf in root.leaves if isinstance(leaf, int) and leaf >= 0} == {
                *message.waiting_completions
            }
            assert {leaf for leaf in root.leaves if isinstance(leaf, str)} == {*message.waiting_named_signals}
