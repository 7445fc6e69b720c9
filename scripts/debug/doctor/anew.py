"""Each store beside what its log gives."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from scripts.debug.comparing import replay_and_compare
from scripts.debug.doctor.findings import Checked, Finding, rebuild_remedy
from scripts.debug.source import Source

__all__ = ["check_replay"]


def check_replay(source: Source, partition_id: int, checked: Checked) -> Iterator[Finding]:
    where = f"partition {partition_id}"
    with tempfile.TemporaryDirectory(prefix="everlog-doctor-") as scratch:
        report = replay_and_compare(source, partition_id, Path(scratch) / "store", None)
    checked.add("records replayed", report.batches)
    if report.error is not None:
        yield Finding("replay", where, report.error, "until then nothing else than the store has its state: export it")
    for comparison in report.comparisons:
        if not comparison.same:
            first = comparison.first_differences[0]
            what = (
                f"{comparison.with_what} at LSN {comparison.lsn} is not what the log gives, first in {first['table']} "
                f"{first['key']}"
            )
            yield Finding("replay", where, what, rebuild_remedy(partition_id))
