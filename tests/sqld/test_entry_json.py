"""Journal entries as JSON: the oracle's own output for the oracle's own bytes (Restate 1.7.12, Python SDK 1.3.0)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.ids import decode_invocation_id, idempotent_partition_key, key_partition_key
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType
from shared.storage.values import JournalRow
from shared.wal.commands import HandlerKind, Target
from sqld.tables.entry_json import command_label, entry_json, entry_lite_json

T = MessageType


def _command(kind: str, /, **fields: Any) -> dict[str, Any]:
    return {"Command": {kind: fields}}


def _completion(kind: str, /, **fields: Any) -> dict[str, Any]:
    return {"Notification": {"Completion": {kind: fields}}}


def _lite(name: str, number: int, result: str) -> dict[str, Any]:
    return {"Notification": {"ty": {"Completion": name}, "id": {"CompletionId": number}, "result": result}}


CASES: list[tuple[MessageType, str, dict[str, Any], dict[str, Any]]] = [
    (
        T.GET_EAGER_STATE,
        "0a01616a00",
        _command("GetEagerState", key="a", result="Void", name=""),
        _command("GetEagerState", key="a", result="Void"),
    ),
    (
        T.GET_EAGER_STATE,
        "0a0161720a0a087b226b223a20317d",
        _command("GetEagerState", key="a", result={"Success": list(b'{"k": 1}')}, name=""),
        _command("GetEagerState", key="a", result="Success"),
    ),
    (
        T.SET_STATE,
        "0a0362696e1a040a02ff00",
        _command("SetState", key="bin", value=[255, 0], name=""),
        _command("SetState", key="bin"),
    ),
    (T.CLEAR_STATE, "0a0162", _command("ClearState", key="b", name=""), _command("ClearState", key="b")),
    (T.CLEAR_ALL_STATE, "", _command("ClearAllState", name=""), _command("ClearAllState")),
    (
        T.GET_EAGER_STATE_KEYS,
        "72060a01610a0162",
        _command("GetEagerStateKeys", state_keys=["a", "b"], name=""),
        _command("GetEagerStateKeys"),
    ),
    (
        T.RUN,
        "5804620473746570",
        _command("Run", completion_id=4, name="step"),
        _command("Run", completion_id=4, name="step"),
    ),
    (
        T.RUN_COMPLETION,
        "08042a030a0135",
        _completion("Run", completion_id=4, result={"Success": [53]}),
        _lite("Run", 4, "Success"),
    ),
    (
        T.RUN_COMPLETION,
        "0805321408f40312076261642072756e1a060a0161120162",
        _completion(
            "Run",
            completion_id=5,
            result={"Failure": {"code": 500, "message": "bad run", "metadata": [{"key": "a", "value": "b"}]}},
        ),
        _lite("Run", 5, "Failure"),
    ),
    (
        T.SLEEP,
        "08edc4c6b8a034580662036e6170",
        _command("Sleep", wake_up_time=1795414925933, completion_id=6, name="nap"),
        _command("Sleep", wake_up_time=1795414925933, completion_id=6, name="nap"),
    ),
    (T.SLEEP_COMPLETION, "08062200", _completion("Sleep", completion_id=6), _lite("Sleep", 6, "Void")),
    (
        T.CALL_INVOCATION_ID_COMPLETION,
        "0807820126696e765f3166657a563249504f5055753349636237544a6e67695a6955696139497474564b4d",
        _completion("CallInvocationId", completion_id=7, invocation_id="inv_1fezV2IPOPUu3Icb7TJngiZiUia9IttVKM"),
        _lite("CallInvocationId", 7, "InvocationId"),
    ),
    (
        T.COMPLETE_AWAKEABLE,
        "0a2c7369676e5f3162633749552d3230575171426172366d6c476955583150334a703970475869344141414145671a0708990312026e6f",
        _command(
            "CompleteAwakeable",
            id="sign_1bc7IU-20WQqBar6mlGiUX1P3Jp9pGXi4AAAAEg",
            result={"Failure": {"code": 409, "message": "no"}},
            name="",
        ),
        _command("CompleteAwakeable", id="sign_1bc7IU-20WQqBar6mlGiUX1P3Jp9pGXi4AAAAEg", result="Failure"),
    ),
    (
        T.SIGNAL,
        "10112a070a052279657322",
        {"Notification": {"Signal": {"id": {"Index": 17}, "result": {"Success": list(b'"yes"')}}}},
        {"Notification": {"ty": "Signal", "id": {"SignalIndex": 17}, "result": "Success"}},
    ),
    (
        T.ATTACH_INVOCATION,
        "0a26696e765f31324e53486f7a693434747a355a6b6577376a583973516e756a3877686c6345654a580e",
        _command(
            "AttachInvocation",
            target={"InvocationId": "inv_12NSHozi44tz5Zkew7jX9sQnuj8whlcEeJ"},
            completion_id=14,
            name="",
        ),
        _command(
            "AttachInvocation", target={"InvocationId": "inv_12NSHozi44tz5Zkew7jX9sQnuj8whlcEeJ"}, completion_id=14
        ),
    ),
    (
        T.SEND_SIGNAL,
        "0a26696e765f31324e53486f7a693434747a355a6b6577376a583973516e756a3877686c6345654a10012200",
        _command(
            "SendSignal",
            target_invocation_id="inv_12NSHozi44tz5Zkew7jX9sQnuj8whlcEeJ",
            signal_id={"Index": 1},
            result="Void",
            name="",
        ),
        _command(
            "SendSignal",
            target_invocation_id="inv_12NSHozi44tz5Zkew7jX9sQnuj8whlcEeJ",
            signal_id={"Index": 1},
            result="Void",
        ),
    ),
    (
        T.OUTPUT,
        "72080a0622646f6e6522",
        _command("Output", result={"Success": list(b'"done"')}, name=""),
        _command("Output", result="Success"),
    ),
]


@pytest.mark.parametrize(("kind", "raw", "whole", "lite"), CASES, ids=[case[0].name.lower() for case in CASES])
def test_entries_are_shown_as_the_oracle_shows_them(
    kind: MessageType, raw: str, whole: dict[str, Any], lite: dict[str, Any]
) -> None:
    row = JournalRow(int(kind), bytes.fromhex(raw), 0)
    compact = {"separators": (",", ":"), "ensure_ascii": False}
    # The text, not only its meaning: fields have an order.
    assert entry_json(row) == json.dumps(whole, **compact)  # type: ignore[arg-type]
    assert entry_lite_json(row) == json.dumps(lite, **compact)  # type: ignore[arg-type]


def test_calls_name_their_callee() -> None:
    callee = "inv_10SHxgluLUdD3KzDsLVK4MrzSFzKyMFCNj"
    raw = bytes.fromhex("0a0b53714f7261636c654f626a12067368617265641a0322712232026b32500c")
    target = Target("SqOracleObj", "shared", "k2", HandlerKind.OBJECT_SHARED)
    row = JournalRow(int(T.ONE_WAY_CALL), raw, 0, decode_invocation_id(callee), target)
    invocation_target = {
        "VirtualObject": {
            "name": "SqOracleObj",
            "key": "k2",
            "handler": "shared",
            "handler_ty": "Shared",
            "scope": None,
        }
    }
    assert json.loads(entry_lite_json(row) or "") == _command(
        "OneWayCall",
        invocation_id=callee,
        invocation_target=invocation_target,
        invoke_time=0,
        invocation_id_completion_id=12,
    )
    whole = json.loads(entry_json(row) or "")["Command"]["OneWayCall"]
    assert whole["request"]["invocation_target"] == invocation_target
    assert whole["request"]["parameter"] == list(b'"q"')
    assert whole["request"]["idempotency_key"] is None


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (
            Target("Flow", "where", None, HandlerKind.SERVICE, "wok"),
            {"Service": {"name": "Flow", "handler": "where", "scope": "wok"}},
        ),
        (
            Target("Once", "run", "k", HandlerKind.WORKFLOW_RUN, "wok"),
            {"Workflow": {"name": "Once", "key": "k", "handler": "run", "handler_ty": "Workflow", "scope": "wok"}},
        ),
    ],
)
def test_calls_within_a_scope_say_so(target: Target, shown: dict[str, Any]) -> None:
    """As the oracle shows `ctx.scope("wok").service_call(…, limit_key="gold/eu")`."""
    for kind, message in ((T.CALL, pb.CallCommand), (T.ONE_WAY_CALL, pb.OneWayCallCommand)):
        limited, plain = message(scope="wok", limit_key="gold/eu"), message(scope="wok")
        row = JournalRow(int(kind), limited.SerializeToString(), 0, bytes(24), target)
        (request,) = json.loads(entry_json(row) or "")["Command"].values()
        assert request["request"]["invocation_target"] == shown
        assert list(request["request"])[-1:] == ["limit_key"]
        assert request["request"]["limit_key"] == "gold/eu"
        (lite,) = json.loads(entry_lite_json(row) or "")["Command"].values()
        assert lite["invocation_target"] == shown
        row = JournalRow(int(kind), plain.SerializeToString(), 0, bytes(24), target)
        (request,) = json.loads(entry_json(row) or "")["Command"].values()
        assert "limit_key" not in request["request"]


def test_attach_names_its_target_with_scope_and_place() -> None:
    """Restate's structs, field by field."""

    def shown(message: Any) -> Any:
        row = JournalRow(int(T.ATTACH_INVOCATION), message.SerializeToString(), 0)
        return json.loads(entry_json(row) or "")["Command"]["AttachInvocation"]["target"]

    workflow = pb.WorkflowTarget(workflow_name="W", workflow_key="k")
    plain = {"service_name": "W", "key": "k", "partition_key": key_partition_key("k"), "scope": None}
    assert shown(pb.AttachInvocationCommand(workflow_target=workflow)) == {"Workflow": plain}
    workflow.scope = "s"
    scoped = plain | {"partition_key": key_partition_key("s"), "scope": "s"}
    assert shown(pb.AttachInvocationCommand(workflow_target=workflow)) == {"Workflow": scoped}

    request = pb.IdempotentRequestTarget(service_name="S", handler_name="h", idempotency_key="i")
    fields = {"service_name": "S", "service_key": None, "service_handler": "h", "idempotency_key": "i", "scope": None}
    place = idempotent_partition_key("S", "i")
    command = pb.AttachInvocationCommand(idempotent_request_target=request)
    assert shown(command) == {"IdempotentRequest": fields | {"partition_key": place}}
    command.idempotent_request_target.service_key = "k"
    fields["service_key"] = "k"
    assert shown(command) == {"IdempotentRequest": fields | {"partition_key": key_partition_key("k")}}
    command.idempotent_request_target.scope = "s"
    fields["scope"] = "s"
    assert shown(command) == {"IdempotentRequest": fields | {"partition_key": key_partition_key("s")}}


def test_bytes_that_are_no_message_have_no_json() -> None:
    row = JournalRow(int(T.RUN), b"\xff\xff\xff", 0)
    assert (entry_json(row), entry_lite_json(row), command_label(row)) == (None, None, None)


def test_every_message_type_of_a_journal_has_a_form() -> None:
    for kind in MessageType:
        if kind >= 0x0400:
            assert entry_json(JournalRow(int(kind), b"", 0)), kind
            assert entry_lite_json(JournalRow(int(kind), b"", 0)), kind
