"""Which journal command is stored and done by whom. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable

from partitiond.machine.context import Context
from partitiond.machine.entries import attach, output, promise, run, send_signal, sleep, state
from shared.protocol.message_types import MessageType
from shared.storage.values import InvocationRow

__all__ = ["ENTRY_HANDLERS"]

#: Stores the entry and does what it asks for; returns its index among the commands.
EntryHandler = Callable[[Context, bytes, InvocationRow, bytes], int]

#: Every command but Input (made by the runtime) and the calls (resolved by the invoker: entries.call).
ENTRY_HANDLERS: dict[int, EntryHandler] = {
    MessageType.OUTPUT: output.on_output,
    MessageType.GET_LAZY_STATE: state.on_get_lazy_state,
    MessageType.SET_STATE: state.on_set_state,
    MessageType.CLEAR_STATE: state.on_clear_state,
    MessageType.CLEAR_ALL_STATE: state.on_clear_all_state,
    MessageType.GET_LAZY_STATE_KEYS: state.on_get_lazy_state_keys,
    MessageType.GET_EAGER_STATE: state.on_get_eager_state,
    MessageType.GET_EAGER_STATE_KEYS: state.on_get_eager_state_keys,
    MessageType.GET_PROMISE: promise.on_get_promise,
    MessageType.PEEK_PROMISE: promise.on_peek_promise,
    MessageType.COMPLETE_PROMISE: promise.on_complete_promise,
    MessageType.SLEEP: sleep.on_sleep,
    MessageType.SEND_SIGNAL: send_signal.on_send_signal,
    MessageType.COMPLETE_AWAKEABLE: send_signal.on_complete_awakeable_entry,
    MessageType.RUN: run.on_run,
    MessageType.ATTACH_INVOCATION: attach.on_attach_invocation,
    MessageType.GET_INVOCATION_OUTPUT: attach.on_get_invocation_output,
}
