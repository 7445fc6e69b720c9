"""One group's log, read beside logd. Owns: nothing; see `secondary`.

What cannot be read is told with its place: an entry that is missing or damaged is an entry with a `problem`, and the
reading goes on behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from logd.entry import decode_entry, decode_value
from logd.keys import commit_key, entry_index, entry_key, entry_range, group_name, registry_range, trim_key
from scripts.debug.ports import LogEntry
from scripts.debug.secondary import Secondary
from shared.errors import EverlogError

__all__ = ["BATCH", "NO_OP", "GroupLog", "LogDatabase"]

#: First byte of a Raft entry that is a batch, and of one that Raft made for itself (logd.raft.private).
BATCH, NO_OP = 0, 1


class LogDatabase(Secondary):
    """logd's RocksDB at `path`."""

    def groups(self) -> dict[str, int]:
        """Every group that the node ever had, and its number."""
        return {
            group_name(key): decode_value(value, int, key=key, what=f"number of group={group_name(key)}")
            for key, value in self.scan(*registry_range())
        }

    def group(self, name: str) -> GroupLog | None:
        number = self.groups().get(name)
        return None if number is None else GroupLog(self, name, number)


class GroupLog:
    """The log of one group. Both ends are as of the last `catch_up`."""

    def __init__(self, database: LogDatabase, name: str, number: int) -> None:
        self.name = name
        self._database = database
        self._number = number
        self._read_ends()

    @property
    def first_lsn(self) -> int:
        return self._first

    @property
    def last_lsn(self) -> int:
        return self._last

    @property
    def trim_lsn(self) -> int:
        return self._number_at(trim_key(self._number), "trim point")

    @property
    def commit_lsn(self) -> int:
        """Known to be committed when it was last written down: a lower bound."""
        return self._number_at(commit_key(self._number), "commit index")

    def entries(self, start: int, end: int) -> Iterator[LogEntry]:
        expected = max(start, self._first)
        end = min(end, self._last)
        bounds = entry_key(self._number, expected), entry_key(self._number, end + 1)
        for key, value in self._database.scan(*bounds) if expected <= end else ():
            lsn = entry_index(key)
            yield from (self._missing(gap) for gap in range(expected, lsn))
            expected = lsn + 1
            yield self._entry(lsn, value)
        yield from (self._missing(gap) for gap in range(expected, end + 1))

    def catch_up(self) -> None:
        self._database.catch_up()
        self._read_ends()

    def _read_ends(self) -> None:
        bounds = entry_range(self._number)
        oldest: Any = next(self._database.scan(*bounds), None)
        newest: Any = next(self._database.scan_back(*bounds), None)
        self._first = 0 if oldest is None else entry_index(oldest[0])
        self._last = 0 if newest is None else entry_index(newest[0])

    def _number_at(self, key: bytes, what: str) -> int:
        value = self._database.get(key)
        return 0 if value is None else decode_value(value, int, key=key, what=f"{what} of group={self.name}")

    def _missing(self, lsn: int) -> LogEntry:
        return LogEntry(lsn, 0, None, 0, f"log entry group={self.name} index={lsn} is missing")

    def _entry(self, lsn: int, value: bytes) -> LogEntry:
        try:
            stored = decode_entry(value, group=self.name, group_id=self._number, index=lsn)
        except EverlogError as error:
            return LogEntry(lsn, 0, None, len(value), f"{error}: 0x{value[:200].hex()}")
        command = stored.command
        if command[:1] == bytes([BATCH]):
            return LogEntry(lsn, stored.term, command[1:], len(command))
        if command[:1] == bytes([NO_OP]):
            return LogEntry(lsn, stored.term, None, len(command))
        problem = f"log entry group={self.name} index={lsn} is of an unknown kind: 0x{command[:200].hex()}"
        return LogEntry(lsn, stored.term, None, len(command), problem)
