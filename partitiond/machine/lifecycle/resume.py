"""An operator lets an invocation go on. Pure: no I/O."""

from __future__ import annotations

from partitiond.machine.actions import RetryNow, TerminateOutcome
from partitiond.machine.chains import release, resume
from partitiond.machine.context import Context
from shared.storage.values import InvocationRow, Status
from shared.wal.commands import DeploymentChoice, ResumeInvocation

__all__ = ["on_resume_invocation", "refusal_of"]


def on_resume_invocation(ctx: Context, command: ResumeInvocation) -> None:
    """Paused and suspended invocations get a new chain of attempts, on another deployment if one is given. So do those
    whose next attempt is put off; one that waits for a permit goes on waiting."""
    row = ctx.txn.invocation(command.invocation_id)
    ctx.act(TerminateOutcome(command.request, _resume(ctx, command, row)))


def _resume(ctx: Context, command: ResumeInvocation, row: InvocationRow | None) -> str:
    if row is None:
        return "not_found"
    if row.status is Status.COMPLETED:
        return "completed"
    if row.status in (Status.SCHEDULED, Status.INBOXED):
        return "not_begun"
    if command.deployment is not None:
        if row.may_run:
            return "deployment_fixed"
        refused = refusal_of(row, command.deployment)
        if refused is not None:
            return refused
        row.deployment_id = command.deployment.id
        ctx.txn.changed(command.invocation_id)
    if row.retry_at_ms:
        release(ctx, command.invocation_id, row)
        resume(ctx, command.invocation_id, row)
    elif row.status is Status.INVOKED:
        # An attempt that runs is left alone, one that backs off has waited long enough.
        ctx.act(RetryNow(command.invocation_id, row.generation))
    else:
        resume(ctx, command.invocation_id, row)
    return "done"


def refusal_of(row: InvocationRow, choice: DeploymentChoice) -> str | None:
    """Why the journal of `row` cannot go on there: its protocol version was fixed with its first entry."""
    if row.deployment_id is None:
        return "deployment_fixed"
    if not choice.min_protocol_version <= row.protocol_version <= choice.max_protocol_version:
        return "incompatible"
    return None
