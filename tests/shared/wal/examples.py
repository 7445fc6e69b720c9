"""One batch of each command, with every field set, and what each may carry."""

from __future__ import annotations

import msgspec

from shared.protocol.message_types import MessageType
from shared.storage.packing import Packing
from shared.wal.batch import Batch
from shared.wal.commands import (
    AnnounceLeader,
    AskIds,
    AttachMessage,
    CallEntry,
    Caller,
    CleanUp,
    Command,
    CompleteAwakeable,
    CompletionMessage,
    Deliver,
    DeploymentChoice,
    End,
    Entry,
    Failed,
    Failure,
    FailureDetail,
    FireTimers,
    GiveUp,
    HandlerKind,
    Invoke,
    InvokeMessage,
    InvokerEffects,
    KillMessage,
    PatchState,
    Pause,
    PauseInvocation,
    Pin,
    RestartAsNew,
    ResumeInvocation,
    RunCompletion,
    SetPackedState,
    SetRules,
    SignalMessage,
    Suspend,
    SuspendOn,
    Target,
    Terminate,
    TerminateMode,
    TruncateOutbox,
    Yield,
)
from shared.wal.futures import Combinator, Future, FutureNode

__all__ = [
    "BATCHES",
    "CALLER_ID",
    "COUNTER",
    "DETAIL",
    "FAILURE",
    "FUTURE",
    "GREETER",
    "ID",
    "INVOKE",
    "SCOPED",
    "T0",
    "UID",
]

T0 = 1_700_000_000_000
ID = bytes(range(24))
#: Of a change of state.
UID = T0.to_bytes(8, "big") + bytes(range(8))
CALLER_ID = bytes(range(100, 124))
GREETER = Target("Greeter", "greet", None, HandlerKind.SERVICE)
COUNTER = Target("Counter", "add", "c1", HandlerKind.OBJECT_EXCLUSIVE)
SCOPED = Target("Greeter", "greet", None, HandlerKind.SERVICE, "tenant-1")
FAILURE = Failure(418, "teapot", [("k", "v")])
INVOKE = Invoke(
    ID,
    COUNTER,
    b"\x72\x03\x0a\x011",
    idempotency_key="key",
    start_at_ms=T0 + 1,
    completion_retention_ms=86_400_000,
    journal_retention_ms=3_600_000,
    caller=Caller(CALLER_ID, 2, GREETER, 77),
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    request_uid=b"u" * 16,
)
DETAIL = FailureDetail(500, "boom", "RT0007", "at line 1", 3, "step", "run")
CHOICE = DeploymentChoice("dp_1two", 5, 7)
FUTURE = Future(
    [
        FutureNode(0, Combinator.ALL_COMPLETED, [1, -18, "named"]),
        FutureNode(0, Combinator.FIRST_SUCCEEDED_OR_ALL_FAILED, [2]),
    ]
)
_SMALL = Invoke(ID, GREETER, b"")

