"""What the programs of the node tell of themselves, and how it is asked for. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec

from shared.api.log import GroupStatus
from shared.api.partition import PartitionStatus
from shared.catalog.partitions import Partition

__all__ = ["Host", "NodeFacts", "OpenPartition", "Process"]


class Host(msgspec.Struct, frozen=True):
    """The node by its settings, and its disk."""

    name: str
    cluster: str
    ingress: str
    admin: str
    sql: str
    workers: int
    disk_bytes: int
    disk_free_bytes: int


class Process(msgspec.Struct, frozen=True):
    """A program of the node. `pid` 0: nobody listens on its socket."""

    name: str
    pid: int = 0
    started_at_ms: int = 0
    cpu_ms: int = 0
    rss_bytes: int = 0
    threads: int = 0
    open_files: int = 0


class OpenPartition(msgspec.Struct, frozen=True):
    """What a worker tells of one partition. `status` None: it does not have it open, for the reason `trouble`."""

    worker: int
    status: PartitionStatus | None
    trouble: str = ""


class NodeFacts(Protocol):
    """Each question is asked at most once a query. Who is away tells nothing."""

    def host(self) -> Host: ...

    def processes(self) -> list[Process]: ...

    def partition_table(self) -> list[Partition]:
        """All partitions, in the order of their keys; none before metad told."""

    def open_partition(self, partition_id: int) -> OpenPartition: ...

    def log_groups(self) -> list[GroupStatus]: ...

    def store_bytes(self, partition_id: int) -> int: ...

    def log_bytes(self) -> int:
        """All logs of the node, as they lie on the disk."""

    def records(self, partition_id: int, *, from_lsn: int) -> Iterator[tuple[int, bytes]]:
        """(LSN, record) of what is committed now, oldest first, from an LSN or what is kept of it on. Reads as it is
        asked for. Raises an EverlogError when logd is away."""
