"""The entry of `scripts/bench sql`: fills runtimes, asks them, prints a table. Owns: the working folder.

Exit status: 0; 1 a runtime did not do what was asked; 2 wrong usage. Nothing that was started outlives it.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.benchmark.owned import Owned
from scripts.benchmark.services import start_service
from scripts.benchmark.table import align
from scripts.benchmark.targets import Oracle, find_oracle
from scripts.sqlbench.filled import Filled, filled_everlog, filled_oracle
from scripts.sqlbench.questions import lookups, lookups_by_wire, nothings, percentile, sampled_ids, scans, under_scan
from shared.errors import EverlogError

__all__ = ["main", "parser"]

_ROOT = Path(__file__).resolve().parents[2]
_LOOKUPS = 300
_SCAN_ROUNDS = 3


def parser() -> argparse.ArgumentParser:
    """What `scripts/bench sql` takes."""
    result = argparse.ArgumentParser(prog="scripts/bench sql", description="What questions cost, beside the oracle.")
    add = result.add_argument
    add("--sizes", default="1000,10000,100000,1000000", metavar="N,…", help="completed invocations (default: to 10^6)")
    add("--oracle-sizes", default="1000,10000,100000", metavar="N,…", help="of the oracle, which is filled by calls")
    add("--oracle-partitions", type=int, default=4, metavar="N", help="default 4")
    add("--oracle-binary", metavar="PATH", help="restate-server (default: $EVERLOG_ORACLE, ../shared/oracle/restate)")
    add("--only", choices=("everlog", "oracle"), help="measure one side")
    add(
        "--rounds",
        type=int,
        default=5,
        metavar="N",
        help="with the largest size: pairs of loads without and with a scan (default 5)",
    )
    add("--duration", type=int, default=5, metavar="S", help="seconds of each load (default 5)")
    add("--everlog-args", default="", metavar="ARGS", help="more for `everlog up`")
    add("--work-dir", type=Path, metavar="DIR", help="where data is written; not in memory (default: the system's)")
    add("--json", type=Path, metavar="FILE", help="write all figures")
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Fill, ask, print."""
    arguments = parser().parse_args(argv)
    owned = Owned()
    figures: list[dict[str, Any]] = []
    try:
        with tempfile.TemporaryDirectory(prefix="evsql-", dir=arguments.work_dir, ignore_cleanup_errors=True) as name:
            folder = Path(name)
            endpoint = start_service("cheap", owned=owned, folder=folder, root=_ROOT)
            for number, (side, count) in enumerate(_runs(arguments)):
                figures.append(_run(arguments, folder / f"n{number}", endpoint.uri, side, count))
                print(json.dumps(figures[-1]), file=sys.stderr, flush=True)
    except (EverlogError, OSError, ValueError) as error:
        print(f"scripts/bench sql: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    finally:
        owned.end_all()
        if figures:
            print(_report(figures), flush=True)
        if arguments.json is not None:
            arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def _runs(arguments: argparse.Namespace) -> list[tuple[Oracle | None, int]]:
    """Sides in turn, by size; None is Everlog."""
    runs: list[tuple[int, int, Oracle | None]] = []
    if arguments.only != "oracle":
        runs += [(int(size), 0, None) for size in arguments.sizes.split(",")]
    binary = None if arguments.only == "everlog" else find_oracle(arguments.oracle_binary, root=_ROOT)
    if binary is not None:
        oracle = Oracle(binary, arguments.oracle_partitions)
        runs += [(int(size), 1, oracle) for size in arguments.oracle_sizes.split(",")]
    return [(side, size) for size, _, side in sorted(runs, key=lambda run: run[:2])]


def _run(arguments: argparse.Namespace, folder: Path, uri: str, oracle: Oracle | None, count: int) -> dict[str, Any]:
    folder.mkdir(mode=0o700)
    owned = Owned()
    try:
        if oracle is None:
            filled = filled_everlog(owned, folder, uri, count, shlex.split(arguments.everlog_args))
        else:
            filled = filled_oracle(owned, folder, uri, count, oracle)
        sizes = arguments.sizes if oracle is None else arguments.oracle_sizes
        largest = count == max(int(size) for size in sizes.split(","))
        return _ask(filled, rounds=arguments.rounds if largest else 0, seconds=arguments.duration)
    finally:
        owned.end_all()


def _ask(filled: Filled, *, rounds: int, seconds: int) -> dict[str, Any]:
    ids = sampled_ids(filled.admin_port, _LOOKUPS)
    taken = lookups(filled.admin_port, ids)
    figures: dict[str, Any] = {
        "side": filled.side,
        "invocations": filled.count,
        "select 1 p50 ms": percentile(nothings(filled.admin_port, _LOOKUPS), 0.5) * 1e3,
        "lookup p50 ms": percentile(taken, 0.5) * 1e3,
        "lookup p99 ms": percentile(taken, 0.99) * 1e3,
    }
    by_wire = lookups_by_wire(filled.sql_port, ids) if filled.sql_port else None
    if by_wire:
        figures["by wire p50 ms"] = percentile(by_wire, 0.5) * 1e3
    figures |= {f"{name} s": seconds for name, seconds in scans(filled.admin_port, rounds=_SCAN_ROUNDS).items()}
    ratios, latencies, ended = [], [], 0
    for _ in range(rounds):
        alone, beside, count = under_scan(filled.ingress_port, filled.admin_port, seconds=seconds)
        ratios.append((beside.requests / beside.seconds) / (alone.requests / alone.seconds))
        assert beside.p99_ms is not None
        assert alone.p99_ms is not None
        latencies.append(beside.p99_ms / max(alone.p99_ms, 0.001))
        ended += count
    if ratios:
        figures["load beside a scan ×"] = statistics.median(ratios)
        figures["its p99 ×"] = statistics.median(latencies)
        figures["all rounds ×"] = [round(ratio, 3) for ratio in ratios]
        figures["scans beside it"] = ended
    figures["machine load"] = os.getloadavg()[0]
    return figures


def _report(figures: list[dict[str, Any]]) -> str:
    titles = [name for name in dict.fromkeys(name for row in figures for name in row) if name != "all rounds ×"]
    table = [titles]
    for row in figures:
        cells = [row.get(title, "-") for title in titles]
        table.append([f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells])
    return align(table, left=1)


if __name__ == "__main__":
    sys.exit(main())
