"""Actions in words. Pure: no I/O."""

from __future__ import annotations

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
from shared.wal.plain import id_text
from sqld.tables.command_words import message_words, numbers, result_words

__all__ = ["action_words"]


def action_words(action: Action) -> str:
    """What the leader is asked to do."""
    match action:
        case StartInvocation():
            return f"StartInvocation {id_text(action.id)} (generation {action.row.generation})"
        case ForwardNotification():
            return f"ForwardNotification entry {action.index} to {id_text(action.id)}"
        case AckCommand():
            return f"AckCommand {action.command_index} to {id_text(action.id)}"
        case AckRun():
            return f"AckRun {action.completion_id} to {id_text(action.id)}"
        case AbortAttempt():
            return f"AbortAttempt of {id_text(action.id)} up to generation {action.generation}"
        case SuspensionRefused():
            return f"SuspensionRefused of {id_text(action.id)}: its own runs {numbers(action.completions)} are open"
        case RetryNow():
            return f"RetryNow {id_text(action.id)}"
        case RegisterTimer():
            return f"RegisterTimer at {action.fire_at_ms}"
        case SendOutbox():
            return f"SendOutbox {action.seq}: {message_words(action.row.message)}"
        case InvocationStored():
            return f"InvocationStored {id_text(action.id)}" + ("" if action.created else " (it was there)")
        case InvocationEnded():
            return f"InvocationEnded {id_text(action.id)} {result_words(action.result)}"
        case RunRefused():
            return f"RunRefused {id_text(action.id)}: a second run of a workflow"
        case TerminateOutcome():
            return f"TerminateOutcome {action.outcome}"
