"""A leading partition for the invoker, in memory: the real machine, a log that is a list. Not for daemons."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from partitiond.machine.actions import (
    AbortAttempt,
    AckCommand,
    AckRun,
    Action,
    ForwardNotification,
    InvocationEnded,
    RegisterTimer,
    RetryNow,
    StartInvocation,
    SuspensionRefused,
)
from partitiond.machine.apply import apply, initial_meta
from partitiond.machine.txn import Txn
from partitiond.store.memory import MemoryStore
from shared.catalog.catalog import Catalog
from shared.clock import SystemClock
from shared.ids import target_partition_key
from shared.storage import keys, values
from shared.storage.large import state_value, whole_raw
from shared.storage.values import InvocationRow, Status
from shared.wal.batch import Batch
from shared.wal.commands import (
    AnnounceLeader,
    Command,
    FireTimers,
    Invoke,
    InvokerEffects,
    Result,
    ResumeInvocation,
    Target,
)

if TYPE_CHECKING:
    from partitiond.invoker.invoker import Invoker

__all__ = ["MemoryCatalog", "MemoryHost"]


class MemoryCatalog:
    """A CatalogView that tests set."""

    def __init__(self, catalog: Catalog | None = None) -> None:
        self.catalog = catalog
        self._callbacks: list[Callable[[], None]] = []

    def on_change(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    def set(self, catalog: Catalog | None) -> None:
        self.catalog = catalog
        for callback in self._callbacks:
            callback()


class MemoryHost:
    """An InvokerHost over the whole key space. Commands are applied one loop turn after they were proposed.

    `proposed` has every InvokerEffects; `results` the results of invocations that ended. `lost` True: nothing is
    applied any more, as after a loss of leadership.
    """

    def __init__(self) -> None:
        self.invoker: Invoker | None = None
        self.lost = False
        self.proposed: list[InvokerEffects] = []
        self.results: dict[bytes, Result] = {}
        #: How much was proposed at each flush.
        self.flushed: list[int] = []
        self.started: list[bytes] = []
        self._clock = SystemClock()
        self._store = MemoryStore()
        self._meta = initial_meta(0, 0, (1 << 64) - 1)
        self._lsn = 0
        self._seq = 0
        self._queue: list[Command | Callable[[], None]] = []
        self._apply(Batch(0, 0, self._clock.now_ms(), [AnnounceLeader(b"u" * 16, "n", 0, (1 << 64) - 1)]))
        self._epoch = self._lsn

    # InvokerHost

    def load(self, invocation_id: bytes) -> InvocationRow | None:
        stored = self._store.get(keys.invocation_key(invocation_id))
        return None if stored is None else values.decode_invocation(stored)

    def read_entry(self, invocation_id: bytes, index: int) -> tuple[int, bytes]:
        stored = self._store.get(keys.journal_key(invocation_id, index))
        assert stored is not None
        row = values.decode_journal(stored)
        return row.entry_type, whole_raw(self._store.get, invocation_id, row.raw, row.large)

    def read_state(self, target: Target, *, value_bytes_limit: int) -> Iterable[tuple[bytes, bytes | None]]:
        assert target.key is not None
        place = target_partition_key(target.scope, target.key)
        prefix = keys.object_prefix(keys.STATE, place, target.service, target.key, target.scope)
        for key, value in self._store.scan(prefix, prefix + b"\xff" * 64):
            yield key[len(prefix) :], state_value(self._store.get, key, value)

    def propose(self, effects: InvokerEffects | ResumeInvocation) -> None:
        if isinstance(effects, InvokerEffects):
            self.proposed.append(effects)
        self.submit(effects)

    def flush(self) -> None:
        self.flushed.append(len(self.proposed))

    def when_applied(self, callback: Callable[[], None]) -> None:
        self._enqueue(callback)

    # For tests

    def submit(self, command: Command) -> None:
        """Any command, as the leader proposes it."""
        self._enqueue(command)

    def invoke(self, invoke: Invoke) -> None:
        self.submit(invoke)

    def journal(self, invocation_id: bytes) -> list[tuple[int, bytes]]:
        row = self.load(invocation_id)
        return [] if row is None else [self.read_entry(invocation_id, index) for index in range(row.journal_length)]

    def status(self, invocation_id: bytes) -> Status | None:
        row = self.load(invocation_id)
        return None if row is None else row.status

    def _enqueue(self, item: Command | Callable[[], None]) -> None:
        self._queue.append(item)
        if len(self._queue) == 1:
            asyncio.get_running_loop().call_soon(self._drain)

    def _drain(self) -> None:
        items, self._queue = self._queue, []
        if self.lost:
            return
        commands = [item for item in items if not callable(item)]
        if commands:
            self._seq += 1
            self._apply(Batch(self._epoch, self._seq, self._clock.now_ms(), commands))
        for item in items:
            if callable(item):
                item()

    def _apply(self, batch: Batch) -> None:
        txn = Txn(self._store, self._meta)
        actions: list[Action] = []
        self._lsn += 1
        assert apply(txn, self._lsn, batch, actions)
        self._store.commit(txn.finish())
        for action in actions:
            self._carry_out(action)

    def _carry_out(self, action: Action) -> None:
        invoker = self.invoker
        match action:
            case StartInvocation():
                self.started.append(action.id)
                if invoker is not None:
                    invoker.start(self, action.id, action.row, action.input)
            case ForwardNotification() if invoker is not None:
                raw = whole_raw(self._store.get, action.id, action.raw, action.large)
                invoker.notify(self, action.id, action.generation, action.index, action.entry_type, raw)
            case AckCommand() if invoker is not None:
                invoker.ack(self, action.id, action.generation, action.command_index)
            case AckRun() if invoker is not None:
                invoker.ack_run(self, action.id, action.generation, action.completion_id)
            case AbortAttempt() if invoker is not None:
                invoker.abort(self, action.id, action.generation)
            case SuspensionRefused() if invoker is not None:
                invoker.refuse_suspension(self, action.id, action.generation, action.completions)
            case RetryNow() if invoker is not None:
                invoker.retry_now(self, action.id, action.generation)
            case InvocationEnded():
                self.results[action.id] = action.result
            case RegisterTimer():
                delay_ms = max(0, action.fire_at_ms - self._clock.now_ms())
                loop = asyncio.get_running_loop()
                loop.call_later((delay_ms + 1) / 1000, lambda: self.submit(FireTimers(self._clock.now_ms())))
            case _:
                pass
