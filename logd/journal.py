"""One group's Raft log over the shared store: what pysyncobj indexes like a list.

Rules that always hold:
- first_index <= synced_index + 1, and synced_index <= last_index: entries up to `synced_index` are durable;
- the newest entries, at least one, are in the window; the window holds every entry that is not staged;
- an entry is dropped from the end only for one of another term at its index, never because the leader
  sent it again: pysyncobj cuts the log at every append, which could lose acknowledged entries;
- the stored commit index is a lower bound: it rides along with entries and is never waited for.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from pysyncobj.journal import Journal

from logd.entry import HardState, decode_entry, decode_value, encode_entry, encode_value
from logd.keys import commit_key, entry_index, entry_key, entry_range, hard_state_key, trim_key
from logd.store import Store
from shared.errors import CorruptionError

__all__ = ["WINDOW_BYTES", "Entry", "GroupJournal"]

#: (command, index, term): the order that pysyncobj uses.
Entry: TypeAlias = tuple[bytes, int, int]

#: Newest entries kept in memory, bytes of commands a group. Older ones are read from the store.
WINDOW_BYTES = 4 * 1024 * 1024
#: Of these, what is read at the start: the time of a restart is that of all groups. Followers of this node were up to
#: date a moment ago, and what they ask for beyond it is read when they do.
_READ_AT_START_BYTES = 64 * 1024


class GroupJournal(Journal):  # type: ignore[misc]
    """The log of one group, its term and vote, its commit index and its trim point."""

    def __init__(self, store: Store, group: str, group_id: int, *, window_bytes: int = WINDOW_BYTES) -> None:
        self.group = group
        self.group_id = group_id
        self._store = store
        self._window_bytes = window_bytes
        self._hard_state = self._load(hard_state_key(group_id), HardState, "term and vote") or HardState()
        #: Batches up to this LSN are dropped: they may still be stored, but are served no more.
        self.trim_lsn = self._load(trim_key(group_id), int, "trim point") or 0
        #: Entries of the window, in order; the first has index `_window_first`.
        self._window: list[Entry] = []
        self._window_first = 1
        self._window_size = 0
        #: Bytes of commands before the first entry, and up to the last one.
        self._start_position = 0
        self._end_position = 0
        self.first_index = 1
        self.last_index = 0
        #: Bytes of commands dropped from the log since their disk space was last reclaimed.
        self.unreclaimed_bytes = 0
        self._load_window()
        #: What `stage` wrote last, and what is durable of it. RocksDB's recovery made durable all that is found.
        self._staged_index = self.synced_index = self.last_index
        self._commit_index = self._commit_stored = max(self._load(commit_key(group_id), int, "commit index") or 1, 1)
        self._check_ends()

    # What pysyncobj calls: a list of entries.

    def add(self, command: bytes, idx: int, term: int) -> None:
        """Put an entry at `idx`: behind the last one, or over one that it equals or replaces."""
        if idx <= self.last_index and self.last_index >= self.first_index:
            assert idx >= self.first_index, f"group={self.group}: entry {idx} is before the log's first"
            if self.entry(idx)[2] == term:
                return  # The leader sent it again. Same index and term: the same entry.
            self._truncate(idx)
        elif not self._window:
            self._start_empty(idx)
        assert idx == self.last_index + 1, f"group={self.group}: entry {idx} after {self.last_index} leaves a gap"
        assert term >= 0
        self._end_position += len(command)
        self._store.put(
            entry_key(self.group_id, idx),
            encode_entry(group_id=self.group_id, index=idx, term=term, position=self._end_position, command=command),
        )
        self._window.append((command, idx, term))
        self._window_size += len(command)
        self.last_index = idx

    def __len__(self) -> int:
        return self.last_index - self.first_index + 1

    def __getitem__(self, item: int | slice) -> Any:
        if item == -1 and self._window:
            return self._window[-1]
        length = len(self)
        if isinstance(item, slice):
            places = range(length)[item]
            if places.step == 1:
                return self.read(self.first_index + places.start, self.first_index + places.stop - 1)
            return [self.entry(self.first_index + place) for place in places]
        if not -length <= item < length:
            raise IndexError(f"group={self.group}: log index {item} of {length}")
        return self.entry(self.first_index + item % length)

    def clear(self) -> None:
        """Drop every entry."""
        self._store.delete_range(*entry_range(self.group_id))
        self._window.clear()
        self._start_empty(self.last_index + 1)

    def deleteEntriesFrom(self, entryFrom: int) -> None:
        """Nothing: `add` drops the end of the log if, and only if, an entry contradicts it."""

    def deleteEntriesTo(self, entryTo: int) -> None:
        """Drop the first `entryTo` entries."""
        self.drop_before(self.first_index + entryTo)

    def setRaftCommitIndex(self, raftCommitIndex: int) -> None:
        self._commit_index = raftCommitIndex

    def getRaftCommitIndex(self) -> int:
        return self._commit_index

    def setCurrentTerm(self, term: int, votedForNodeId: str | None) -> None:
        """Durable on return: a vote must not be given twice in a term, whatever crashes."""
        assert term >= self._hard_state.term
        key = hard_state_key(self.group_id)
        state = HardState(term, votedForNodeId)
        self._store.put_durable(key, encode_value(state, key=key))
        self._hard_state = state

    def getCurrentTerm(self) -> int:
        return self._hard_state.term

    def getVotedForNodeId(self) -> str | None:
        return self._hard_state.vote

    def _destroy(self) -> None:
        """The store outlives its journals."""

    # What the group and the driver call.

    def entry(self, index: int) -> Entry:
        """The entry at a Raft index that the log holds."""
        if index >= self._window_first:
            return self._window[index - self._window_first]
        value = self._store.get(entry_key(self.group_id, index))
        if value is None:
            raise CorruptionError(f"log entry group={self.group} index={index} is missing")
        stored = decode_entry(value, group=self.group, group_id=self.group_id, index=index)
        return stored.command, index, stored.term

    def read(self, first: int, last: int, *, bytes_limit: int | None = None) -> list[Entry]:
        """Entries `first` to `last`, as far as the log holds them, at least one of them and about `bytes_limit`."""
        first, last = max(first, self.first_index), min(last, self.last_index)
        if first > last:
            return []
        if first >= self._window_first:
            entries = self._window[first - self._window_first : last + 1 - self._window_first]
            return entries if bytes_limit is None else _limited(entries, bytes_limit)
        return self._read_stored(first, last, bytes_limit)

    @property
    def stored_bytes(self) -> int:
        """Bytes of the commands that the log holds."""
        return self._end_position - self._start_position

    def drop_before(self, index: int) -> None:
        """Drop the entries before `index`."""
        if index <= self.first_index:
            return
        if index > self.last_index:
            self.clear()
            return
        position = self._position_before(index)
        self.unreclaimed_bytes += position - self._start_position
        self._start_position = position
        self._store.delete_range(entry_range(self.group_id)[0], entry_key(self.group_id, index))
        self.first_index = index
        if index > self._window_first:
            gone = index - self._window_first
            self._window_size -= sum(len(entry[0]) for entry in self._window[:gone])
            del self._window[:gone]
            self._window_first = index

    def trim(self, lsn: int) -> None:
        """Set the trim point."""
        assert lsn >= self.trim_lsn
        self.trim_lsn = lsn
        key = trim_key(self.group_id)
        self._store.put(key, encode_value(lsn, key=key))

    def before_stage(self) -> None:
        """The store is about to stage: the commit index rides along."""
        # Of the log as it is: at the next start a higher one would mean that entries are lost.
        commit_index = min(self._commit_index, max(self.last_index, 1))
        if self._commit_stored != commit_index:
            self._commit_stored = commit_index
            key = commit_key(self.group_id)
            self._store.put(key, encode_value(commit_index, key=key))

    def after_stage(self) -> None:
        """All entries are staged: the window may shrink."""
        self._staged_index = self.last_index
        if self._window_size > self._window_bytes + self._window_bytes // 4:
            self._shrink_window()

    def after_sync(self) -> None:
        """What was staged before the sync began is durable."""
        self.synced_index = self._staged_index

    # Helpers.

    def _load(self, key: bytes, kind: type[Any], what: str) -> Any:
        value = self._store.get(key)
        return value and decode_value(value, kind, key=key, what=f"{what} of group={self.group}")

    def _check_ends(self) -> None:
        """Both are written with or behind the entries that they speak of: without these, something was lost."""
        for what, index in (("committed", self._commit_index), ("trimmed", self.trim_lsn)):
            if index > max(self.last_index, 1):
                raise CorruptionError(
                    f"log group={self.group} ends at index={self.last_index}, but up to index={index} it was {what}: "
                    f"what is between is lost; restore a snapshot"
                )

    def _load_window(self) -> None:
        """Find both ends; read only the newest entries."""
        bounds = entry_range(self.group_id)
        bytes_max = min(self._window_bytes, _READ_AT_START_BYTES)
        newest: list[Entry] = []
        for key, value in self._store.scan_back(*bounds):
            index = entry_index(key)
            if newest and index != newest[-1][1] - 1:
                raise CorruptionError(f"log entry group={self.group} index={newest[-1][1] - 1} is missing")
            stored = decode_entry(value, group=self.group, group_id=self.group_id, index=index)
            if not newest:
                self.last_index, self._end_position = index, stored.position
            elif self._window_size + len(stored.command) > bytes_max:
                break
            newest.append((stored.command, index, stored.term))
            self._window_size += len(stored.command)
        if not newest:
            return
        self._window = newest[::-1]
        self._window_first = self._window[0][1]
        key, value = next(self._store.scan(*bounds))
        self.first_index = entry_index(key)
        oldest = decode_entry(value, group=self.group, group_id=self.group_id, index=self.first_index)
        self._start_position = oldest.position - len(oldest.command)

    def _read_stored(self, first: int, last: int, bytes_limit: int | None) -> list[Entry]:
        """From the store up to the window, from there on out of the window."""
        entries: list[Entry] = []
        size = 0
        end = min(last + 1, self._window_first)
        index = first
        for key, value in self._store.scan(entry_key(self.group_id, first), entry_key(self.group_id, end)):
            if entry_index(key) != index:
                break
            stored = decode_entry(value, group=self.group, group_id=self.group_id, index=index)
            size += len(stored.command)
            if bytes_limit is not None and size > bytes_limit and entries:
                return entries
            entries.append((stored.command, index, stored.term))
            index += 1
        if index != end:
            raise CorruptionError(f"log entry group={self.group} index={index} is missing")
        if last >= self._window_first:
            rest = self._window[: last + 1 - self._window_first]
            entries += rest if bytes_limit is None else _limited(rest, bytes_limit - size, at_least=0)
        return entries

    def _position_before(self, index: int) -> int:
        """Bytes of all commands up to the entry before `index`."""
        if index >= self._window_first:
            return self._end_position - sum(len(entry[0]) for entry in self._window[index - self._window_first :])
        value = self._store.get(entry_key(self.group_id, index))
        if value is None:
            raise CorruptionError(f"log entry group={self.group} index={index} is missing")
        stored = decode_entry(value, group=self.group, group_id=self.group_id, index=index)
        return stored.position - len(stored.command)

    def _truncate(self, index: int) -> None:
        """Drop `index` and all behind it: a new leader has other entries there."""
        assert index > self._commit_index, f"group={self.group}: committed entry {index} is contradicted"
        dropped = self.read(index, self.last_index)
        self._end_position -= sum(len(entry[0]) for entry in dropped)
        self._store.delete_range(entry_key(self.group_id, index), entry_range(self.group_id)[1])
        self.last_index = index - 1
        self._staged_index = min(self._staged_index, self.last_index)
        self.synced_index = min(self.synced_index, self.last_index)
        if index > self._window_first:
            kept = index - self._window_first
            self._window_size -= sum(len(entry[0]) for entry in self._window[kept:])
            del self._window[kept:]
        else:
            self._window, self._window_first, self._window_size = [], index, 0
            if index > self.first_index:
                self._window = [self.entry(index - 1)]
                self._window_first, self._window_size = index - 1, len(self._window[0][0])

    def _start_empty(self, index: int) -> None:
        """The log is empty and will begin at `index`."""
        self._window_first = self.first_index = index
        self.last_index = self._staged_index = self.synced_index = index - 1
        self._window_size = 0
        self._start_position = self._end_position

    def _shrink_window(self) -> None:
        """Drop the oldest staged entries from memory."""
        drop = 0
        for command, _, _ in self._window[:-1]:
            if self._window_size <= self._window_bytes:
                break
            self._window_size -= len(command)
            drop += 1
        del self._window[:drop]
        self._window_first += drop


def _limited(entries: list[Entry], bytes_limit: int, *, at_least: int = 1) -> list[Entry]:
    """The first entries that fit."""
    size = 0
    for count, entry in enumerate(entries):
        size += len(entry[0])
        if size > bytes_limit and count >= at_least:
            return entries[:count]
    return entries
