"""A store that forgets, in a crash, what was not synced; one that fails; and an engine's host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from logd.store import StoreError

__all__ = ["FailingStore", "MemoryStore", "RecordingHost"]

_Change = tuple[str, bytes, bytes]


class MemoryStore:
    """The store's port over dicts: `put` -> `stage` (readable) -> `sync` (survives `crash`)."""

    def __init__(self, durable: dict[bytes, bytes] | None = None) -> None:
        self._durable = dict(durable or {})
        self._staged = dict(self._durable)
        self._pending: list[_Change] = []
        self._unsynced: list[_Change] = []
        self.syncs = 0
        self.stages = 0
        self.reclaimed: list[tuple[bytes, bytes]] = []
        #: Highest number of scanned rows: whether a start reads the whole log.
        self.rows_read = 0

    @property
    def dirty(self) -> bool:
        return bool(self._pending)

    def put(self, key: bytes, value: bytes) -> None:
        assert isinstance(key, bytes)
        assert isinstance(value, bytes)
        self._pending.append(("put", key, value))

    def delete_range(self, first: bytes, end: bytes) -> None:
        self._pending.append(("delete", first, end))

    def stage(self) -> None:
        self.stages += 1
        changes, self._pending = self._pending, []
        _apply(self._staged, changes)
        self._unsynced += changes

    def sync(self) -> None:
        self.syncs += 1
        changes, self._unsynced = self._unsynced, []
        _apply(self._durable, changes)

    def put_durable(self, key: bytes, value: bytes) -> None:
        changes: list[_Change] = [("put", key, value)]
        _apply(self._staged, changes)
        self._unsynced += changes
        self.sync()

    def get(self, key: bytes) -> bytes | None:
        return self._staged.get(key)

    def scan(self, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        for key in sorted(key for key in self._staged if first <= key < end):
            self.rows_read += 1
            yield key, self._staged[key]

    def scan_back(self, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        for key in sorted((key for key in self._staged if first <= key < end), reverse=True):
            self.rows_read += 1
            yield key, self._staged[key]

    def reclaim(self, first: bytes, end: bytes) -> None:
        self.reclaimed.append((first, end))

    def crash(self) -> MemoryStore:
        """What is left after the power failed."""
        return MemoryStore(self._durable)

    def damage(self, key: bytes) -> None:
        """Flip a bit."""
        value = bytearray(self._staged[key])
        value[-1] ^= 1
        self._staged[key] = bytes(value)


def _apply(rows: dict[bytes, bytes], changes: list[_Change]) -> None:
    for kind, first, second in changes:
        if kind == "put":
            rows[first] = second
        else:
            for key in [key for key in rows if first <= key < second]:
                del rows[key]


class FailingStore(MemoryStore):
    """Fails at the named call from now on."""

    def __init__(self, durable: dict[bytes, bytes] | None = None) -> None:
        super().__init__(durable)
        self.failing: str | None = None

    def stage(self) -> None:
        self._maybe_fail("stage")
        super().stage()

    def sync(self) -> None:
        self._maybe_fail("sync")
        super().sync()

    def _maybe_fail(self, call: str) -> None:
        if self.failing == call:
            raise StoreError(f"no space left on the {call} of a test")


class RecordingHost:
    """What an engine proposes and hands over."""

    def __init__(self) -> None:
        self.proposals: list[bytes] = []
        self.committed: list[int] = []

    def take_commands(self, *, index: int, term: int) -> Iterable[bytes]:
        proposals, self.proposals = self.proposals, []
        return proposals

    def on_committed(self, first: int, last: int) -> None:
        self.committed += range(first, last + 1)
