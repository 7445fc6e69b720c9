"""What reached the scans of a plan, in words."""

from __future__ import annotations

import re

import pyarrow as pa

from sqld.engine.scope import ScanNote

__all__ = ["is_explain", "pushed_down"]

_EXPLAIN = re.compile(r"\s*explain\b(?!.*\bformat\s+(?:pgjson|graphviz))", re.I | re.S)
#: DataFusion writes a limit that holds for a whole scan behind it.
_FETCH = re.compile(r"TableScan: (\S+) .*?, fetch=(\d+)$", re.M)
_SCANS = re.compile(r"TableScan: (\S+)")


def is_explain(sql: str) -> bool:
    """An EXPLAIN whose answer has rows of a kind and a text."""
    return _EXPLAIN.match(sql) is not None


def pushed_down(schema: pa.Schema, scans: list[ScanNote], plans: list[str]) -> pa.RecordBatch:
    """One row behind the plans (`plans`: their texts): a line for each scan."""
    text = "\n".join(_in_words(scan, _limit(scan.table, plans)) for scan in scans) or "no table is read"
    values = ["pushed_down", text, *[None] * (len(schema) - 2)]
    arrays = [pa.array([value], field.type) for value, field in zip(values, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _limit(table: str, plans: list[str]) -> str:
    """Of several scans of one table only what holds for all is known: the texts have them in another order."""
    for plan in plans:
        limits: list[str] = [rows for name, rows in _FETCH.findall(plan) if name == table]
        if limits and len(limits) == sum(name == table for name in _SCANS.findall(plan)):
            return max(limits, key=int)
    return ""


def _in_words(scan: ScanNote, limit: str) -> str:
    parts = [f"{scan.keys()}"]
    if scan.of_partitions:
        read = ", ".join(f"{partition_id} at LSN {lsn}" for partition_id, lsn in scan.partitions)
        parts[0] += f" in {len(scan.partitions)} of {scan.of_partitions} partitions" + (f" ({read})" if read else "")
    few = len(scan.columns) <= _NAMED_COLUMNS
    parts.append(f"{len(scan.columns)} of {scan.of_columns} columns" + (f" ({', '.join(scan.columns)})" if few else ""))
    parts.append("no filter" if scan.filter is None else f"filter {scan.filter}")
    if scan.first is not None:
        parts.append(f"{scan.first}")
    else:
        parts.append(f"at most {limit} rows" if limit else "no limit")
    if scan.rows_read:
        parts.append(f"{scan.rows_read} rows read, {scan.rows_kept} passed")
    return f"{scan.table}: {'; '.join(parts)}"


#: With more, only how many there are.
_NAMED_COLUMNS = 12
