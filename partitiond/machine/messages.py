"""Notification and failure bytes of the service protocol, as the machine makes them. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Sequence

from shared.protocol import service_pb2 as pb
from shared.protocol.varint import varint
from shared.wal.commands import Failure, Result

__all__ = [
    "CANCELED",
    "KILLED",
    "NOT_FOUND",
    "PROMISE_COMPLETED",
    "WORKFLOW_INVOKED",
    "failure_from_pb",
    "failure_to_pb",
    "invocation_id_raw",
    "notification_raw",
    "signal_raw",
    "state_keys_raw",
    "value_head",
]

CANCELED = Failure(409, "canceled")
KILLED = Failure(409, "killed")
NOT_FOUND = Failure(404, "not found")
WORKFLOW_INVOKED = Failure(409, "the workflow method was already invoked")
PROMISE_COMPLETED = Failure(409, "promise was already completed")


def failure_to_pb(failure: Failure) -> pb.Failure:
    """Our failure as the protocol's."""
    return pb.Failure(
        code=failure.code,
        message=failure.message,
        metadata=[pb.FailureMetadata(key=key, value=value) for key, value in failure.metadata],
    )


def failure_from_pb(failure: pb.Failure) -> Failure:
    """The protocol's failure as ours."""
    return Failure(failure.code, failure.message, [(item.key, item.value) for item in failure.metadata])


def _fill(notification: pb.Notification, result: Result | None) -> bytes:
    if result is None:
        notification.void.SetInParent()
    elif isinstance(result, bytes):
        notification.value.content = result
        notification.value.SetInParent()
    else:
        notification.failure.CopyFrom(failure_to_pb(result))
    return notification.SerializeToString()


def notification_raw(completion_id: int, result: Result | None) -> bytes:
    """A completion with a value, a failure, or (None) void."""
    # Values by hand, as protobuf would write them, and copied once: each step of a handler has one.
    if isinstance(result, bytes):
        return value_head(completion_id, len(result)) + result
    return _fill(pb.Notification(completion_id=completion_id), result)


def value_head(completion_id: int, size: int) -> bytes:
    """A completion with a value, up to its content of `size` bytes, which ends it."""
    number = varint(completion_id)
    if not size:
        return b"".join((b"\x08", number, b"\x2a\x00"))
    length = varint(size)
    return b"".join((b"\x08", number, b"\x2a", varint(1 + len(length) + size), b"\x0a", length))


def signal_raw(signal: int | str, result: Result | None) -> bytes:
    """A signal by index or by name."""
    if isinstance(signal, str):
        return _fill(pb.Notification(signal_name=signal), result)
    return _fill(pb.Notification(signal_id=signal), result)


def invocation_id_raw(completion_id: int, invocation_id: str) -> bytes:
    """Tells a caller the id of what it called."""
    return pb.Notification(completion_id=completion_id, invocation_id=invocation_id).SerializeToString()


def state_keys_raw(completion_id: int, names: Sequence[bytes]) -> bytes:
    """The names of all state values."""
    return pb.Notification(completion_id=completion_id, state_keys=pb.StateKeys(keys=names)).SerializeToString()
