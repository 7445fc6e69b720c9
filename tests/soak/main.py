"""The entry of `scripts/soak`: a node under load whose programs and services are killed at random, for as long as told.

Exit status: 0 nothing lost, nothing repeated, all digests equal; 1 something is wrong, and it says what; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.processes.node import Node
from tests.programs.test_on_a_node import ask, unfinished
from tests.soak.chaos import Chaos
from tests.soak.clients import Clients
from tests.soak.replica import Replicas
from tests.soak.report import final_table, progress_line
from tests.soak.services import Service, python_service, typescript_service
from tests.soak.watch import Sample, sample

__all__ = ["main"]

_PARTITIONS = 4
_TELL_EVERY_S = 5.0
_SAMPLE_EVERY_S = 15.0
_DRAIN_S = 120.0
#: Small checkpoints, so that the log is trimmed all the time; short silence, so that handlers are suspended.
_SETTINGS = {
    "partitions": _PARTITIONS,
    "workers": 2,
    "checkpoint_interval_s": 5,
    "checkpoint_log_bytes": 512 * 1024,
    "cleanup_interval_s": 15,
    "inactivity_timeout_s": 0.5,
    "retry_initial_interval_s": 0.05,
    "retry_max_interval_s": 1,
    "retry_max_attempts": 0,
}


class Soak:
    """One run."""

    def __init__(self, folder: Path, *, minutes: float, seed: int, scale: float) -> None:
        self._node = Node(folder / "data", **_SETTINGS)
        self._steps_file = folder / "steps"
        self._steps_file.touch()
        self._services: list[Service] = [python_service(folder, self._steps_file)]
        typescript = typescript_service(folder / "typescript")
        if isinstance(typescript, str):
            print(typescript, flush=True)
        else:
            self._services.append(typescript)
        self._replicas = Replicas(self._node.data_dir, folder / "replicas", partitions=_PARTITIONS)
        counters = ["Counter", "TsCounter"][: len(self._services)]
        self.clients = Clients(self._node.ingress, services=counters, seed=seed, scale=scale)
        self.chaos = Chaos(
            self._node,
            self._services,
            seed=seed,
            answered=lambda: self.clients.total,
            on_dead=self._replicas.compare,
        )
        self.began = time.monotonic()
        self._ends = self.began + minutes * 60
        self.samples: list[Sample] = []
        self.problems: list[str] = []

    async def run(self) -> None:
        """All of it; what is wrong is in `problems` afterwards. Ctrl-C ends it early, with all checks."""
        for service in self._services:
            await asyncio.to_thread(service.start)
        await asyncio.to_thread(self._node.up)
        for service in self._services:
            await asyncio.to_thread(ask, f"{self._node.admin}/deployments", {"uri": service.uri})
        self._replicas.start()
        self._ends += time.monotonic() - self.began
        self.began = time.monotonic()
        load = asyncio.create_task(self.clients.run())
        chaos = asyncio.create_task(self.chaos.run(self._ends))
        watch = asyncio.create_task(self._watch())
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, chaos.cancel)
        await asyncio.wait({load, chaos}, return_when=asyncio.FIRST_COMPLETED)
        self._take(chaos, "the kills")
        self.clients.stop()
        if load.done() or not self.problems:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(load), _DRAIN_S)
        self._take(load, "the load")
        chaos.cancel()
        await asyncio.gather(chaos, return_exceptions=True)
        if not self.problems:
            await self._check_at_rest()
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)

    def _take(self, task: asyncio.Task[None], what: str) -> None:
        if not task.done():
            if what == "the load":
                self.problems.append(f"calls were not answered within {_DRAIN_S:.0f} s")
                task.cancel()
        elif not task.cancelled() and (error := task.exception()) is not None:
            self.problems.append(f"{what}: {''.join(traceback.format_exception(error))}")

    async def _check_at_rest(self) -> None:
        """Nothing is under way any more; then all is killed and compared for the last time."""
        print("the load is over: checking", flush=True)
        await asyncio.to_thread(self._node.wait_ready)
        deadline = time.monotonic() + _DRAIN_S
        while rows := await asyncio.to_thread(unfinished, self._node):
            if time.monotonic() > deadline:
                self.problems.append(f"{len(rows)} invocations did not end: {rows[:5]}")
                break
            await asyncio.sleep(0.5)
        await self.clients.account(self._steps_file)
        await asyncio.to_thread(self._node.kill_all)
        self._replicas.compare()

    async def _watch(self) -> None:
        sampled = 0.0
        while True:
            seconds = time.monotonic() - self.began
            now = await asyncio.to_thread(sample, self._node.data_dir, seconds=seconds, calls=self.clients.total)
            if not self.samples or seconds - sampled >= _SAMPLE_EVERY_S:
                sampled = seconds
                self.samples.append(now)
            print(progress_line(now, self.clients, self.chaos), flush=True)
            await asyncio.sleep(_TELL_EVERY_S)

    async def end(self) -> list[str]:
        """Stop everything. Returns all that is wrong."""
        await self._replicas.close()
        for service in self._services:
            await asyncio.to_thread(service.kill)
        await asyncio.to_thread(self._node.everlog, "down")
        findings = self.clients.findings
        return [*self.problems, *self._replicas.problems, *findings.lost, *findings.repeated, *findings.wrong]

    def table(self) -> str:
        return final_table(self.samples, self.clients, self.chaos, self._replicas, time.monotonic() - self.began)

    def logs(self) -> Path:
        return self._node.data_dir / "logs"


async def _run(soak: Soak) -> list[str]:
    try:
        await soak.run()
    except Exception:
        soak.problems.append(traceback.format_exc())
    finally:
        problems = await soak.end()
    return problems


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print the table, say what is wrong."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description="A node under load, killed at random.")
    parser.add_argument("--minutes", type=float, default=30.0, metavar="M", help="how long (default 30)")
    parser.add_argument("--seed", type=int, metavar="N", help="repeats the choices of an earlier run")
    parser.add_argument("--scale", type=float, default=1.0, metavar="F", help="more or fewer clients (default 1)")
    parser.add_argument("--keep", action="store_true", help="keep the folder, with the data, even if all is well")
    arguments = parser.parse_args(argv)
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1 << 32)
    folder = Path(tempfile.mkdtemp(prefix="everlog-soak-"))
    print(f"seed {seed}: scripts/soak --minutes {arguments.minutes:g} --seed {seed}; files in {folder}", flush=True)

    async def scenario() -> tuple[list[str], str]:
        soak = Soak(folder, minutes=arguments.minutes, seed=seed, scale=arguments.scale)
        problems = await _run(soak)
        return problems, soak.table()

    problems, table = asyncio.run(scenario())
    print(table)
    for problem in problems[:50]:
        print(f"WRONG: {problem}")
    if problems or arguments.keep:
        print(f"{len(problems)} problems; the node's data and logs are in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
