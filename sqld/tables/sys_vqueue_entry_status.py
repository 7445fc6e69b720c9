"""Every invocation as an entry of its queue, by its id. Pure: no I/O."""

from __future__ import annotations

from shared.storage.keys import INVOCATION
from shared.storage.values import decode_invocation
from sqld.tables.keyspace import ranges_by_id
from sqld.tables.source import StoreTable
from sqld.tables.vqueues import ENTRY_COLUMNS, Entry, vqueue_id

__all__ = ["SOURCE"]

SOURCE = StoreTable(
    ranges=lambda constraints: ranges_by_id(INVOCATION, constraints, id_column="entry_id"),
    row=lambda key, value: Entry(key[1:], decode_invocation(value)),
    columns={**ENTRY_COLUMNS, "vqueue_id": vqueue_id, "next_at": ENTRY_COLUMNS["run_at"]},
)
