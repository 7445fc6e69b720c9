"""What a handler of the machine may read and do. Pure: no I/O."""

from __future__ import annotations

from collections import deque

from partitiond.machine.actions import Action, SendOutbox
from partitiond.machine.txn import Txn
from shared.ids import partition_key_of
from shared.storage import keys, values
from shared.storage.values import OutboxRow
from shared.wal.commands import OutboxMessage

__all__ = ["Context"]


class Context:
    """One batch being applied.

    `now_ms`: the batch's time, never before that of an earlier batch: what is stored and shown has it. `clock_ms`: what
    the leader's clock said, which may be set back: whether a time that somebody named has come is judged by it, else a
    clock that was ahead for a moment would bring all of them forward. `lsn`: the batch's place in the log.
    `actions`: what the leader carries out afterwards, in order.
    """

    __slots__ = ("_end_key", "_start_key", "actions", "clock_ms", "inbound", "lsn", "now_ms", "txn")

    def __init__(self, txn: Txn, *, lsn: int, now_ms: int, clock_ms: int, actions: list[Action]) -> None:
        self.txn = txn
        self.lsn = lsn
        self.now_ms = now_ms
        self.clock_ms = clock_ms
        self.actions = actions
        #: Messages for this partition itself: taken in order once the present command is done.
        self.inbound: deque[OutboxMessage] = deque()
        self._start_key = txn.meta.start_key
        self._end_key = txn.meta.end_key

    def act(self, action: Action) -> None:
        """Ask the leader for something."""
        self.actions.append(action)

    def send(self, message: OutboxMessage, to_invocation: bytes) -> None:
        """Bring a message to the partition of `to_invocation`: exactly once, in the order of sending.

        A message for this very partition takes no way through the outbox: it is applied with the same record.
        """
        partition_key = partition_key_of(to_invocation)
        if self._start_key <= partition_key <= self._end_key:
            self.inbound.append(message)
            return
        meta = self.txn.meta
        meta.outbox_seq += 1
        row = OutboxRow(partition_key, message)
        self.txn.put(keys.outbox_key(meta.outbox_seq), values.encode(row))
        self.act(SendOutbox(meta.outbox_seq, row))
