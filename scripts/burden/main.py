"""The entry of `scripts/memory`: arguments, a fresh node and the service for each load, the table. Owns: both.

Exit status: 0 all loads went as they must; 1 one did not, and says why; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from scripts.benchmark.net import free_ports, wait_for
from scripts.benchmark.owned import Owned
from scripts.benchmark.targets import Everlog
from scripts.burden import cases
from scripts.burden.bench import Bench, Measured, open_bench
from scripts.node.readiness import port_answers, socket_peer
from shared.errors import EverlogError

__all__ = ["CASES", "main", "node_pids"]

_ROOT = Path(__file__).resolve().parents[2]
_WATCHED = ("worker", "logd", "ingress")

#: Each load in its full size; `--scale` makes the counts smaller.
CASES: dict[str, Callable[[Bench, float], Awaitable[None]]] = {
    "flood": lambda bench, scale: cases.flood(bench, calls=8, mb=_scaled(100, scale)),
    "deaf": lambda bench, scale: cases.deaf(bench, calls=4, mb=_scaled(100, scale)),
    "slow": lambda bench, scale: cases.slow(bench, calls=_scaled(32, scale), mb=8),
    "state": lambda bench, scale: cases.state(bench, values=_scaled(100, scale)),
    "greedy": lambda bench, scale: cases.greedy(bench, values=_scaled(100, scale)),
    "starts": lambda bench, scale: cases.starts(bench, calls=_scaled(64, scale), values=16),
    "journal": lambda bench, scale: cases.journal(bench, entries=_scaled(50_000, scale)),
    "killed": lambda bench, scale: cases.killed(bench, entries=_scaled(50_000, scale)),
    "suspended": lambda bench, scale: cases.suspended(bench, calls=_scaled(10_000, scale)),
    "naps": lambda bench, scale: cases.naps(bench, calls=_scaled(10_000, scale)),
    "running": lambda bench, scale: cases.running(bench, calls=_scaled(1000, scale) - 2),
}


def _scaled(count: int, scale: float) -> int:
    return max(4, round(count * scale) // 2 * 2)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the loads one after the other, each on a fresh node, and print what was measured."""
    parser = argparse.ArgumentParser(prog="scripts/memory", description="Memory of a node under loads that are hard.")
    parser.add_argument("loads", nargs="*", metavar="LOAD", help=f"default: all of {', '.join(CASES)}")
    parser.add_argument("--scale", type=float, default=1.0, metavar="F", help="a part of the full size (default 1)")
    parser.add_argument("--everlog-args", default="", metavar="ARGS", help="more for `everlog up`")
    parser.add_argument("--everlog-command", default="", metavar="CMD", help="another `everlog` than this checkout's")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    arguments = parser.parse_args(argv)
    unknown = [name for name in arguments.loads if name not in CASES]
    if unknown:
        parser.error(f"no such load: {', '.join(unknown)}; there are {', '.join(CASES)}")
    rows: list[Measured] = []
    failed = 0
    for name in arguments.loads or CASES:
        try:
            rows.append(_run(name, arguments))
            print(_line(rows[-1]), flush=True)
        except (EverlogError, AssertionError, TimeoutError, OSError) as error:
            failed += 1
            print(f"{name}: FAILED: {type(error).__name__}: {error}", flush=True)
    if arguments.json is not None:
        fields = Measured.__slots__
        content = [{field: getattr(row, field) for field in fields} for row in rows]
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")
    return 1 if failed else 0


def _run(name: str, arguments: argparse.Namespace) -> Measured:
    """One load on a node of its own."""
    owned = Owned()
    with tempfile.TemporaryDirectory(prefix="evmem-", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        try:
            command = arguments.everlog_command.split()
            node = Everlog(command, arguments.everlog_args).start(owned, folder)
            (port,) = free_ports(1)
            environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
            service = [sys.executable, "-P", "-m", "scripts.burden.service", str(port)]
            owned.spawn(service, log=folder / "service.log", environment=environment, folder=_ROOT)
            wait_for(lambda: "" if port_answers("127.0.0.1", port) else "silent", within_s=10.0, what="the service")
            pids = node_pids(folder / "data" / "run")
            ingress, admin = f"http://127.0.0.1:{node.ingress_port}", f"http://127.0.0.1:{node.admin_port}"
            return asyncio.run(_measure(name, arguments.scale, ingress, admin, pids, f"http://127.0.0.1:{port}"))
        finally:
            owned.end_all()


async def _measure(name: str, scale: float, ingress: str, admin: str, pids: dict[str, int], service: str) -> Measured:
    async with open_bench(ingress, admin, pids) as bench:
        await bench.register(service)
        await bench.ready()
        return await bench.measure(name, lambda: CASES[name](bench, scale))


def node_pids(run: Path) -> dict[str, int]:
    """The node's processes that a load may burden, by name, found by their sockets in `run`."""
    found = {path.stem.replace("partitiond", "worker"): socket_peer(path) for path in sorted(run.glob("*.sock"))}
    return {name: pid for name, pid in found.items() if pid is not None and name.startswith(_WATCHED)}


def _line(row: Measured) -> str:
    cells = [
        f"{name} {row.before[name]:.0f} -> {row.peak[name]:.0f} -> {row.after[name]:.0f}" for name in sorted(row.peak)
    ]
    beside = f"{row.calls} calls beside it, the slowest {row.slowest_ms:.0f} ms"
    return f"{row.name:<10} {row.seconds:6.1f} s | MB before -> peak -> after: {'; '.join(cells)} | {beside}"


if __name__ == "__main__":
    sys.exit(main())
