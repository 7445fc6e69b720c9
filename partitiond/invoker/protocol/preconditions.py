"""What a handler may do, by its kind, and what must hold for the commands that name somebody else. Pure: no I/O.

All refusals are failures of the attempt, which is retried: a catalog may be late, a service may be repaired.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

from shared.ids import decode_invocation_id, decode_signal_id, is_old_awakeable_id
from shared.limits import check_scope
from shared.protocol import service_pb2 as pb
from shared.protocol.large_values import LARGE_BYTES, split_set_state
from shared.protocol.message_types import MessageType, command_name
from shared.wal.commands import HandlerKind

__all__ = [
    "BAD_ENTRY",
    "BAD_MESSAGE",
    "BAD_SCOPE",
    "NO_HANDLER",
    "TOO_DEEP",
    "TOO_LARGE",
    "WAITING_MAX",
    "PreconditionError",
    "check_failure",
    "plain_commands",
    "refusal",
    "require_scope",
]

#: The entry cannot be processed: a precondition does not hold.
BAD_ENTRY = "RT0017"
#: The message is over the limit.
TOO_LARGE = "RT0003"
#: The message breaks the protocol.
BAD_MESSAGE = "RT0012"
#: A scope or a limit key is none, or a limit key has no scope.
BAD_SCOPE = "RT0024"
#: The handler that is called does not exist (yet).
NO_HANDLER = "RT0018"
#: The tree of futures is nested too deep.
TOO_DEEP = "RT0025"


class PreconditionError(Exception):
    """A command whose precondition does not hold; it and all that follows in this attempt is discarded."""

    def __init__(self, doc_code: str, message: str) -> None:
        super().__init__(message)
        self.doc_code = doc_code
        self.message = message


#: A record holds a failure and what a suspension waits for in other bytes than the message, half as many again at
#: worst: what is the user's own text is as long in both, and of the rest there is only so much.
_METADATA_MAX = 1000
WAITING_MAX = 1_000_000

_Table = dict[MessageType, type[Message]]

_STATE_READS: _Table = {
    MessageType.GET_LAZY_STATE: pb.GetLazyStateCommand,
    MessageType.GET_LAZY_STATE_KEYS: pb.GetLazyStateKeysCommand,
    MessageType.GET_EAGER_STATE: pb.GetEagerStateCommand,
    MessageType.GET_EAGER_STATE_KEYS: pb.GetEagerStateKeysCommand,
}
_STATE_WRITES: _Table = {
    MessageType.SET_STATE: pb.SetStateCommand,
    MessageType.CLEAR_STATE: pb.ClearStateCommand,
    MessageType.CLEAR_ALL_STATE: pb.ClearAllStateCommand,
}
_PROMISES: _Table = {
    MessageType.GET_PROMISE: pb.GetPromiseCommand,
    MessageType.PEEK_PROMISE: pb.PeekPromiseCommand,
    MessageType.COMPLETE_PROMISE: pb.CompletePromiseCommand,
}
_ANYWHERE: _Table = {
    MessageType.OUTPUT: pb.OutputCommand,
    MessageType.SLEEP: pb.SleepCommand,
    MessageType.RUN: pb.RunCommand,
    MessageType.SEND_SIGNAL: pb.SendSignalCommand,
    MessageType.COMPLETE_AWAKEABLE: pb.CompleteAwakeableCommand,
    MessageType.ATTACH_INVOCATION: pb.AttachInvocationCommand,
    MessageType.GET_INVOCATION_OUTPUT: pb.GetInvocationOutputCommand,
}


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise PreconditionError(BAD_MESSAGE, message)


def _require_id(text: str, doc_code: str) -> None:
    try:
        decode_invocation_id(text)
    except ValueError as error:
        raise PreconditionError(doc_code, str(error)) from error


def require_scope(scope: str) -> None:
    """Raises PreconditionError for a text that is none."""
    try:
        check_scope(scope)
    except ValueError as error:
        raise PreconditionError(BAD_SCOPE, f"the scope is invalid: {error}") from error


def check_failure(failure: pb.Failure) -> None:
    """Raises PreconditionError for one that would not fit a record, though the message does."""
    if len(failure.metadata) > _METADATA_MAX:
        text = f"a failure with {len(failure.metadata)} entries of metadata, the limit is {_METADATA_MAX}"
        raise PreconditionError(TOO_LARGE, text)


def _read_output(raw: bytes) -> Message:
    message = pb.OutputCommand.FromString(raw)
    result = message.WhichOneof("result")
    _require(result is not None, "an Output without a result")
    if result == "failure":
        check_failure(message.failure)
    return message


def _read_set_state(raw: bytes) -> Message | None:
    if len(raw) > LARGE_BYTES and split_set_state(raw) is not None:
        return None
    message = pb.SetStateCommand.FromString(raw)
    _require(message.HasField("value"), "a SetState without a value")
    return message


def _read_complete_promise(raw: bytes) -> Message:
    message = pb.CompletePromiseCommand.FromString(raw)
    check_failure(message.completion_failure)
    _require(message.WhichOneof("completion") is not None, "a CompletePromise without a completion")
    return message


def _read_send_signal(raw: bytes) -> Message:
    message = pb.SendSignalCommand.FromString(raw)
    check_failure(message.failure)
    _require_id(message.target_invocation_id, BAD_MESSAGE)
    _require(message.WhichOneof("signal_id") is not None, "a SendSignal without a signal")
    _require(message.WhichOneof("result") is not None, "a SendSignal without a result")
    return message


def _read_complete_awakeable(raw: bytes) -> Message:
    message = pb.CompleteAwakeableCommand.FromString(raw)
    check_failure(message.failure)
    try:
        decode_signal_id(message.awakeable_id)
    except ValueError as error:
        if not is_old_awakeable_id(message.awakeable_id):
            raise PreconditionError(BAD_MESSAGE, str(error)) from error
    _require(message.WhichOneof("result") is not None, "a CompleteAwakeable without a result")
    return message


def _read_attach(raw: bytes) -> Message:
    return _require_target(pb.AttachInvocationCommand.FromString(raw))


def _read_get_output(raw: bytes) -> Message:
    return _require_target(pb.GetInvocationOutputCommand.FromString(raw))


def _require_target(message: Any) -> Message:
    target = message.WhichOneof("target")
    _require(target is not None, "no target is named")
    if target == "invocation_id":
        _require_id(message.invocation_id, BAD_ENTRY)
    elif getattr(message, target).HasField("scope"):
        require_scope(getattr(message, target).scope)
    assert isinstance(message, Message)
    return message


#: What it read, if it made an object of it.
Reader = Callable[[bytes], Message | None]

_CHECKED: dict[MessageType, Reader] = {
    MessageType.OUTPUT: _read_output,
    MessageType.SET_STATE: _read_set_state,
    MessageType.COMPLETE_PROMISE: _read_complete_promise,
    MessageType.SEND_SIGNAL: _read_send_signal,
    MessageType.COMPLETE_AWAKEABLE: _read_complete_awakeable,
    MessageType.ATTACH_INVOCATION: _read_attach,
    MessageType.GET_INVOCATION_OUTPUT: _read_get_output,
}


def _readers(*tables: _Table) -> dict[int, Reader]:
    # A message is read before it goes to the log: bytes that are no protobuf would stop every replica.
    return {
        int(message_type): _CHECKED.get(message_type, message.FromString)
        for table in tables
        for message_type, message in table.items()
    }


_PLAIN: dict[HandlerKind, dict[int, Reader]] = {
    HandlerKind.SERVICE: _readers(_ANYWHERE),
    HandlerKind.OBJECT_EXCLUSIVE: _readers(_ANYWHERE, _STATE_READS, _STATE_WRITES),
    HandlerKind.OBJECT_SHARED: _readers(_ANYWHERE, _STATE_READS),
    HandlerKind.WORKFLOW_RUN: _readers(_ANYWHERE, _STATE_READS, _STATE_WRITES, _PROMISES),
    HandlerKind.WORKFLOW_SHARED: _readers(_ANYWHERE, _STATE_READS, _PROMISES),
}


def plain_commands(kind: HandlerKind) -> dict[int, Reader]:
    """The commands that a handler of this kind may send and the machine reads itself, each with what checks it:
    the reader raises DecodeError or PreconditionError."""
    return _PLAIN[kind]


def refusal(kind: HandlerKind, message_type: int) -> PreconditionError | None:
    """Why a handler of this kind may not send this command; None for a message that no SDK sends at all."""
    if message_type in _PROMISES:
        return PreconditionError(BAD_ENTRY, f"{command_name(message_type)}: promises belong to workflows only")
    if message_type in _STATE_WRITES and kind != HandlerKind.SERVICE:
        return PreconditionError(BAD_ENTRY, f"{command_name(message_type)}: a shared handler cannot write state")
    if message_type in _STATE_READS or message_type in _STATE_WRITES:
        return PreconditionError(BAD_ENTRY, f"{command_name(message_type)}: a service without keys has no state")
    return None
