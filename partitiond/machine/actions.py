"""Every action that the machine asks for. Pure: no I/O.

Actions are carried out by the leader only, after their batch's writes are in the store and never before.
None is needed for safety: a new leader finds all that is due in the store.
"""

from __future__ import annotations

import msgspec

from shared.storage.values import InvocationRow, LargePart, OutboxRow
from shared.wal.commands import Result, Target

__all__ = [
    "AbortAttempt",
    "AckCommand",
    "AckRun",
    "Action",
    "ForwardNotification",
    "InvocationEnded",
    "InvocationStored",
    "RegisterTimer",
    "RetryNow",
    "RunRefused",
    "SendOutbox",
    "StartInvocation",
    "SuspensionRefused",
    "TerminateOutcome",
]


class StartInvocation(msgspec.Struct, gc=False):
    """Begin an attempt of this invocation, with `row.generation`."""

    id: bytes
    row: InvocationRow
    #: Its Input message, if it was just stored.
    input: bytes | None = None


class ForwardNotification(msgspec.Struct, gc=False):
    """A notification was stored as entry `index`: tell the running attempt. `large`: what `raw` is without."""

    id: bytes
    generation: int
    entry_type: int
    raw: bytes
    index: int
    large: LargePart | None = None


class AckCommand(msgspec.Struct, gc=False):
    """A command whose sender asked for an acknowledgement was stored."""

    id: bytes
    generation: int
    command_index: int


class AckRun(msgspec.Struct, gc=False):
    """The result of a `run` whose proposal asked for an acknowledgement was stored: tell the running attempt, in
    order with the notifications."""

    id: bytes
    generation: int
    completion_id: int


class AbortAttempt(msgspec.Struct, gc=False):
    """Whatever attempt of this generation or an older one runs or waits for a retry: end it."""

    id: bytes
    generation: int


class SuspensionRefused(msgspec.Struct, gc=False):
    """The attempt suspended on results of its own runs that only a further attempt can bring: count it as failed."""

    id: bytes
    generation: int
    completions: list[int]


class RetryNow(msgspec.Struct, gc=False):
    """If this generation waits for its next attempt, begin it without further delay."""

    id: bytes
    generation: int


class RegisterTimer(msgspec.Struct, gc=False):
    """A timer row was stored; it is due at this time."""

    fire_at_ms: int


class SendOutbox(msgspec.Struct, gc=False):
    """A message for another partition was stored under `seq`."""

    seq: int
    row: OutboxRow


class InvocationStored(msgspec.Struct, gc=False):
    """Answer the request of this uid if it asked for storage only. `created` False: another request had made it."""

    id: bytes
    request_uid: bytes
    created: bool
    start_at_ms: int


class InvocationEnded(msgspec.Struct, gc=False):
    """Answer those who wait for the result. `expires_at_ms` is 0 unless it had ended before the command came."""

    id: bytes
    target: Target
    result: Result
    expires_at_ms: int


class RunRefused(msgspec.Struct, gc=False):
    """A second run of a workflow: answer the request of this uid with 409."""

    id: bytes
    request_uid: bytes


class TerminateOutcome(msgspec.Struct, gc=False):
    """Answer a command of an operator; outcomes as in `api.partition.TerminateReply`."""

    request: int
    outcome: str


Action = (
    StartInvocation
    | ForwardNotification
    | AckCommand
    | AckRun
    | AbortAttempt
    | SuspensionRefused
    | RetryNow
    | RegisterTimer
    | SendOutbox
    | InvocationStored
    | InvocationEnded
    | RunRefused
    | TerminateOutcome
)
