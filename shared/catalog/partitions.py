"""Which partition holds which range of the 64-bit key space. Pure: no I/O."""

from __future__ import annotations

from bisect import bisect_right

import msgspec

__all__ = ["KEY_SPACE", "Partition", "PartitionTable", "even_partitions"]

KEY_SPACE = 1 << 64


class Partition(msgspec.Struct, frozen=True, array_like=True):
    """A range of keys, both ends included."""

    id: int
    start_key: int
    end_key: int


class PartitionTable(msgspec.Struct, frozen=True):
    """Invariant: ordered by start key, contiguous, covering the whole key space."""

    version: int
    partitions: list[Partition]

    def partition_of(self, partition_key: int) -> Partition:
        """The one partition that holds this key."""
        at = bisect_right(self.partitions, partition_key, key=lambda partition: partition.start_key)
        return self.partitions[at - 1]


def even_partitions(count: int) -> list[Partition]:
    """`count` partitions of equal size, ids from 0."""
    assert 1 <= count <= 65535
    bounds = [KEY_SPACE * i // count for i in range(count + 1)]
    return [Partition(i, bounds[i], bounds[i + 1] - 1) for i in range(count)]
