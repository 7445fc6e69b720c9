"""The partition machine's inputs, as the log carries them. Pure: no I/O.

Tags are for ever: a retired one stays listed and is never given to something else. Fields are only
added at the end, with a default. Times are milliseconds since the epoch, durations milliseconds.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from shared.wal.futures import Future

__all__ = [
    "AnnounceLeader",
    "AskIds",
    "AttachMessage",
    "CallEntry",
    "Caller",
    "CleanUp",
    "Command",
    "CompleteAwakeable",
    "CompletionMessage",
    "Deliver",
    "DeploymentChoice",
    "Effect",
    "End",
    "Entry",
    "Failed",
    "Failure",
    "FailureDetail",
    "FireTimers",
    "GiveUp",
    "HandlerKind",
    "Invoke",
    "InvokeMessage",
    "InvokerEffects",
    "KillMessage",
    "OutboxMessage",
    "PatchState",
    "Pause",
    "PauseInvocation",
    "Pin",
    "RestartAsNew",
    "Result",
    "ResumeInvocation",
    "RunCompletion",
    "SetPackedState",
    "SetRules",
    "SignalMessage",
    "Suspend",
    "SuspendOn",
    "Target",
    "Terminate",
    "TerminateMode",
    "TruncateOutbox",
    "Yield",
]


class HandlerKind(IntEnum):
    """What kind of handler an invocation runs; stored, so numbers are for ever."""

    SERVICE = 0
    OBJECT_EXCLUSIVE = 1
    OBJECT_SHARED = 2
    WORKFLOW_RUN = 3
    WORKFLOW_SHARED = 4


class Target(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is invoked. Invariant: `key` is not None iff the kind is not SERVICE."""

    service: str
    handler: str
    key: str | None
    kind: HandlerKind
    #: Keeps apart what belongs to different users of one service: state, locks, promises, idempotent requests, and
    #: how many run at once. Since 0.3.
    scope: str | None = None

    def __str__(self) -> str:
        """`Svc/handler` or `Obj/key/handler`."""
        return f"{self.service}/{self.handler}" if self.key is None else f"{self.service}/{self.key}/{self.handler}"

    @property
    def takes_lock(self) -> bool:
        """Exclusive handlers run one at a time for a key."""
        return self.kind == HandlerKind.OBJECT_EXCLUSIVE


class Failure(msgspec.Struct, array_like=True, gc=False):
    """A terminal error: an HTTP-like code, a text, and metadata (service protocol v6, Failure)."""

    code: int
    message: str
    metadata: list[tuple[str, str]] = []


class FailureDetail(msgspec.Struct, array_like=True, gc=False):
    """Why an attempt failed, as journal events keep it. `doc_code` is the RTxxxx code that explains it.

    The related fields name the command that it failed at, if the service told.
    """

    code: int
    message: str
    doc_code: str
    stacktrace: str = ""
    related_index: int | None = None
    related_name: str | None = None
    related_type: str | None = None


#: The outcome of an invocation, a promise or a signal: bytes for success.
Result = bytes | Failure


