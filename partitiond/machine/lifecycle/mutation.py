"""State that is changed from outside. Pure: no I/O.

Rules that always hold:
- a change is made between two exclusive calls of its object, in the order of arrival, or at once when none runs;
- it replaces all state of the object, or nothing: when the state is not of the version that it was made for;
- the same request is taken once, though it is sent again because the leader changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from partitiond.machine.context import Context
from partitiond.machine.large_values import delete_state, put_state, state_values
from shared.ids import target_partition_key
from shared.state_version import state_version
from shared.storage import keys
from shared.storage.values import MutationRow, decode_mutation, encode
from shared.wal.commands import PatchState

__all__ = ["Place", "on_patch_state", "take_mutation"]

#: No request is sent again after so long.
_KNOWN_MS = 10 * 60 * 1000
#: Of requests that are older, so many are forgotten with each new one.
_FORGOTTEN_AT_ONCE = 16


class Place(NamedTuple):
    """An object or workflow."""

    partition_key: int
    service: str
    key: str
    scope: str | None

    def at(self, seq: int) -> tuple[int, str, str, int, str | None]:
        """A place in its inbox."""
        return self.partition_key, self.service, self.key, seq, self.scope


def on_patch_state(ctx: Context, command: PatchState) -> None:
    """Change the state, or let the change wait behind all who came before."""
    if _came_before(ctx, command.uid):
        return
    place = Place(target_partition_key(command.scope, command.key), command.service, command.key, command.scope)
    mutation = MutationRow(command.version, command.state)
    lock_key = keys.lock_key(*place)
    lock = ctx.txn.lock(lock_key)
    if lock.holder is None:
        _change_state(ctx, place, mutation)
        return
    ctx.txn.put(keys.inbox_key(*place.at(lock.tail)), b"")
    ctx.txn.put(keys.mutation_key(*place.at(lock.tail)), encode(mutation))
    lock.tail += 1
    ctx.txn.put_lock(lock_key, lock)


def take_mutation(ctx: Context, place: Place, seq: int) -> None:
    """Its turn has come."""
    key = keys.mutation_key(*place.at(seq))
    stored = ctx.txn.get(key)
    assert stored is not None, f"inbox place {seq} of {place.service}/{place.key} is of no invocation and no change"
    ctx.txn.delete(key)
    _change_state(ctx, place, decode_mutation(stored))


def _change_state(ctx: Context, place: Place, mutation: MutationRow) -> None:
    prefix = keys.object_prefix(keys.STATE, *place)
    if mutation.version is not None and mutation.version != state_version(_entries(ctx, prefix)):
        return
    names = {name for name, _ in mutation.state}
    for key in ctx.txn.scan_keys(prefix):
        if key[len(prefix) :] not in names:
            delete_state(ctx.txn, key)
    for name, value in mutation.state:
        put_state(ctx.txn, prefix + name, value)


def _entries(ctx: Context, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    for key, value in state_values(ctx.txn, prefix):
        yield key[len(prefix) :], value


def _came_before(ctx: Context, uid: bytes) -> bool:
    """Notes the request. What is forgotten goes by the clock, as what is noted does: the partition's time may be far
    ahead of it."""
    key = keys.patched_key(uid)
    if ctx.txn.get(key) is not None:
        return True
    oldest = keys.PATCHED + max(ctx.clock_ms - _KNOWN_MS, 0).to_bytes(8, "big")
    for old, _ in islice(ctx.txn.scan(keys.PATCHED, oldest), _FORGOTTEN_AT_ONCE):
        ctx.txn.delete(old)
    ctx.txn.put(key, b"")
    return False
