"""What a check says. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

__all__ = ["Checked", "Finding", "at_most", "rebuild_remedy"]

_AT_MOST = 20


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong. `check`: which part found it; `where`: `partition 3`, `log p-3`, a file."""

    check: str
    where: str
    what: str
    remedy: str


class Checked(msgspec.Struct):
    """How much was looked at, by check: `log entries`, `rows`."""

    counts: dict[str, int] = {}
    #: Checks that could not be made, and why.
    skipped: list[str] = []

    def add(self, what: str, count: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + count


def at_most(found: Iterable[Finding], limit: int = _AT_MOST) -> Iterator[Finding]:
    """The first so many; the others are counted: a damaged file would fill pages."""
    more, last = 0, None
    for number, finding in enumerate(found):
        if number < limit:
            yield finding
        else:
            more, last = more + 1, finding
    if last is not None:
        yield Finding(last.check, last.where, f"… and {more} more of this kind", last.remedy)


def rebuild_remedy(partition_id: int) -> str:
    """For rows that are not what the log says."""
    return (
        f"see whether the log gives other rows: everlog replay --partition {partition_id} --keep FOLDER; if it does, "
        f"stop the node, move partitions/{partition_id}/store away, put FOLDER/partitions/{partition_id}/store in its "
        "place, and start; if it does not, this is a fault of Everlog: report it with that log"
    )
