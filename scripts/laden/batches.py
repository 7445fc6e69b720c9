"""Commands that make invocations of `scripts.burden.service` and bring each to where it is to stand. Pure: no I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from shared.ids import idempotent_partition_key, idempotent_uuid, key_partition_key
from shared.protocol import service_pb2 as pb
from shared.protocol.input import encode_input
from shared.protocol.message_types import MessageType as T
from shared.wal.commands import (
    Effect,
    End,
    Entry,
    HandlerKind,
    Invoke,
    InvokerEffects,
    Pin,
    Suspend,
    Target,
)

__all__ = ["SIGNAL", "Load", "Made", "made", "old_key"]

#: What `Burden/wait` waits for.
SIGNAL = 17
_WEEK_MS = 7 * 24 * 3600 * 1000
_PROTOCOL = 5
_STATE_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Load:
    """How much of each."""

    completed: int = 0
    suspended: int = 0
    #: Suspended too, until `due_ms`.
    sleeping: int = 0
    due_ms: int = 0
    #: Objects with 100 KB each.
    objects: int = 0


class Made(NamedTuple):
    """One invocation: the command that makes it, and what its attempt reports."""

    partition_key: int
    invoke: Invoke
    effects: list[Effect]

    def report(self, invoked_lsn: int) -> InvokerEffects:
        """`invoked_lsn`: of the batch with `invoke`, which decides the generation."""
        return InvokerEffects(self.invoke.id, invoked_lsn + 1, self.effects)


def old_key(number: int) -> str:
    """The idempotency key of a completed invocation of `Burden/echo`."""
    return f"old-{number}"


def made(load: Load, deployment_id: str) -> Iterator[Made]:
    """All of them, a kind after the other. Values of state do not compress."""
    pin = Pin(deployment_id, _PROTOCOL)
    output = pb.OutputCommand(value=pb.Value(content=b"{}")).SerializeToString()
    over: list[Effect] = [pin, Entry(T.OUTPUT, output), End()]
    for number in range(load.objects):
        yield _object(number, pin, output)
    for number in range(load.completed):
        yield _plain("echo", old_key(number), b"{}", over)
    asleep: list[Effect] = [pin, Suspend([], [SIGNAL], [], 1)]
    for number in range(load.suspended):
        yield _plain("wait", f"asleep-{number}", b"{}", asleep)
    argument = json.dumps({"until_ms": load.due_ms}).encode()
    sleep = pb.SleepCommand(wake_up_time=load.due_ms, result_completion_id=1).SerializeToString()
    napping: list[Effect] = [pin, Entry(T.SLEEP, sleep), Suspend([1], [], [], 1)]
    for number in range(load.sleeping):
        yield _plain("nap", f"nap-{number}", argument, napping)


def _plain(handler: str, key: str, argument: bytes, effects: list[Effect]) -> Made:
    partition_key = idempotent_partition_key("Burden", key)
    invoke = Invoke(
        partition_key.to_bytes(8, "big") + idempotent_uuid("Burden", None, handler, key),
        Target("Burden", handler, None, HandlerKind.SERVICE),
        encode_input((), argument),
        idempotency_key=key,
        completion_retention_ms=_WEEK_MS,
        journal_retention_ms=_WEEK_MS,
    )
    return Made(partition_key, invoke, effects)


def _object(number: int, pin: Pin, output: bytes) -> Made:
    key = f"object-{number}"
    partition_key = key_partition_key(key)
    invoke = Invoke(
        partition_key.to_bytes(8, "big") + idempotent_uuid("Store", key, "fill", key),
        Target("Store", "fill", key, HandlerKind.OBJECT_EXCLUSIVE),
        encode_input((), b"{}"),
        idempotency_key=key,
        completion_retention_ms=_WEEK_MS,
    )
    value = _noise(number, _STATE_BYTES)
    raw = pb.SetStateCommand(key=b"00000000", value=pb.Value(content=value)).SerializeToString()
    return Made(partition_key, invoke, [pin, Entry(T.SET_STATE, raw), Entry(T.OUTPUT, output), End()])


def _noise(seed: int, size: int) -> bytes:
    return hashlib.shake_128(seed.to_bytes(8, "big")).digest(size)
