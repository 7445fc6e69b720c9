"""A journal entry as JSON, in the shape that Restate's CLI and console read. Pure: no I/O.

Source: sql_tables.md, part 4, and the oracle's own output. The whole form has payloads as arrays of numbers; the
lite form leaves payloads, headers and empty names out and keeps only the kind of a result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from google.protobuf.message import DecodeError, Message

from shared.ids import encode_invocation_id, idempotent_partition_key, target_partition_key
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType, command_name, is_command
from shared.storage.large import filled
from shared.storage.values import JournalRow
from shared.wal.commands import HandlerKind, Target

__all__ = ["command_label", "entry_json", "entry_lite_json"]

_Json = dict[str, Any]
#: As Rust writes a duration.
_NO_TIME = {"secs": 0, "nanos": 0}
#: (entry, its message, lite form wanted) -> fields in order.
_Fields = Callable[[JournalRow, Any, bool], _Json]

_NO_SPAN = {
    "span_context": {
        "trace_id": [0] * 16,
        "span_id": [0] * 8,
        "trace_flags": 0,
        "is_remote": False,
        "trace_state": "",
    },
    "cause": None,
}


def entry_json(row: JournalRow) -> str | None:
    """The whole entry, whose content is there; None when its bytes are not the message that its type says."""
    return _to_json(row, lite=False)


def entry_lite_json(row: JournalRow) -> str | None:
    """The entry without payloads."""
    return _to_json(filled(row), lite=True)


def command_label(row: JournalRow) -> str | None:
    """The name that the handler gave a command; None for notifications."""
    if not is_command(row.entry_type):
        return None
    message = _parse(_COMMANDS[MessageType(row.entry_type)].message, filled(row).raw)
    return None if message is None else _name(message)


def _to_json(row: JournalRow, *, lite: bool) -> str | None:
    shaped = _command(row, lite) if is_command(row.entry_type) else _notification(row, lite)
    return None if shaped is None else msgspec.json.encode(shaped).decode()


def _parse(kind: Callable[[], Message], raw: bytes) -> Any:
    message = kind()
    try:
        message.ParseFromString(raw)
    except DecodeError:
        return None
    return message


def _name(message: Any) -> str:
    # SendSignal has a signal name, so its own is called otherwise.
    name: str = message.entry_name if isinstance(message, pb.SendSignalCommand) else message.name
    return name


def _command(row: JournalRow, lite: bool) -> _Json | None:
    command = _COMMANDS[MessageType(row.entry_type)]
    message = _parse(command.message, row.raw)
    if message is None:
        return None
    fields = command.fields(row, message, lite)
    name = _name(message)
    if name or not lite:
        fields["name"] = name
    return {"Command": {command_name(row.entry_type): fields}}


def _notification(row: JournalRow, lite: bool) -> _Json | None:
    message = _parse(pb.Notification, row.raw)
    if message is None:
        return None
    signal = row.entry_type == MessageType.SIGNAL
    kind = command_name(row.entry_type)
    if lite:
        return {
            "Notification": {
                "ty": "Signal" if signal else {"Completion": kind},
                "id": _lite_notification_id(message),
                "result": _result(message, message.WhichOneof("result"), lite=True),
            }
        }
    if signal:
        index = message.WhichOneof("id") == "signal_id"
        signal_id = {"Index": message.signal_id} if index else {"Name": message.signal_name}
        return {"Notification": {"Signal": {"id": signal_id, "result": _whole_result(message)}}}
    return {"Notification": {"Completion": {kind: _completion(row.entry_type, message)}}}


def _lite_notification_id(message: pb.Notification) -> _Json:
    which = message.WhichOneof("id")
    if which == "signal_id":
        return {"SignalIndex": message.signal_id}
    return {"SignalName": message.signal_name} if which == "signal_name" else {"CompletionId": message.completion_id}


def _completion(entry_type: int, message: pb.Notification) -> _Json:
    fields: _Json = {"completion_id": message.completion_id}
    if entry_type == MessageType.SLEEP_COMPLETION:
        return fields
    if entry_type == MessageType.CALL_INVOCATION_ID_COMPLETION:
        return fields | {"invocation_id": message.invocation_id}
    if entry_type == MessageType.GET_LAZY_STATE_KEYS_COMPLETION:
        return fields | {"state_keys": _keys(message.state_keys)}
    return fields | {"result": _whole_result(message)}


def _whole_result(message: Any) -> Any:
    return _result(message, message.WhichOneof("result"), lite=False)


_TAGS = {"void": "Void", "invocation_id": "InvocationId", "state_keys": "StateKeys"}


def _result(message: Any, which: str | None, *, lite: bool) -> Any:
    """A one-of of void, value and failure, by whatever names its message gives them."""
    if which is None:
        return "Void"
    if which in _TAGS:
        return _TAGS[which]
    if "failure" in which:
        return "Failure" if lite else {"Failure": _failure(getattr(message, which))}
    return "Success" if lite else {"Success": list(getattr(message, which).content)}


def _failure(failure: pb.Failure) -> _Json:
    shaped: _Json = {"code": failure.code, "message": failure.message}
    if failure.metadata:
        shaped["metadata"] = [{"key": item.key, "value": item.value} for item in failure.metadata]
    return shaped


def _keys(keys: pb.StateKeys) -> list[str]:
    return [key.decode(errors="replace") for key in keys.keys]


def _headers(message: Any) -> list[_Json]:
    return [{"name": header.key, "value": header.value} for header in message.headers]


def _target(target: Target | None) -> _Json | None:
    if target is None:
        return None
    if target.kind == HandlerKind.SERVICE:
        return {"Service": {"name": target.service, "handler": target.handler, "scope": target.scope}}
    workflow = target.kind in (HandlerKind.WORKFLOW_RUN, HandlerKind.WORKFLOW_SHARED)
    shared = target.kind in (HandlerKind.OBJECT_SHARED, HandlerKind.WORKFLOW_SHARED)
    handler_type = "Shared" if shared else "Workflow" if workflow else "Exclusive"
    fields = {"name": target.service, "key": target.key, "handler": target.handler, "handler_ty": handler_type}
    return {"Workflow" if workflow else "VirtualObject": fields | {"scope": target.scope}}


def _request(row: JournalRow, message: Any, lite: bool) -> _Json:
    callee: _Json = {
        "invocation_id": None if row.callee_id is None else encode_invocation_id(row.callee_id),
        "invocation_target": _target(row.callee_target),
    }
    if lite:
        return callee
    request = callee | {
        "span_context": _NO_SPAN,
        "parameter": list(message.parameter),
        "headers": _headers(message),
        "idempotency_key": _optional(message, "idempotency_key"),
        # Not in the caller's journal: the callee's own row has them.
        # Of no account here, each callee has its own; but the CLI does not read a call without them.
        "completion_retention_duration": dict(_NO_TIME),
        "journal_retention_duration": dict(_NO_TIME),
    }
    if message.limit_key:
        request["limit_key"] = message.limit_key
    return {"request": request}


def _optional(message: Any, field: str) -> str | None:
    return getattr(message, field) if message.HasField(field) else None


def _call(row: JournalRow, message: pb.CallCommand, lite: bool) -> _Json:
    return _request(row, message, lite) | {
        "invocation_id_completion_id": message.invocation_id_notification_idx,
        "result_completion_id": message.result_completion_id,
    }


def _one_way_call(row: JournalRow, message: pb.OneWayCallCommand, lite: bool) -> _Json:
    return _request(row, message, lite) | {
        "invoke_time": message.invoke_time,
        "invocation_id_completion_id": message.invocation_id_notification_idx,
    }


def _input(row: JournalRow, message: pb.InputCommand, lite: bool) -> _Json:
    return {} if lite else {"headers": _headers(message), "payload": list(message.value.content)}


def _output(row: JournalRow, message: Any, lite: bool) -> _Json:
    return {"result": _result(message, message.WhichOneof("result"), lite=lite)}


def _keyed(row: JournalRow, message: Any, lite: bool) -> _Json:
    """State and promise commands that name a key and wait for a completion."""
    key = message.key if isinstance(message.key, str) else message.key.decode(errors="replace")
    return {"key": key} | _completion_id(row, message, lite)


def _completion_id(row: JournalRow, message: Any, lite: bool) -> _Json:
    return {"completion_id": message.result_completion_id}


def _set_state(row: JournalRow, message: pb.SetStateCommand, lite: bool) -> _Json:
    key = {"key": message.key.decode(errors="replace")}
    return key if lite else key | {"value": list(message.value.content)}


def _clear_state(row: JournalRow, message: pb.ClearStateCommand, lite: bool) -> _Json:
    return {"key": message.key.decode(errors="replace")}


def _get_eager_state(row: JournalRow, message: pb.GetEagerStateCommand, lite: bool) -> _Json:
    result = _result(message, message.WhichOneof("result"), lite=lite)
    return {"key": message.key.decode(errors="replace"), "result": result}


def _get_eager_state_keys(row: JournalRow, message: pb.GetEagerStateKeysCommand, lite: bool) -> _Json:
    return {} if lite else {"state_keys": _keys(message.value)}


def _complete_promise(row: JournalRow, message: pb.CompletePromiseCommand, lite: bool) -> _Json:
    if lite:
        return _keyed(row, message, lite)
    value = _result(message, message.WhichOneof("completion"), lite=False)
    return {"key": message.key, "value": value, "completion_id": message.result_completion_id}


def _sleep(row: JournalRow, message: pb.SleepCommand, lite: bool) -> _Json:
    return {"wake_up_time": message.wake_up_time, "completion_id": message.result_completion_id}


def _send_signal(row: JournalRow, message: pb.SendSignalCommand, lite: bool) -> _Json:
    index = message.WhichOneof("signal_id") == "idx"
    return {
        "target_invocation_id": message.target_invocation_id,
        "signal_id": {"Index": message.idx} if index else {"Name": message.name},
    } | _output(row, message, lite)


def _attach(row: JournalRow, message: Any, lite: bool) -> _Json:
    which = message.WhichOneof("target")
    if which == "workflow_target":
        target = {"Workflow": _workflow_target(message.workflow_target)}
    elif which == "idempotent_request_target":
        target = {"IdempotentRequest": _idempotent_target(message.idempotent_request_target)}
    else:
        target = {"InvocationId": message.invocation_id}
    return {"target": target} | _completion_id(row, message, lite)


def _workflow_target(workflow: pb.WorkflowTarget) -> _Json:
    scope = _optional(workflow, "scope")
    return {
        "service_name": workflow.workflow_name,
        "key": workflow.workflow_key,
        "partition_key": target_partition_key(scope, workflow.workflow_key),
        "scope": scope,
    }


def _idempotent_target(request: pb.IdempotentRequestTarget) -> _Json:
    scope, key = _optional(request, "scope"), _optional(request, "service_key")
    if scope is None and key is None:
        partition_key = idempotent_partition_key(request.service_name, request.idempotency_key)
    else:
        partition_key = target_partition_key(scope, key or "")
    return {
        "service_name": request.service_name,
        "service_key": key,
        "service_handler": request.handler_name,
        "idempotency_key": request.idempotency_key,
        "scope": scope,
        "partition_key": partition_key,
    }


def _complete_awakeable(row: JournalRow, message: pb.CompleteAwakeableCommand, lite: bool) -> _Json:
    return {"id": message.awakeable_id} | _output(row, message, lite)


class _Command(NamedTuple):
    message: Callable[[], Message]
    fields: _Fields


_COMMANDS: dict[MessageType, _Command] = {
    MessageType.INPUT: _Command(pb.InputCommand, _input),
    MessageType.OUTPUT: _Command(pb.OutputCommand, _output),
    MessageType.GET_LAZY_STATE: _Command(pb.GetLazyStateCommand, _keyed),
    MessageType.SET_STATE: _Command(pb.SetStateCommand, _set_state),
    MessageType.CLEAR_STATE: _Command(pb.ClearStateCommand, _clear_state),
    MessageType.CLEAR_ALL_STATE: _Command(pb.ClearAllStateCommand, lambda row, message, lite: {}),
    MessageType.GET_LAZY_STATE_KEYS: _Command(pb.GetLazyStateKeysCommand, _completion_id),
    MessageType.GET_EAGER_STATE: _Command(pb.GetEagerStateCommand, _get_eager_state),
    MessageType.GET_EAGER_STATE_KEYS: _Command(pb.GetEagerStateKeysCommand, _get_eager_state_keys),
    MessageType.GET_PROMISE: _Command(pb.GetPromiseCommand, _keyed),
    MessageType.PEEK_PROMISE: _Command(pb.PeekPromiseCommand, _keyed),
    MessageType.COMPLETE_PROMISE: _Command(pb.CompletePromiseCommand, _complete_promise),
    MessageType.SLEEP: _Command(pb.SleepCommand, _sleep),
    MessageType.CALL: _Command(pb.CallCommand, _call),
    MessageType.ONE_WAY_CALL: _Command(pb.OneWayCallCommand, _one_way_call),
    MessageType.SEND_SIGNAL: _Command(pb.SendSignalCommand, _send_signal),
    MessageType.RUN: _Command(pb.RunCommand, _completion_id),
    MessageType.ATTACH_INVOCATION: _Command(pb.AttachInvocationCommand, _attach),
    MessageType.GET_INVOCATION_OUTPUT: _Command(pb.GetInvocationOutputCommand, _attach),
    MessageType.COMPLETE_AWAKEABLE: _Command(pb.CompleteAwakeableCommand, _complete_awakeable),
}
