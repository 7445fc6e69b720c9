"""What one may say to a partition worker and what it answers. Pure: no I/O.

Each request names its partition. A worker that does not lead it answers `Moved`: look the partition
up again and retry. Every request may be repeated: invocations are found again by their id.
"""

from __future__ import annotations

import msgspec

from shared.wal.commands import Invoke, OutboxMessage, PatchState, Result, Target, TerminateMode
from shared.wal.futures import Future

__all__ = [
    "KEEP",
    "LARGE_BYTES",
    "LATEST",
    "REPLAYS",
    "AttachRequest",
    "AwakeableReply",
    "AwakeableRequest",
    "CheckpointReply",
    "CheckpointRequest",
    "DeliverReply",
    "DeliverRequest",
    "InvocationState",
    "InvocationStatesReply",
    "InvocationStatesRequest",
    "InvokeReply",
    "InvokeRequest",
    "Moved",
    "PartitionReply",
    "PartitionRequest",
    "PartitionStatus",
    "PatchStateReply",
    "PatchStateRequest",
    "PauseRequest",
    "RestartRequest",
    "ResultReply",
    "ResumeRequest",
    "TerminateReply",
    "TerminateRequest",
    "WorkerStatusReply",
    "WorkerStatusRequest",
]


#: Choices of a deployment beside an id: where it is pinned, and that of new invocations.
KEEP = "keep"
LATEST = "latest"
#: A partition that cannot serve yet says so, in /health too.
REPLAYS = "replays"


#: Inputs and results over this go to a worker by a connection of their own.
LARGE_BYTES = 64 * 1024


class _Message(msgspec.Struct, array_like=True):
    """Positional on the wire: fields are only ever added, at the end, with a default."""


class InvokeRequest(_Message, tag=1):
    """Start (or find) an invocation. `wait`: answered by `ResultReply` at its end, else by `InvokeReply` at once."""

    request_id: int
    partition_id: int
    invoke: Invoke
    wait: bool


class AttachRequest(_Message, tag=2):
    """The result of an invocation: `wait` for it, or only if it is there (then code 470 when it is not)."""

    request_id: int
    partition_id: int
    invocation_id: bytes
    wait: bool


class AwakeableRequest(_Message, tag=3):
    """Complete an awakeable. Answered by `AwakeableReply` once stored."""

    request_id: int
    partition_id: int
    invocation_id: bytes
    signal: int
    result: Result


class DeliverRequest(_Message, tag=4):
    """(sequence, message) of another partition's outbox. See `wal.commands.Deliver`."""

    request_id: int
    partition_id: int
    sender: int
    messages: list[tuple[int, OutboxMessage]]


class TerminateRequest(_Message, tag=5):
    """Cancel, kill or purge an invocation, or purge its journal."""

    request_id: int
    partition_id: int
    invocation_id: bytes
    mode: TerminateMode


class InvocationStatesRequest(_Message, tag=6):
    """The volatile invoker state of every invocation this worker is running or retrying."""

    request_id: int


class WorkerStatusRequest(_Message, tag=7):
    """How each partition of this worker stands."""

    request_id: int


class ForgetRequest(_Message, tag=8):
    """The client no longer waits for `request_id` of this connection (its own client went away)."""

    request_id: int
    partition_id: int


class PauseRequest(_Message, tag=9):
    """Stop an invocation where it is. Answered by `TerminateReply`."""

    request_id: int
    partition_id: int
    invocation_id: bytes


class ResumeRequest(_Message, tag=10):
    """Let a paused or suspended invocation go on, or one that backs off retry. Answered by `TerminateReply`.

    `deployment`: `KEEP`, `LATEST` or an id.
    """

    request_id: int
    partition_id: int
    invocation_id: bytes
    deployment: str = KEEP


class RestartRequest(_Message, tag=11):
    """Do a completed invocation again under `new_id`, with its journal up to `from_index` (included).

    Answered by `TerminateReply`. A request that is repeated with the same new id finds what it made.
    """

    request_id: int
    partition_id: int
    invocation_id: bytes
    new_id: bytes
    from_index: int = 0
    deployment: str = LATEST


class CheckpointRequest(_Message, tag=12):
    """Make a checkpoint of all that is applied by now, and keep it. Answered by `CheckpointReply` when it is made."""

    request_id: int
    partition_id: int


class PatchStateRequest(_Message, tag=13):
    """Replace the state of an object or workflow. Answered by `PatchStateReply` once it is stored that it is to be.

    A request that is sent again with the same `patch.uid` changes nothing more.
    """

    request_id: int
    partition_id: int
    patch: PatchState


