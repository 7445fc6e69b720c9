"""State commands: get, set, clear, keys; lazy and eager. Pure: no I/O.

Eager reads were answered by the SDK from what the start of the attempt carried: they are only journaled.
"""

from __future__ import annotations

from partitiond.machine.context import Context
from partitiond.machine.journal import append_command, append_notification, complete
from partitiond.machine.large_values import delete_state, large_state, put_packed_state, put_state
from partitiond.machine.messages import state_keys_raw, value_head
from shared.ids import partition_key_of
from shared.protocol import service_pb2 as pb
from shared.protocol.large_values import LARGE_BYTES, split_set_state
from shared.protocol.message_types import MessageType
from shared.storage import keys
from shared.storage.values import InvocationRow, LargePart
from shared.wal.commands import SetPackedState

__all__ = [
    "on_clear_all_state",
    "on_clear_state",
    "on_get_eager_state",
    "on_get_eager_state_keys",
    "on_get_lazy_state",
    "on_get_lazy_state_keys",
    "on_set_packed_state",
    "on_set_state",
]


def _state_prefix(invocation_id: bytes, row: InvocationRow) -> bytes:
    target = row.target
    assert target.key is not None, "the invoker refuses state of unkeyed services"
    return keys.object_prefix(keys.STATE, partition_key_of(invocation_id), target.service, target.key, target.scope)


def on_set_state(ctx: Context, invocation_id: bytes, row: InvocationRow, raw: bytes) -> int:
    parts = split_set_state(raw) if len(raw) > LARGE_BYTES else None
    if parts is None:
        command = pb.SetStateCommand.FromString(raw)
        put_state(ctx.txn, _state_prefix(invocation_id, row) + command.key, command.value.content)
        return append_command(ctx, invocation_id, row, MessageType.SET_STATE, raw)
    key, start, size = parts
    end = start + size
    number = put_state(ctx.txn, _state_prefix(invocation_id, row) + key, raw[start:end])
    if number is None:
        return append_command(ctx, invocation_id, row, MessageType.SET_STATE, raw)
    large = LargePart(number, start, size)
    return append_command(ctx, invocation_id, row, MessageType.SET_STATE, raw[:start] + raw[end:], large=large)


def on_set_packed_state(ctx: Context, invocation_id: bytes, row: InvocationRow, effect: SetPackedState) -> int:
    key = _state_prefix(invocation_id, row) + effect.key
    number = put_packed_state(ctx.txn, key, effect.content, effect.size, effect.packing)
    large = LargePart(number, effect.offset, effect.size, effect.packing)
    return append_command(ctx, invocation_id, row, MessageType.SET_STATE, effect.raw, large=large)


def on_clear_state(ctx: Context, invocation_id: bytes, row: InvocationRow, raw: bytes) -> int:
    command = pb.ClearStateCommand.FromString(raw)
    delete_state(ctx.txn, _state_prefix(invocation_id, row) + command.key)
    return append_command(ctx, invocation_id, row, MessageType.CLEAR_STATE, raw)


def on_clear_all_state(ctx: Context, invocation_id: bytes, row: InvocationRow, raw: bytes) -> int:
    for key in list(ctx.txn.scan_keys(_state_prefix(invocation_id, row))):
        delete_state(ctx.txn, key)
    return append_command(ctx, invocation_id, row, MessageType.CLEAR_ALL_STATE, raw)


def on_get_lazy_state(ctx: Context, invocation_id: bytes, row: InvocationRow, raw: bytes) -> int:
    command = pb.GetLazyStateCommand.FromString(raw)
    index = append_command(ctx, invocation_id, row, MessageType.GET_LAZY_STATE, raw)
    key = _state_prefix(invocation_id, row) + command.key
    value = ctx.txn.get(key)
    stored = None if value is None else large_state(ctx.txn, key, value)
    kind, completion_id = MessageType.GET_LAZY_STATE_COMPLETION, command.result_completion_id
    if stored is None:
        complete(ctx, invocation_id, row, kind, completion_id, value)
    else:
        head = value_head(completion_id, stored.size)
        large = LargePart(stored.number, len(head), stored.size, stored.packing)
        append_notification(ctx, invocation_id, row, kind, head, completion_id, large=large)
    return index


def on_get_lazy_state_keys(ctx: Context, invocation_id: bytes, row: InvocationRow, raw: bytes) -> int:
    command = pb.GetLazyStateKeysCommand.FromString(raw)
    index = append_command(ctx, invocation_id, row, MessageType.GET_LAZY_STATE_KEYS, raw)
    prefix = _state_prefix(invocation_id, row)
    names = [key[len(prefix) :] for key in ctx.txn.scan_keys(prefix)]
    append_notification(
        ctx,
        invocation_id,
        row,
        MessageType.GET_LAZY_STATE_KEYS_COMPLETION,
        state_keys_raw(command.result_completion_id, names),
        command.result_completion_id,
    )
    return index


def on_get_eager_state(ctx: Context, invocation_id: bytes, row: InvocationRow, raw: bytes) -> int:
    return append_command(ctx, invocation_id, row, MessageType.GET_EAGER_STATE, raw)


def on_get_eager_state_keys(ctx: Context, invocation_id: bytes, row: InvocationRow, raw: bytes) -> int:
    return append_command(ctx, invocation_id, row, MessageType.GET_EAGER_STATE_KEYS, raw)
