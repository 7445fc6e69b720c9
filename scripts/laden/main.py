"""The entry of `scripts/recovery`: fills a node, kills it, and measures how it comes back. Owns: the node, the service.

Exit status: 0 it was ready within the limit each time; 1 it was not; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scripts.benchmark.net import call_json, free_ports, wait_for
from scripts.benchmark.owned import Owned
from scripts.burden.bench import open_bench
from scripts.laden.batches import Load, old_key
from scripts.laden.fill import fill
from scripts.laden.node import Node, Start
from scripts.node.readiness import port_answers
from shared.errors import EverlogError, UnavailableError

__all__ = ["main", "parser"]

_ROOT = Path(__file__).resolve().parents[2]
_READY_WITHIN_S = 5.0
_REPLAY_WITHIN_S = 3600.0
_NAPS_DUE_AFTER_S = 30.0
#: Before a kill: the checkpoint of what was filled is made, and idle processes have given memory back.
_SETTLE_S = 5.0


def parser() -> argparse.ArgumentParser:
    """What `scripts/recovery` takes."""
    result = argparse.ArgumentParser(prog="scripts/recovery", description="How a node with much in it comes back.")
    add = result.add_argument
    add("--completed", type=int, default=1_000_000, metavar="N", help="completed invocations (default 1,000,000)")
    add("--suspended", type=int, default=10_000, metavar="N", help="that wait for an awakeable (default 10,000)")
    add("--naps", type=int, default=10_000, metavar="N", help="real ones that sleep, due at the last kill (10,000)")
    add("--state-mb", type=int, default=1000, metavar="MB", help="state of objects of 100 KB (default 1000)")
    add("--commands-of-a-record", type=int, default=128, metavar="N", help="1: as many records as commands")
    add("--kills", type=int, default=3, metavar="N", help="times that everything is killed (default 3)")
    add("--cold", action="store_true", help="behind each kill the data is read from the disk, not from its cache")
    add("--everlog-args", default="", metavar="ARGS", help="more for `everlog up`")
    add("--place", type=Path, metavar="DIR", help="keep the data here, and go on with it when it is filled already")
    add("--json", type=Path, metavar="FILE", help="write all figures")
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Fill, kill, measure."""
    arguments = parser().parse_args(argv)
    owned = Owned()
    with tempfile.TemporaryDirectory(prefix="evrec-", ignore_cleanup_errors=True) as place:
        folder = arguments.place or Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return _run(owned, folder, arguments)
        except (EverlogError, AssertionError, TimeoutError, OSError) as error:
            print(f"scripts/recovery: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
        finally:
            owned.end_all()


def _run(owned: Owned, folder: Path, arguments: argparse.Namespace) -> int:
    service = _service(owned, folder)
    node = Node(owned, folder / "data", arguments.everlog_args.split())
    figures: dict[str, Any] = {}
    if not (folder / "filled").exists():
        figures["empty"] = _show("empty, first start", node.start(within_s=60.0))
        deployment = _register(node, service)
        node.stop()
        figures |= _fill(node, arguments, deployment)
        began = time.monotonic()
        figures["replay"] = _show("replay of the whole log", node.start(within_s=_REPLAY_WITHIN_S))
        print(f"  replayed in {time.monotonic() - began:.1f} s", flush=True)
        (folder / "filled").write_text(deployment)
    else:
        node.start(within_s=_REPLAY_WITHIN_S)
        _register(node, service)
    starts = [_show("killed and started again", _again(node, cold=arguments.cold)) for _ in range(arguments.kills)]
    figures["starts"] = [asdict(start) for start in starts]
    figures["calls"] = _calls(node, arguments)
    figures["after_calls_mb"] = node.memory()
    if arguments.naps:
        figures["naps"] = asyncio.run(_naps(node, arguments.naps))
    ready_s = statistics.median(start.ready_s for start in starts) if starts else 0.0
    print(f"ready after {ready_s:.2f} s (median); limit {_READY_WITHIN_S:.0f} s")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=2, default=asdict) + "\n")
    node.stop()
    return 0 if ready_s <= _READY_WITHIN_S else 1


