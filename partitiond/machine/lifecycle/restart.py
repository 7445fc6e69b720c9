"""A completed invocation is done again, from a prefix of its journal. Pure: no I/O.

Rules that always hold:
- the new journal is the old one's entries 0 … `from_index`, then the later completions of the commands in it;
- a prefix with a command whose completion never came is refused: it would come to the old invocation, if at all;
- signals behind the prefix stay behind: whoever sent them meant the old invocation.
"""

from __future__ import annotations

from partitiond.machine.actions import TerminateOutcome
from partitiond.machine.context import Context
from partitiond.machine.entries.completions import completion_ids
from partitiond.machine.large_values import use_in_journal
from partitiond.machine.lifecycle.invoke import begin
from partitiond.machine.lifecycle.resume import refusal_of
from shared.ids import partition_key_of
from shared.protocol.message_types import MessageType, is_command
from shared.storage import keys, values
from shared.storage.values import InvocationRow, JournalRow, Status
from shared.wal.commands import HandlerKind, RestartAsNew

__all__ = ["on_restart_as_new"]

#: Since this version a service is told its random seed. An older one draws it from the id, which is another now, while
#: what the copied entries hold came of the old one's.
_SEEDED = 6
_WORKFLOW = (HandlerKind.WORKFLOW_RUN, HandlerKind.WORKFLOW_SHARED)


def on_restart_as_new(ctx: Context, command: RestartAsNew) -> None:
    """Make the new invocation; asked again under the same new id, find it."""
    assert partition_key_of(command.new_id) == partition_key_of(command.invocation_id), "of the same partition key"
    made = ctx.txn.invocation(command.new_id)
    if made is not None:
        outcome = "done" if made.restarted_from == command.invocation_id else "not_found"
    else:
        outcome = _restart(ctx, command, ctx.txn.invocation(command.invocation_id))
    ctx.act(TerminateOutcome(command.request, outcome))


def _restart(ctx: Context, command: RestartAsNew, old: InvocationRow | None) -> str:
    if old is None:
        return "not_found"
    if old.status in (Status.SCHEDULED, Status.INBOXED):
        return "not_begun"
    if old.status is not Status.COMPLETED:
        return "not_completed"
    if old.journal_length == 0:
        return "input_gone"
    if old.target.kind in _WORKFLOW:
        return "unsupported"
    if command.from_index > 0 and 0 < old.protocol_version < _SEEDED:
        return "old_protocol"
    # With nothing but the input, the newest deployment may speak a newer protocol than the old one did.
    anew = command.from_index == 0 and command.latest
    if command.deployment is not None and not anew:
        refused = refusal_of(old, command.deployment)
        if refused is not None:
            return refused
    indexes = _indexes(ctx, command, old)
    if indexes is None:
        return "bad_prefix"
    row = _new_row(ctx, command, old)
    if not anew and old.deployment_id is not None:
        row.deployment_id = command.deployment.id if command.deployment is not None else old.deployment_id
        row.protocol_version = old.protocol_version
    ctx.txn.put_invocation(command.new_id, row)
    _copy(ctx, command, row, indexes)
    begin(ctx, command.new_id, row)
    return "done"


def _index_of(place: bytes) -> int:
    """The journal index in a NOTIFICATION row; behind it stands a mark if it is a failure."""
    return int.from_bytes(place[:4], "big")


def _entry(ctx: Context, invocation_id: bytes, index: int) -> JournalRow:
    stored = ctx.txn.get(keys.journal_key(invocation_id, index))
    assert stored is not None, f"journal entry {index} of {invocation_id.hex()} is missing"
    return values.decode_journal(stored)


def _indexes(ctx: Context, command: RestartAsNew, old: InvocationRow) -> list[int] | None:
    """The entries to be copied, in order; None: the prefix cannot stand alone."""
    if command.from_index >= old.journal_length:
        return None
    later: list[int] = []
    for index in range(command.from_index + 1):
        entry = _entry(ctx, command.invocation_id, index)
        if not is_command(entry.entry_type):
            continue
        for completion_id in completion_ids(entry.entry_type, entry.raw):
            place = ctx.txn.get(keys.notification_key(command.invocation_id, completion_id, signal=False))
            if place is None:
                return None
            at = _index_of(place)
            if at > command.from_index:
                later.append(at)
    return [*range(command.from_index + 1), *sorted(later)]


def _new_row(ctx: Context, command: RestartAsNew, old: InvocationRow) -> InvocationRow:
    """Nobody waits for it, and no idempotent request finds it."""
    return InvocationRow(
        status=Status.INVOKED,
        target=old.target,
        generation=ctx.lsn,
        journal_length=0,
        command_count=0,
        created_at_ms=ctx.now_ms,
        modified_at_ms=ctx.now_ms,
        completion_retention_ms=old.completion_retention_ms,
        journal_retention_ms=old.journal_retention_ms,
        traceparent=old.traceparent,
        tracestate=old.tracestate,
        born_lsn=ctx.lsn,
        limit_key=old.limit_key,
        restarted_from=command.invocation_id,
        # What the copied entries hold came of the old one's random numbers.
        seed_id=(old.seed_id or command.invocation_id) if command.from_index > 0 else None,
    )


def _copy(ctx: Context, command: RestartAsNew, row: InvocationRow, indexes: list[int]) -> None:
    prefix = keys.NOTIFICATION + command.invocation_id
    notifications = {_index_of(place): (key[len(prefix) :], place) for key, place in ctx.txn.scan_prefix(prefix)}
    for index in indexes:
        entry = _entry(ctx, command.invocation_id, index)
        entry.at_ms = ctx.now_ms
        at = row.journal_length
        if entry.large is not None:
            use_in_journal(ctx.txn, command.new_id, row, entry.large.number)
        ctx.txn.put(keys.journal_key(command.new_id, at), values.encode(entry))
        row.journal_length += 1
        if is_command(entry.entry_type):
            row.command_count += 1
        if entry.entry_type == MessageType.OUTPUT:
            row.output_index = at
        notification = notifications.get(index)
        if notification is not None:
            name, place = notification
            ctx.txn.put(keys.NOTIFICATION + command.new_id + name, at.to_bytes(4, "big") + place[4:])
