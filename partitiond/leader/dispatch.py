"""Action type -> performer, exhaustive. The machine has decided; nothing is decided here."""

from __future__ import annotations

from partitiond.leader.leader import Leader
from partitiond.machine.actions import (
    AbortAttempt,
    AckCommand,
    AckRun,
    Action,
    ForwardNotification,
    InvocationEnded,
    InvocationStored,
    RegisterTimer,
    RetryNow,
    RunRefused,
    SendOutbox,
    StartInvocation,
    SuspensionRefused,
    TerminateOutcome,
)
from partitiond.machine.messages import WORKFLOW_INVOKED
from shared.api.partition import TerminateReply

__all__ = ["carry_out"]


def carry_out(leader: Leader, actions: list[Action]) -> None:
    """Perform actions whose writes are stored. Called only while leading."""
    for action in actions:
        _carry_out(leader, action)
    # Services begin with it while the rest of this turn is done, which may be the next commit.
    leader.invoker.write_now()


def _forward(leader: Leader, action: ForwardNotification) -> None:
    raw = action.raw if action.large is None else leader.read_whole(action.id, action.raw, action.large)
    # None: a later batch of the same commit has ended the invocation, and with it its attempt.
    if raw is not None:
        leader.invoker.notify(leader, action.id, action.generation, action.index, action.entry_type, raw)


def _carry_out(leader: Leader, action: Action) -> None:
    match action:
        case StartInvocation():
            # A later batch of the same commit may have ended it already.
            if action.row.may_run:
                leader.invoker.start(leader, action.id, action.row, action.input)
        case InvocationEnded():
            leader.replies.ended(action.id, action.target, action.result, action.expires_at_ms)
        case InvocationStored():
            leader.replies.stored(action.id, action.request_uid, created=action.created, start_at_ms=action.start_at_ms)
        case ForwardNotification():
            _forward(leader, action)
        case AckCommand():
            leader.invoker.ack(leader, action.id, action.generation, action.command_index)
        case AckRun():
            leader.invoker.ack_run(leader, action.id, action.generation, action.completion_id)
        case SendOutbox():
            leader.outbox.send(action.seq, action.row)
        case RegisterTimer():
            leader.timers.registered(action.fire_at_ms)
        case AbortAttempt():
            leader.invoker.abort(leader, action.id, action.generation)
        case SuspensionRefused():
            leader.invoker.refuse_suspension(leader, action.id, action.generation, action.completions)
        case RetryNow():
            leader.invoker.retry_now(leader, action.id, action.generation)
        case RunRefused():
            leader.replies.refused(action.id, action.request_uid, WORKFLOW_INVOKED)
        case TerminateOutcome():
            outcome = action.outcome
            leader.answers.answer(action.request, lambda request_id: TerminateReply(request_id, outcome))
