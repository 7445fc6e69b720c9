"""Bytes that are made by hand are those that protobuf makes."""

from __future__ import annotations

import pytest

from partitiond.machine.messages import notification_raw
from shared.protocol import service_pb2 as pb
from shared.wal.commands import Failure, Result


@pytest.mark.parametrize("completion_id", [0, 1, 127, 128, 300, (1 << 32) - 1])
@pytest.mark.parametrize("size", [None, -1, 0, 1, 120, 126, 127, 20_000])
def test_a_notification_is_as_protobuf_writes_it(completion_id: int, size: int | None) -> None:
    result: Result | None = None if size is None else Failure(500, "no") if size < 0 else b"x" * size
    wanted = pb.Notification(completion_id=completion_id)
    if result is None:
        wanted.void.SetInParent()
    elif isinstance(result, bytes):
        wanted.value.CopyFrom(pb.Value(content=result))
    else:
        wanted.failure.CopyFrom(pb.Failure(code=result.code, message=result.message))
    assert notification_raw(completion_id, result) == wanted.SerializeToString()
