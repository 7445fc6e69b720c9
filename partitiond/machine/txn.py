"""Read-through overlay that collects the writes of some batches. Pure: no I/O.

Rules that always hold:
- what was written is what is read, before it is stored;
- rows that are decoded once are kept decoded, and encoded once, when the transaction ends;
- writes leave in the order of the first change of each key, so that two replays give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

from partitiond.machine.tables import Tables
from shared.storage import keys, values
from shared.storage.values import InvocationRow, LockRow, PartitionMeta, PromiseRow

__all__ = ["Txn"]


class Txn:
    """One atomic set of changes over `tables`. `meta` is changed in place and written at the end."""

    def __init__(self, tables: Tables, meta: PartitionMeta) -> None:
        self._tables = tables
        self._writes: dict[bytes, bytes | None] = {}
        self._invocations: dict[bytes, InvocationRow | None] = {}
        self._changed: dict[bytes, None] = {}
        #: Changed since `take_turns`.
        self._touched: dict[bytes, None] = {}
        #: Of the decoded rows those that could run when `take_turns` looked at them last, or as they are stored.
        self._runnable: set[bytes] = set()
        self.meta = meta
        #: Bytes of the values put so far.
        self.put_bytes = 0

    def get(self, key: bytes) -> bytes | None:
        """The newest value of any row but an invocation's."""
        if key in self._writes:
            return self._writes[key]
        return self._tables.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        self._writes[key] = value
        self.put_bytes += len(value)

    def delete(self, key: bytes) -> None:
        self._writes[key] = None

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Rows with start <= key < end in key order, this transaction's own among them.

        The caller may change rows of the range while it iterates: it sees them as they were when it began. They are
        read one by one, for they may be large.
        """
        own = sorted((key, value) for key, value in self._writes.items() if start <= key < end)
        stored = self._tables.scan(start, end)
        return _merge(stored, own) if own else stored

    def scan_keys(self, prefix: bytes) -> Iterator[bytes]:
        """Keys that begin with `prefix`, in order; their values, which may be large, are not read."""
        end = keys.prefix_end(prefix)
        own = {key: value is not None for key, value in self._writes.items() if prefix <= key < end}
        stored = self._tables.scan_keys(prefix, end)
        if not own:
            return stored
        return iter(sorted({key for key in stored if key not in own} | {key for key, there in own.items() if there}))

    def scan_prefix(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All rows whose key begins with `prefix`."""
        return self.scan(prefix, keys.prefix_end(prefix))

    def invocation(self, invocation_id: bytes) -> InvocationRow | None:
        """The row itself: whoever changes it calls `changed`."""
        try:
            return self._invocations[invocation_id]
        except KeyError:
            stored = self._tables.get(keys.invocation_key(invocation_id))
            row = None if stored is None else values.decode_invocation(stored)
            self._invocations[invocation_id] = row
            if row is not None and row.may_run:
                self._runnable.add(invocation_id)
            return row

    def changed(self, invocation_id: bytes) -> None:
        """The invocation's row was changed in place."""
        self._changed[invocation_id] = self._touched[invocation_id] = None

    def put_invocation(self, invocation_id: bytes, row: InvocationRow) -> None:
        self._invocations[invocation_id] = row
        self._changed[invocation_id] = self._touched[invocation_id] = None

    def delete_invocation(self, invocation_id: bytes) -> None:
        self._invocations[invocation_id] = None
        self._changed[invocation_id] = self._touched[invocation_id] = None

    def take_turns(self) -> list[tuple[bytes, bool]]:
        """Invocations that may run and could not when this was asked last (True), or the other way round (False)."""
        turns: list[tuple[bytes, bool]] = []
        touched = self._touched
        if not touched:
            return turns
        self._touched = {}
        runnable = self._runnable
        for invocation_id in touched:
            row = self._invocations[invocation_id]
            may_run = row is not None and row.may_run
            if may_run != (invocation_id in runnable):
                (runnable.add if may_run else runnable.discard)(invocation_id)
                turns.append((invocation_id, may_run))
        return turns

    def runnable(self) -> Iterator[bytes]:
        """All invocations that may run. Looks at every one."""
        for key, value in self._tables.scan(keys.INVOCATION, keys.JOURNAL):
            if key[1:] not in self._invocations and values.may_run(value):
                yield key[1:]
        for invocation_id, row in self._invocations.items():
            if row is not None and row.may_run:
                yield invocation_id

    def lock(self, key: bytes) -> LockRow:
        """The lock row under this key; a fresh one where there is none."""
        stored = self.get(key)
        return LockRow(None, 0, 0) if stored is None else values.decode_lock(stored)

    def put_lock(self, key: bytes, row: LockRow) -> None:
        """An idle lock is no row at all."""
        if row.holder is None:
            assert row.head == row.tail, "an idle object has an empty inbox"
            self.delete(key)
        else:
            self.put(key, values.encode(row))

    def promise(self, key: bytes) -> PromiseRow | None:
        stored = self.get(key)
        return None if stored is None else values.decode_promise(stored)

    def finish(self) -> dict[bytes, bytes | None]:
        """All writes (None deletes), the partition's own row among them. The transaction ends."""
        writes = self._writes
        for invocation_id in self._changed:
            row = self._invocations[invocation_id]
            writes[keys.invocation_key(invocation_id)] = None if row is None else values.encode(row)
        writes[keys.META_KEY] = values.encode(self.meta)
        return writes


def _merge(
    stored: Iterator[tuple[bytes, bytes]], own: list[tuple[bytes, bytes | None]]
) -> Iterator[tuple[bytes, bytes]]:
    """Both in key order; where a key is in both, the own row counts."""
    at = 0
    for key, value in stored:
        while at < len(own) and own[at][0] < key:
            own_key, own_value = own[at]
            at += 1
            if own_value is not None:
                yield own_key, own_value
        if at < len(own) and own[at][0] == key:
            own_value = own[at][1]
            at += 1
            if own_value is not None:
                yield key, own_value
        else:
            yield key, value
    for own_key, own_value in own[at:]:
        if own_value is not None:
            yield own_key, own_value