class Caller(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Which invocation made this one, and which of its completions takes the result (None: one-way)."""

    invocation_id: bytes
    completion_id: int | None
    target: Target
    #: The caller's `InvocationRow.born_lsn`, filled in by the machine.
    born_lsn: int = 0


class Invoke(msgspec.Struct, array_like=True, tag=2):
    """Start an invocation, unless one of this id exists: then the new caller is attached to it.

    Proposed by: the leader for an ingress request; carried inside `CallEntry` and `InvokeMessage`.
    """

    id: bytes
    target: Target
    #: The Input command as the journal begins with it (shared.protocol.input). Empty only within a `CallEntry`,
    #: whose `raw` holds headers and parameter already.
    input: bytes
    #: None: not idempotent. Ingress calls without a key carry a generated one.
    idempotency_key: str | None = None
    #: Start not before this time; 0: at once.
    start_at_ms: int = 0
    #: How long the result (0: not at all) and the journal are kept after the end.
    completion_retention_ms: int = 0
    journal_retention_ms: int = 0
    #: None: the ingress.
    caller: Caller | None = None
    traceparent: str | None = None
    #: Made by the ingress for each request of a client: tells a request that was sent again from another one.
    request_uid: bytes = b""
    #: Levels below `target.scope`, `a` or `a/b`, that are counted too. Invariant: None without a scope. Since 0.3.
    limit_key: str | None = None
    #: Beside a `traceparent` (shared.transport.trace). Since 0.3.
    tracestate: str | None = None


class AnnounceLeader(msgspec.Struct, array_like=True, tag=1):
    """A leader takes over; its epoch is the LSN of this record's batch. Proposed before anything else.

    `uid` tells the proposer that this announcement is its own. The key range (inclusive) is the
    partition's own, taken once, at the first announcement.
    """

    uid: bytes
    node: str
    start_key: int
    end_key: int


class Pin(msgspec.Struct, array_like=True, tag=1):
    """First effect of an unpinned invocation: which deployment and protocol version its journal belongs to."""

    deployment_id: str
    protocol_version: int


class Entry(msgspec.Struct, array_like=True, tag=2):
    """A command of the service protocol that the machine reads itself. `ack`: the SDK asked to be told when stored."""

    entry_type: int
    raw: bytes
    ack: bool = False


class CallEntry(msgspec.Struct, array_like=True, tag=3):
    """A Call (0x040D) or OneWayCall (0x040E) with its target resolved by the invoker from the catalog.

    `callee.caller.completion_id` is the result completion of a Call, None for a one-way call.
    """

    entry_type: int
    raw: bytes
    callee: Invoke
    id_completion_id: int
    ack: bool = False
    #: The caller is told the callee's id only when it asks for it (`AskIds`). Since 0.4.
    untold: bool = False


class RunCompletion(msgspec.Struct, array_like=True, tag=4):
    """The result that the SDK proposed for a `run` (ProposeRunCompletion). `ack`: it wants to be told that it is
    stored, in place of the notification (since v7)."""

    completion_id: int
    result: Result
    ack: bool = False


class Suspend(msgspec.Struct, array_like=True, tag=5):
    """The SDK ended the attempt, waiting for any one of these notifications (service protocol v5/v6, Suspension).

    `known_entries`: entries of the journal that the attempt began with. It has heard the signals in them.
    """

    completions: list[int]
    signals: list[int]
    names: list[str]
    #: Since 0.3.
    known_entries: int = 0


class End(msgspec.Struct, array_like=True, tag=6):
    """The SDK finished: the last Output is the result."""


class GiveUp(msgspec.Struct, array_like=True, tag=7):
    """Retries are exhausted and the policy says kill: end with this failure."""

    failure: Failure


class Pause(msgspec.Struct, array_like=True, tag=8):
    """Retries are exhausted and the policy says pause: keep everything, wait for an operator."""

    failure: Failure
    #: For the journal event. Since 0.2; None in older records.
    detail: FailureDetail | None = None
    #: Entries of the journal that the last attempt began with: a cancel signal behind them was not seen by the
    #: handler from the start. Since 0.3; None in older records.
    known_entries: int | None = None


class SuspendOn(msgspec.Struct, array_like=True, tag=9):
    """The SDK ended the attempt, waiting until this tree is settled (service protocol v7, Suspension).

    `known_entries`: as in `Suspend`.
    """

    future: Future
    #: Since 0.3.
    known_entries: int = 0


class Failed(msgspec.Struct, array_like=True, tag=10):
    """An attempt failed and is retried: kept as a journal event. Reported once for equal failures in a row.

    Since 0.2.
    """

    detail: FailureDetail


class Yield(msgspec.Struct, array_like=True, tag=11):
    """The next attempt is due at this time only: until then the invocation's permit is for others. Only from
    invocations with a scope. Since 0.3."""

    retry_at_ms: int


class AskIds(msgspec.Struct, array_like=True, tag=12):
    """The handler waits for the id of a callee that it was not told, or may do so: it is told all. Since 0.4."""


class SetPackedState(msgspec.Struct, array_like=True, tag=13):
    """A SetState (0x0403) whose value is large and was packed by the invoker. Since 0.4."""

    #: The message without the value's content: `size` bytes that belong at `offset`.
    raw: bytes
    #: Which value of the state.
    key: bytes
    offset: int
    size: int
    #: What `content` is: see `shared.storage.packing`.
    packing: int
    content: bytes
    ack: bool = False


Effect = (
    Pin
    | Entry
    | CallEntry
    | RunCompletion
    | Suspend
    | SuspendOn
    | End
    | GiveUp
    | Pause
    | Failed
    | Yield
    | AskIds
    | SetPackedState
)


class InvokerEffects(msgspec.Struct, array_like=True, tag=3):
    """What one attempt reports, in order. Ignored unless `generation` is that of the running attempt."""

    id: bytes
    generation: int
    effects: list[Effect]


class FireTimers(msgspec.Struct, array_like=True, tag=4):
    """Timers due at or before this time fire, in key order: the first `limit` of them. Proposed by the leader's timer
    service."""

    until_ms: int
    #: 0: all. Since 0.3; absent in older records.
    limit: int = 0


class InvokeMessage(msgspec.Struct, array_like=True, tag=1):
    """Outbox: an invocation for another partition."""

    invoke: Invoke


class CompletionMessage(msgspec.Struct, array_like=True, tag=2):
    """Outbox: a result for the invocation that waits for it. `result` None is the empty result (void).

    `notification_type` is that of the waiting command: Call, AttachInvocation or GetInvocationOutput.
    `born_lsn` is that of the invocation that asked: one of the same id that came after it did not. 0: not known.
    """

    invocation_id: bytes
    completion_id: int
    notification_type: int
    result: Result | None
    born_lsn: int = 0


class SignalMessage(msgspec.Struct, array_like=True, tag=3):
    """Outbox: a signal for an invocation, by index or by name. `result` None is the empty result (void)."""

    invocation_id: bytes
    signal: int | str
    result: Result | None


class AttachMessage(msgspec.Struct, array_like=True, tag=4):
    """Outbox: tell `caller_id` the result of `invocation_id`; `wait` False: only if it is there already."""

    invocation_id: bytes
    caller_id: bytes
    completion_id: int
    wait: bool
    caller_born_lsn: int = 0


class KillMessage(msgspec.Struct, array_like=True, tag=5):
    """Outbox: kill this invocation, for its caller was killed."""

    invocation_id: bytes


OutboxMessage = InvokeMessage | CompletionMessage | SignalMessage | AttachMessage | KillMessage


class Deliver(msgspec.Struct, array_like=True, tag=5):
    """(sequence, message) from another partition's outbox, in order. A sequence seen before is ignored."""

    sender: int
    messages: list[tuple[int, OutboxMessage]]


class TruncateOutbox(msgspec.Struct, array_like=True, tag=6):
    """The messages of these sequences have been stored by their receivers."""

    seqs: list[int]


class CompleteAwakeable(msgspec.Struct, array_like=True, tag=7):
    """An outside caller completes the signal `signal` of an invocation."""

    invocation_id: bytes
    signal: int
    result: Result


class TerminateMode(IntEnum):
    """How an invocation is ended from outside."""

    CANCEL = 0
    KILL = 1
    PURGE = 2
    #: Since 0.2.
    PURGE_JOURNAL = 3


class Terminate(msgspec.Struct, array_like=True, tag=8):
    """Cancel (the handler sees it and may clean up), kill (at once), purge (a completed one is forgotten), or purge
    the journal alone (its result stays).

    `request` is given back in the leader's reply action; it has no other meaning.
    """

    invocation_id: bytes
    mode: TerminateMode
    request: int = 0


class CleanUp(msgspec.Struct, array_like=True, tag=9):
    """Completed invocations whose retention is over at the batch's time are forgotten. Proposed by the cleaner."""

    invocation_ids: list[bytes]


class PauseInvocation(msgspec.Struct, array_like=True, tag=10):
    """An operator stops an invocation where it is, until it is resumed or cancelled. Since 0.2.

    `last_failure`: what the invoker knows of the last attempt, for the journal event. `request`: as in `Terminate`.
    """

    invocation_id: bytes
    request: int = 0
    last_failure: FailureDetail | None = None


class DeploymentChoice(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A deployment that the operator chose, and the protocol versions that it speaks (ends included)."""

    id: str
    min_protocol_version: int
    max_protocol_version: int


class ResumeInvocation(msgspec.Struct, array_like=True, tag=11):
    """An operator lets a paused or suspended invocation go on, or one that backs off retry now. Since 0.2.

    `deployment` None: where it is pinned. `request`: as in `Terminate`.
    """

    invocation_id: bytes
    request: int = 0
    deployment: DeploymentChoice | None = None


class RestartAsNew(msgspec.Struct, array_like=True, tag=12):
    """A completed invocation is done again under `new_id`, of the same partition key. Since 0.2.

    Its journal begins with the entries 0 … `from_index` of the old one. `deployment` None: where the old one is
    pinned; `latest`: the choice is that of new invocations. `request`: as in `Terminate`.
    """

    invocation_id: bytes
    new_id: bytes
    request: int = 0
    from_index: int = 0
    deployment: DeploymentChoice | None = None
    latest: bool = False


class SetRules(msgspec.Struct, array_like=True, tag=13):
    """The rule book as of `version`, instead of the one before; an older one is ignored. Since 0.3.

    Proposed by: the leader, when the catalog has a newer one than the partition. Of 10,000 rules, the most there are,
    it takes 1.2 MB. A rule: its pattern, and how many run at once for each counter that it matches (None: no limit).
    Disabled rules are left out.
    """

    version: int
    rules: list[tuple[str, int | None]]


class PatchState(msgspec.Struct, array_like=True, tag=14):
    """Somebody outside replaces all state of an object or workflow. On an object that is locked it waits in the
    inbox, in order with the calls. Since 0.4.

    `uid` tells a request that was sent again: 8 bytes of time (ms), as the clock of who asks says, and 8 random ones.
    `version`: what the state must be when its turn comes (shared.state_version), else nothing is changed; None: any.
    `state`: by name, each name once.
    """

    uid: bytes
    service: str
    key: str
    scope: str | None
    version: str | None
    state: list[tuple[bytes, bytes]]


Command = (
    AnnounceLeader
    | Invoke
    | InvokerEffects
    | FireTimers
    | Deliver
    | TruncateOutbox
    | CompleteAwakeable
    | Terminate
    | CleanUp
    | PauseInvocation
    | ResumeInvocation
    | RestartAsNew
    | SetRules
    | PatchState
)