PartitionRequest = (
    InvokeRequest
    | AttachRequest
    | AwakeableRequest
    | DeliverRequest
    | TerminateRequest
    | InvocationStatesRequest
    | WorkerStatusRequest
    | ForgetRequest
    | PauseRequest
    | ResumeRequest
    | RestartRequest
    | CheckpointRequest
    | PatchStateRequest
)


class ResultReply(_Message, tag=65):
    """The end of an invocation. `expires_at_ms` is not 0 when it had ended before the request.

    `found` False: there is no such invocation (attach and output only).
    `ready` False: it has not ended (output only).
    """

    request_id: int
    result: Result | None
    expires_at_ms: int = 0
    found: bool = True
    ready: bool = True
    #: What was invoked: the ingress takes the answer's content type from it. None where there is no result.
    target: Target | None = None


class InvokeReply(_Message, tag=66):
    """Stored. `created` False: an invocation of this id was there before. `start_at_ms` not 0: scheduled."""

    request_id: int
    created: bool
    start_at_ms: int = 0


class AwakeableReply(_Message, tag=67):
    """Stored; also when the invocation is unknown or was woken before."""

    request_id: int


class DeliverReply(_Message, tag=68):
    """All messages are stored up to this sequence."""

    request_id: int
    upto_seq: int


class TerminateReply(_Message, tag=69):
    """How the request of an operator went. `outcome`:

    `done`, `appended` (a cancel signal), `pausing` (it ran), `paused`; or refused, and nothing changed: `not_found`,
    `completed`, `not_completed`, `not_running` (pause), `not_begun` (resume, restart), and of the deployment
    `deployment_unknown`, `deployment_fixed` (it runs, or is not pinned), `incompatible` (another protocol version);
    of a restart `unsupported` (workflows), `input_gone`, `bad_prefix` (too long, or completions are missing).
    """

    request_id: int
    outcome: str


class InvocationState(_Message):
    """Volatile state of one invocation; columns of sys_invocation_state."""

    id: bytes
    in_flight: bool
    retry_count: int
    last_start_at_ms: int
    last_attempt_deployment_id: str | None
    last_attempt_server: str | None
    next_retry_at_ms: int
    last_failure: str | None
    last_failure_error_code: str | None
    last_failure_related_command_index: int | None
    last_failure_related_command_name: str | None
    last_failure_related_command_type: str | None
    last_awaiting_on: Future | None = None


class InvocationStatesReply(_Message, tag=70):
    """Some of the states; `more`: another reply to the same request follows."""

    request_id: int
    states: list[InvocationState]
    more: bool = False


class PartitionStatus(_Message):
    """One partition on a worker. `ready`: it leads, and has applied all that was committed before."""

    partition_id: int
    start_key: int
    end_key: int
    ready: bool
    epoch: int
    applied_lsn: int
    durable_lsn: int
    tail_lsn: int
    inflight: int
    #: How much of the log is applied that was there when the worker began to replay it; 100: all. Since 0.4.
    replayed_percent: int = 100
    #: Seconds that the rest of the replay takes; -1: not known. Since 0.4.
    replay_left_s: float = 0.0

    @property
    def replay(self) -> str:
        """`replays, 42 %, 12 s left`; empty when it does not."""
        if self.replayed_percent >= 100:
            return ""
        left = f", {self.replay_left_s:.0f} s left" if self.replay_left_s >= 0 else ""
        return f"{REPLAYS}, {self.replayed_percent} %{left}"


class WorkerStatusReply(_Message, tag=71):
    """`troubles`: why some of its partitions cannot be opened now; `damaged`: which cannot go on at all, and why."""

    request_id: int
    partitions: list[PartitionStatus]
    pid: int = 0
    troubles: list[str] = []
    damaged: list[tuple[int, str]] = []


class Moved(_Message, tag=72):
    """This worker does not lead the partition now. Nothing was done, or it will be found by its id on the retry."""

    request_id: int
    message: str


class CheckpointReply(_Message, tag=73):
    """A checkpoint was made. `applied_lsn` 0: none is kept, for the reason `complaint`; it was flushed all the same.

    `durable_lsn`: nothing up to it needs the log any more; `trimmed_lsn`: what the log begins behind;
    `size`: bytes of the kept one's files, most of them shared with the store; `took_ms`: from the request on.
    """

    request_id: int
    partition_id: int
    applied_lsn: int
    durable_lsn: int
    trimmed_lsn: int
    size: int
    took_ms: int
    complaint: str = ""


class PatchStateReply(_Message, tag=74):
    """Stored: the state is changed, or will be when the object's turn comes to it, if the version is right then."""

    request_id: int


PartitionReply = (
    ResultReply
    | InvokeReply
    | AwakeableReply
    | DeliverReply
    | TerminateReply
    | InvocationStatesReply
    | WorkerStatusReply
    | Moved
    | CheckpointReply
    | PatchStateReply
)
