"""The ports by which rows and logs are read, wherever they come from. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from shared.storage.values import PartitionMeta

__all__ = ["FIRST_KEY", "LAST_KEY", "LogEntry", "LogReader", "Rows", "WritableRows"]


#: Every key is between these two.
FIRST_KEY, LAST_KEY = b"\x00", b"\xff" * 64


class Rows(Protocol):
    """`partitiond.machine.tables.Tables`, with the partition's own row."""

    def meta(self) -> PartitionMeta | None: ...

    def get(self, key: bytes) -> bytes | None: ...

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]: ...

    def scan_keys(self, start: bytes, end: bytes) -> Iterator[bytes]: ...

    def digest(self) -> str: ...


class WritableRows(Rows, Protocol):
    """A scratch store."""

    def commit(self, writes: Mapping[bytes, bytes | None]) -> None: ...

    def close(self) -> None: ...


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