def _service(owned: Owned, folder: Path) -> str:
    """A kept node has its deployment's address in its log: the port is kept too."""
    file = folder / "service-port"
    port = int(file.read_text()) if file.exists() else free_ports(1)[0]
    file.write_text(str(port))
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    command = [sys.executable, "-P", "-m", "scripts.burden.service", str(port)]
    owned.spawn(command, log=folder / "service.log", environment=environment, folder=_ROOT)
    wait_for(lambda: "" if port_answers("127.0.0.1", port) else "silent", within_s=10.0, what="the service")
    return f"http://127.0.0.1:{port}"


def _register(node: Node, uri: str) -> str:
    status, text = call_json(node.admin_port, "/deployments", {"uri": uri}, timeout_s=30.0)
    if status not in (200, 201):
        raise UnavailableError(f"registering answered {status}: {text}")
    return str(json.loads(text)["id"])


def _fill(node: Node, arguments: argparse.Namespace, deployment: str) -> dict[str, Any]:
    load = Load(arguments.completed, arguments.suspended, objects=arguments.state_mb * 10)
    began = time.monotonic()
    logd = node.start_logd()
    try:
        size = arguments.commands_of_a_record
        records = asyncio.run(fill(node.settings, load, deployment, commands_of_a_record=size))
    finally:
        logd.send_signal(signal.SIGKILL)
        logd.wait()
    seconds = time.monotonic() - began
    print(f"{records} records are in the log after {seconds:.0f} s", flush=True)
    return {"records": records, "fill_s": seconds}


def _again(node: Node, *, cold: bool) -> Start:
    time.sleep(_SETTLE_S)
    node.kill()
    if cold:
        node.chill()
    return node.start(within_s=_REPLAY_WITHIN_S)


def _show(what: str, start: Start) -> Start:
    cpu = " ".join(f"{name} {seconds:.1f}" for name, seconds in sorted(start.cpu_s.items()))
    pss = " ".join(f"{name} {mb:.0f}" for name, mb in sorted(start.pss_mb.items()))
    print(f"{what}: ready after {start.ready_s:.2f} s (load {start.load:.1f})", flush=True)
    print(f"  CPU s: {cpu}\n  PSS MB: {pss}; together {sum(start.pss_mb.values()):.0f}", flush=True)
    return start


def _calls(node: Node, arguments: argparse.Namespace) -> dict[str, float]:
    """The first call of a new invocation, and the first question for an old one's result, seconds."""
    found = {"new": node.call("/Burden/echo")}
    if arguments.completed:
        found["old"] = node.call("/Burden/echo", key=old_key(arguments.completed // 2))
    print("  " + ", ".join(f"the first {name} call {seconds * 1000:.0f} ms" for name, seconds in found.items()))
    return found


async def _naps(node: Node, count: int) -> dict[str, float]:
    """Sleepers become due while nothing runs: how long until all of them have ended."""
    ingress, admin = f"http://127.0.0.1:{node.ingress_port}", f"http://127.0.0.1:{node.admin_port}"
    async with open_bench(ingress, admin, {}) as bench:
        due_s = time.time() + _NAPS_DUE_AFTER_S
        sent = await bench.many(lambda _: bench.send("Burden/nap", until_ms=int(due_s * 1000)), count)
    assert time.time() < due_s, "the sleepers were due before all were sent"
    await asyncio.to_thread(node.kill)
    await asyncio.sleep(max(0.0, due_s - time.time()))
    began = time.monotonic()
    start = await asyncio.to_thread(node.start, within_s=_REPLAY_WITHIN_S)
    _show(f"killed with {count} sleepers, started when they are due", start)
    async with open_bench(ingress, admin, {}) as bench:
        assert await bench.many(lambda number: bench.result(sent[number]), count) == ["slept"] * count
    seconds = time.monotonic() - began
    print(f"  all of them have ended {seconds:.1f} s after the start", flush=True)
    return {"ready_s": start.ready_s, "ended_s": seconds}


if __name__ == "__main__":
    sys.exit(main())
