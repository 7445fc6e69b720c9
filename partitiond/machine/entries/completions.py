"""Which notifications complete a command. Pure: no I/O."""

from __future__ import annotations

from typing import Any

from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType

__all__ = ["completion_ids"]

_RESULT = "result_completion_id"
_CALLEE_ID = "invocation_id_notification_idx"

#: Commands that something completes: their message and the fields with the completion ids.
_COMPLETED: dict[int, tuple[Any, tuple[str, ...]]] = {
    MessageType.GET_LAZY_STATE: (pb.GetLazyStateCommand, (_RESULT,)),
    MessageType.GET_LAZY_STATE_KEYS: (pb.GetLazyStateKeysCommand, (_RESULT,)),
    MessageType.GET_PROMISE: (pb.GetPromiseCommand, (_RESULT,)),
    MessageType.PEEK_PROMISE: (pb.PeekPromiseCommand, (_RESULT,)),
    MessageType.COMPLETE_PROMISE: (pb.CompletePromiseCommand, (_RESULT,)),
    MessageType.SLEEP: (pb.SleepCommand, (_RESULT,)),
    MessageType.CALL: (pb.CallCommand, (_CALLEE_ID, _RESULT)),
    MessageType.ONE_WAY_CALL: (pb.OneWayCallCommand, (_CALLEE_ID,)),
    MessageType.RUN: (pb.RunCommand, (_RESULT,)),
    MessageType.ATTACH_INVOCATION: (pb.AttachInvocationCommand, (_RESULT,)),
    MessageType.GET_INVOCATION_OUTPUT: (pb.GetInvocationOutputCommand, (_RESULT,)),
}


def completion_ids(entry_type: int, raw: bytes) -> tuple[int, ...]:
    """Ids of the completions that this command gets, none for most."""
    known = _COMPLETED.get(entry_type)
    if known is None:
        return ()
    message, fields = known
    command = message.FromString(raw)
    return tuple(getattr(command, field) for field in fields)
