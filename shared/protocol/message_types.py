"""Numbers, names and roles of the service protocol's messages. Pure: no I/O.

Source: service protocol v5 to v7. A frame is 8 bytes of header (u16 type, u16 flags, u32 length, big-endian)
and a protobuf message of `service.proto`. Commands are what handlers do, notifications are what comes back.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ACK_FLAG", "MessageType", "command_name", "is_command", "is_notification"]

#: Header flag by which the SDK asks for a CommandAck, and since v7 for a ProposeRunCompletionAck.
ACK_FLAG = 0x8000


class MessageType(IntEnum):
    """All message types, by the words of the protocol."""

    START = 0x0000
    SUSPENSION = 0x0001
    ERROR = 0x0002
    END = 0x0003
    COMMAND_ACK = 0x0004
    PROPOSE_RUN_COMPLETION = 0x0005
    #: Since v7, as is the next: what the handler waits for now, while its attempt goes on.
    AWAITING_ON = 0x0006
    #: In place of the notification, for a proposal whose header asked for it.
    PROPOSE_RUN_COMPLETION_ACK = 0x0007

    INPUT = 0x0400
    OUTPUT = 0x0401
    GET_LAZY_STATE = 0x0402
    SET_STATE = 0x0403
    CLEAR_STATE = 0x0404
    CLEAR_ALL_STATE = 0x0405
    GET_LAZY_STATE_KEYS = 0x0406
    GET_EAGER_STATE = 0x0407
    GET_EAGER_STATE_KEYS = 0x0408
    GET_PROMISE = 0x0409
    PEEK_PROMISE = 0x040A
    COMPLETE_PROMISE = 0x040B
    SLEEP = 0x040C
    CALL = 0x040D
    ONE_WAY_CALL = 0x040E
    SEND_SIGNAL = 0x0410
    RUN = 0x0411
    ATTACH_INVOCATION = 0x0412
    GET_INVOCATION_OUTPUT = 0x0413
    COMPLETE_AWAKEABLE = 0x0414

    GET_LAZY_STATE_COMPLETION = 0x8002
    GET_LAZY_STATE_KEYS_COMPLETION = 0x8006
    GET_PROMISE_COMPLETION = 0x8009
    PEEK_PROMISE_COMPLETION = 0x800A
    COMPLETE_PROMISE_COMPLETION = 0x800B
    SLEEP_COMPLETION = 0x800C
    CALL_COMPLETION = 0x800D
    CALL_INVOCATION_ID_COMPLETION = 0x800E
    RUN_COMPLETION = 0x8011
    ATTACH_INVOCATION_COMPLETION = 0x8012
    GET_INVOCATION_OUTPUT_COMPLETION = 0x8013
    SIGNAL = 0xFBFF


_NAMES = {
    MessageType.INPUT: "Input",
    MessageType.OUTPUT: "Output",
    MessageType.GET_LAZY_STATE: "GetLazyState",
    MessageType.SET_STATE: "SetState",
    MessageType.CLEAR_STATE: "ClearState",
    MessageType.CLEAR_ALL_STATE: "ClearAllState",
    MessageType.GET_LAZY_STATE_KEYS: "GetLazyStateKeys",
    MessageType.GET_EAGER_STATE: "GetEagerState",
    MessageType.GET_EAGER_STATE_KEYS: "GetEagerStateKeys",
    MessageType.GET_PROMISE: "GetPromise",
    MessageType.PEEK_PROMISE: "PeekPromise",
    MessageType.COMPLETE_PROMISE: "CompletePromise",
    MessageType.SLEEP: "Sleep",
    MessageType.CALL: "Call",
    MessageType.ONE_WAY_CALL: "OneWayCall",
    MessageType.SEND_SIGNAL: "SendSignal",
    MessageType.RUN: "Run",
    MessageType.ATTACH_INVOCATION: "AttachInvocation",
    MessageType.GET_INVOCATION_OUTPUT: "GetInvocationOutput",
    MessageType.COMPLETE_AWAKEABLE: "CompleteAwakeable",
    MessageType.CALL_INVOCATION_ID_COMPLETION: "CallInvocationId",
    MessageType.SIGNAL: "Signal",
}


def is_command(message_type: int) -> bool:
    """Commands are 0x0400 to 0x7FFF."""
    return 0x0400 <= message_type < 0x8000


def is_notification(message_type: int) -> bool:
    """Notifications are 0x8000 to 0xFBFF."""
    return 0x8000 <= message_type <= 0xFBFF


def command_name(message_type: int) -> str:
    """The name of a command, or of the command that a notification answers, as SQL shows it."""
    kind = MessageType(message_type)
    if kind in _NAMES:
        return _NAMES[kind]
    return _NAMES[MessageType(message_type - 0x8000 + 0x0400)]
