"""Call and one-way call, and when the caller is told whom it called. Pure: no I/O.

Hardly any handler asks for the id of what it calls and waits for, and an SDK looks through all that is awaited for each
notification that it gets: with a thousand calls at once, their ids cost the service more than their results. So of many
calls at once the invoker may mark those whose SDK says what its handler waits for (AwaitingOn, service protocol v7):
the id becomes part of the journal when the handler asks for it. The journal tells the next attempt what this one was
told, in its order.

Rules that always hold: a handler that sleeps, and one of which a run is open, has been told all ids: a suspension
names them, and while a run goes on no SDK says what is awaited. Of one that has ended all ids are in the journal.
"""

from __future__ import annotations

from msgspec.structs import replace

from partitiond.machine.context import Context
from partitiond.machine.entries.completions import completion_ids
from partitiond.machine.journal import append_command, append_notification
from partitiond.machine.messages import invocation_id_raw
from shared.ids import encode_invocation_id
from shared.protocol import service_pb2 as pb
from shared.protocol.input import encode_input
from shared.protocol.message_types import MessageType
from shared.storage import keys, values
from shared.storage.values import InvocationRow
from shared.wal.commands import CallEntry, InvokeMessage

__all__ = ["on_call", "tell_ids"]


def on_call(ctx: Context, invocation_id: bytes, row: InvocationRow, effect: CallEntry) -> int:
    """Send the invocation on its way; tell the caller the callee's id at once, if it is not to ask for it."""
    callee = effect.callee
    command: pb.CallCommand | pb.OneWayCallCommand
    if effect.entry_type == MessageType.CALL:
        command = pb.CallCommand.FromString(effect.raw)
    else:
        command = pb.OneWayCallCommand.FromString(effect.raw)
    callee.input = encode_input(((header.key, header.value) for header in command.headers), command.parameter)
    assert callee.caller is not None
    callee.caller = replace(callee.caller, born_lsn=row.born_lsn)
    untold = effect.untold and effect.entry_type == MessageType.CALL and not row.open_runs
    if untold:
        row.first_untold = row.first_untold or row.journal_length
    elif effect.entry_type == MessageType.CALL:
        tell_ids(ctx, invocation_id, row)
    index = append_command(
        ctx, invocation_id, row, effect.entry_type, effect.raw, callee_id=callee.id, callee_target=callee.target
    )
    if not untold:
        _tell(ctx, invocation_id, row, effect.id_completion_id, callee.id)
    ctx.send(InvokeMessage(callee), callee.id)
    return index


def tell_ids(ctx: Context, invocation_id: bytes, row: InvocationRow) -> None:
    """Append the ids of all callees that the handler was not told."""
    if not row.first_untold:
        return
    callees: dict[int, bytes] = {}
    first, behind = (keys.journal_key(invocation_id, index) for index in (row.first_untold, row.journal_length))
    for _, stored in ctx.txn.scan(first, behind):
        entry = values.decode_journal(stored)
        if entry.entry_type == MessageType.CALL:
            assert entry.callee_id is not None
            id_completion_id, _ = completion_ids(entry.entry_type, entry.raw)
            callees.setdefault(id_completion_id, entry.callee_id)
    row.first_untold = 0
    # In one scan: to look for each of a thousand takes longer than all else.
    lowest, highest = (keys.leaf_key(invocation_id, number) for number in (min(callees), max(callees)))
    results = {key for key, _ in ctx.txn.scan(lowest, highest + b"\0")}
    for id_completion_id, callee_id in callees.items():
        if keys.leaf_key(invocation_id, id_completion_id) not in results:
            _tell(ctx, invocation_id, row, id_completion_id, callee_id, fresh=True)
    ctx.txn.changed(invocation_id)


def _tell(
    ctx: Context,
    invocation_id: bytes,
    row: InvocationRow,
    id_completion_id: int,
    callee_id: bytes,
    *,
    fresh: bool = False,
) -> None:
    raw = invocation_id_raw(id_completion_id, encode_invocation_id(callee_id))
    kind = MessageType.CALL_INVOCATION_ID_COMPLETION
    append_notification(ctx, invocation_id, row, kind, raw, id_completion_id, fresh=fresh)
