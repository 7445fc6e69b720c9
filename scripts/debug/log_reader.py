"""The port by which a log is read, wherever it comes from. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

__all__ = ["LogEntry", "LogReader"]


class LogEntry(NamedTuple):
    """One Raft entry. `payload`: the batch, None for Raft's own entries and for what has a `problem`."""

    lsn: int
    term: int
    payload: bytes | None
    #: Bytes of the stored command.
    size: int
    problem: str | None = None


class LogReader(Protocol):
    """Both ends are as of the last `catch_up`."""

    @property
    def first_lsn(self) -> int:
        """The oldest entry that is there, 0: none is."""
        ...

    @property
    def last_lsn(self) -> int:
        """The newest entry that is there."""
        ...

    @property
    def trim_lsn(self) -> int:
        """Batches up to here are given up, though some may still be there."""
        ...

    def entries(self, start: int, end: int) -> Iterator[LogEntry]:
        """Entries with start <= LSN <= end, in order; one with a problem for each that is damaged or missing."""
        ...

    def catch_up(self) -> None:
        """See what was written up to now."""
        ...