_COMMANDS: dict[str, list[Command]] = {
    "announce": [AnnounceLeader(b"uid-of-16-bytes.", "node-1", 0, (1 << 64) - 1)],
    "invoke": [INVOKE],
    "invoke-defaults": [_SMALL],
    "effects-pin-output-end": [
        InvokerEffects(ID, 3, [Pin("dp_1one", 6), Entry(MessageType.OUTPUT, b"raw", True), End()])
    ],
    "effects-call": [InvokerEffects(ID, 3, [CallEntry(MessageType.CALL, b"raw", INVOKE, 1, True)])],
    "effects-run": [InvokerEffects(ID, 3, [RunCompletion(4, b"done"), RunCompletion(5, FAILURE)])],
    "effects-suspend": [InvokerEffects(ID, 3, [Suspend([1, 2], [1, 17], ["named"])])],
    "effects-give-up": [InvokerEffects(ID, 3, [GiveUp(FAILURE)])],
    "effects-pause": [InvokerEffects(ID, 3, [Pause(Failure(500, "broken"))])],
    "fire-timers": [FireTimers(T0)],
    "fire-some-timers": [FireTimers(T0, 256)],
    "deliver": [
        Deliver(
            2,
            [
                (7, InvokeMessage(INVOKE)),
                (8, CompletionMessage(ID, 2, MessageType.CALL_COMPLETION, b"v", 77)),
                (9, CompletionMessage(ID, 2, MessageType.CALL_COMPLETION, None)),
                (10, SignalMessage(ID, 17, FAILURE)),
                (11, SignalMessage(ID, "named", None)),
                (12, AttachMessage(ID, CALLER_ID, 5, True, 77)),
                (13, KillMessage(ID)),
            ],
        )
    ],
    "truncate-outbox": [TruncateOutbox([1, 2, 1 << 40])],
    "complete-awakeable": [CompleteAwakeable(ID, 17, b"v"), CompleteAwakeable(ID, 18, FAILURE)],
    "terminate": [Terminate(ID, mode, 9) for mode in (TerminateMode.CANCEL, TerminateMode.KILL, TerminateMode.PURGE)],
    "clean-up": [CleanUp([ID, CALLER_ID])],
    # Since 0.2.
    "effects-run-ack": [InvokerEffects(ID, 3, [RunCompletion(4, b"done", True)])],
    "effects-suspend-on": [InvokerEffects(ID, 3, [SuspendOn(FUTURE)])],
    "effects-failed": [InvokerEffects(ID, 3, [Failed(DETAIL), Failed(FailureDetail(500, "", ""))])],
    "effects-pause-detail": [InvokerEffects(ID, 3, [Pause(FAILURE, DETAIL)])],
    "terminate-journal": [Terminate(ID, TerminateMode.PURGE_JOURNAL, 9)],
    "pause-invocation": [PauseInvocation(ID, 9, DETAIL), PauseInvocation(ID)],
    "resume-invocation": [ResumeInvocation(ID, 9, CHOICE), ResumeInvocation(ID)],
    "restart-as-new": [RestartAsNew(ID, CALLER_ID, 9, 3, CHOICE, True), RestartAsNew(ID, CALLER_ID)],
    # Since 0.3.
    "invoke-traced": [msgspec.structs.replace(INVOKE, tracestate="a=1,b=2")],
    "invoke-scoped": [msgspec.structs.replace(_SMALL, target=SCOPED, limit_key="gold/eu")],
    "effects-suspend-known": [
        InvokerEffects(ID, 3, [Suspend([1, 2], [1, 17], ["named"], 5)]),
        InvokerEffects(ID, 3, [SuspendOn(FUTURE, 5)]),
    ],
    "effects-pause-known": [InvokerEffects(ID, 3, [Pause(FAILURE, DETAIL, 7)])],
    "effects-yield": [InvokerEffects(ID, 3, [Yield(T0)])],
    "set-rules": [SetRules(7, [("*", 10), ("tenant-1/*/eu", None)]), SetRules(8, [])],
    # Since 0.4.
    "effects-call-untold": [
        InvokerEffects(ID, 3, [CallEntry(MessageType.CALL, b"raw", INVOKE, 1, False, True), AskIds()])
    ],
    "effects-packed-state": [
        InvokerEffects(ID, 3, [SetPackedState(b"raw", b"n", 2, 70_000, Packing.ZSTD, b"\x28\xb5\x2f\xfd", True)])
    ],
    "patch-state": [
        PatchState(UID, "Counter", "c1", None, None, [(b"a", b"1"), (b"b", b"")]),
        PatchState(UID, "Counter", "c1", "tenant-1", "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", []),
    ],
    "several": [FireTimers(T0), _SMALL, TruncateOutbox([])],
}

BATCHES: dict[str, Batch] = {
    name: Batch(0, 0, T0, commands) if name == "announce" else Batch(12, 34, T0, commands)
    for name, commands in _COMMANDS.items()
}
