"""`everlog diff A B`: the rows of two stores, or of all stores of two nodes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from scripts.cli import inspecting, show
from scripts.cli.people import Paint
from scripts.debug.differing import DiffCount, Difference, count_row, differences, row_changes
from scripts.debug.opening import open_source
from scripts.debug.ports import FIRST_KEY, LAST_KEY
from scripts.debug.rows import decode_row
from scripts.debug.source import Source, partitions_asked_for
from scripts.debug.stores import StoreReader
from scripts.node.programs import Program
from shared.errors import ConfigError

__all__ = ["add_arguments", "run"]

_LIMIT = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog diff` takes."""
    text = "a data directory, an exported snapshot, a kept checkpoint, or a folder of `everlog replay --keep`"
    parser.add_argument("a", type=Path, metavar="A", help=text)
    parser.add_argument("b", type=Path, metavar="B", help="the same")
    inspecting.add_partition(parser)
    parser.add_argument(
        "--limit", type=int, default=_LIMIT, metavar="N", help=f"rows to show (default: {_LIMIT}; 0: none)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a row, then one with the counts")


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """0: they are the same. 1: they are not."""
    with closing(open_source(arguments.a.absolute())) as a, closing(open_source(arguments.b.absolute())) as b:
        partitions = _partitions(a, b, arguments.partition)
        differs = False
        for partition_id in partitions:
            differs |= _diff(a, b, partition_id, arguments)
    return 1 if differs else 0


def _partitions(a: Source, b: Source, wanted: int | None) -> list[int]:
    """Those of both; one that is missing on a side is an error."""
    one, other = set(partitions_asked_for(a, wanted)), set(partitions_asked_for(b, wanted))
    if one != other and wanted is None:
        # A single store beside a node's: just that partition.
        common = one & other
        if common and min(len(one), len(other)) == 1:
            return sorted(common)
        raise ConfigError(
            f"{a.path} has the partitions {sorted(one)}, {b.path} has {sorted(other)}: choose one (--partition)"
        )
    return sorted(one)


def _diff(a: Source, b: Source, partition_id: int, arguments: argparse.Namespace) -> bool:
    paint = Paint()
    with closing(_open(a, partition_id)) as one, closing(_open(b, partition_id)) as other:
        counts: dict[str, DiffCount] = {}
        shown = total = 0
        for found in differences(one.scan(FIRST_KEY, LAST_KEY), other.scan(FIRST_KEY, LAST_KEY)):
            if not total and not arguments.json:
                print(paint.bold(f"partition {partition_id} (applied LSN {_lsn(one)} and {_lsn(other)})"))
            count_row(counts, found)
            total += 1
            if shown < arguments.limit:
                shown += 1
                _tell(partition_id, found, paint, as_json=arguments.json)
        if arguments.json:
            tables = {
                table: {"only_a": c.only_a, "only_b": c.only_b, "different": c.different} for table, c in counts.items()
            }
            print(json.dumps({"partition": partition_id, "differences": total, "tables": tables}))
        elif total:
            _summary(counts, total, shown)
        else:
            print(f"partition {partition_id}: {paint.good('the same')} (applied LSN {_lsn(one)})")
    return total > 0


def _open(source: Source, partition_id: int) -> StoreReader:
    store = source.store(partition_id)
    if store is None:
        raise ConfigError(f"{source.path} has no store of partition {partition_id}")
    return store


def _lsn(store: StoreReader) -> int:
    meta = store.meta()
    return 0 if meta is None else meta.applied_lsn


def _tell(partition_id: int, found: Difference, paint: Paint, *, as_json: bool) -> None:
    a, b = decode_row(found.key, found.a), decode_row(found.key, found.b)
    if as_json:
        fields: list[dict[str, Any]] = [change._asdict() for change in row_changes(found)]
        errors = [error for error in (a.error, b.error) if error is not None]
        row = {"table": a.table, "key": a.key, "a": a.value, "b": b.value, "fields": fields}
        print(json.dumps({"partition": partition_id, **row, **({"errors": errors} if errors else {})}))
        return
    if found.b is None or found.a is None:
        side, row_of = ("A", a) if found.b is None else ("B", b)
        print(f"  {paint.bold(a.name)}: only in {side}: {_short(row_of.value)}")
    else:
        print(f"  {paint.bold(a.name)}:")
        for change in row_changes(found):
            print(f"    {change.path}: {paint.bad(_short(change.a))} -> {paint.good(_short(change.b))}")
    for error in dict.fromkeys(error for error in (a.error, b.error) if error is not None):
        print(f"    {paint.bad(error)}")


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else f"{text[:300]}… ({len(text)} characters)"


def _summary(counts: dict[str, DiffCount], total: int, shown: int) -> None:
    if total > shown:
        print(f"  … and {total - shown} more (--limit)")
    rows = [(table, str(c.only_a), str(c.only_b), str(c.different)) for table, c in counts.items()]
    print(show.table([("TABLE", "ONLY IN A", "ONLY IN B", "DIFFERENT"), *rows], indent="  "))
