"""One run of one row on one configuration: start, register, warm up, load, measure, stop. Owns: that runtime.

Only one runtime is up at a time, on fresh data for every run: so neither disturbs the other, not even by what it does
when idle. The service is the same process for all.
"""

from __future__ import annotations

import re
import resource
import shutil
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from scripts.benchmark.calibration import Calibrator
from scripts.benchmark.load import LoadResult, run_load
from scripts.benchmark.measurement import EVERLOG, Figures, Measurement, ProcessUse
from scripts.benchmark.net import call, call_json, wait_for
from scripts.benchmark.owned import Owned
from scripts.benchmark.processes import build_of, used, uses_of
from scripts.benchmark.profiler import Profiler
from scripts.benchmark.rows import Kind, Row
from scripts.benchmark.services import Endpoint
from scripts.benchmark.sleepers import Sleepers, sleeper_problem
from scripts.benchmark.synced import SyncCount
from scripts.benchmark.targets import Running, Target
from scripts.benchmark.usage import cpu_seconds, disk_flushes, machine_busy_seconds, memory
from shared.errors import EverlogError

__all__ = ["Session", "Times", "first_answer"]

_REGISTERED_WITHIN_S = 30.0
_ANSWERED_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Times:
    """Lengths in whole seconds: wrk takes no others."""

    warm_up_s: int
    duration_s: int


class Session:
    """All runs, each in a folder of its own under `folder`."""

    def __init__(self, *, folder: Path, times: Times, calibrates: bool = False) -> None:
        self._folder = folder
        self._calibrates = calibrates
        self._times = times
        self._number = 0

    def measure(
        self, row: Row, target: Target, endpoint: Endpoint, *, round_: int, profiler: Profiler | None = None
    ) -> Measurement:
        """Never raises what a runtime does wrong: that is an invalid measurement, with the reason."""
        self._number += 1
        # Short: Unix sockets in it have paths of at most 107 bytes.
        folder = self._folder / f"n{self._number}"
        folder.mkdir(mode=0o700)
        owned = Owned()
        start_s: float | None = None
        syncs = _Syncs()
        found = _Found()
        restart_s: float | None = None
        sleepers = Sleepers(row)
        invalid = build = ""
        try:
            running = target.start(owned, folder)
            start_s = first_answer(row, running, endpoint)
            if row.kind is Kind.LOAD:
                syncs = self._warm_up(row, running)
            found = self._load(row, running, endpoint, folder, profiler, sleepers)
            build = build_of(running.pid) if target.side == EVERLOG else ""
            invalid = found.problem or _answer_problem(row, running) or _sync_problem(syncs.per_s)
            if row.restarts and profiler is None:
                owned.kill(running.pid)
                running = target.start(owned, folder)
                _wait_for_answer(row, running)
                restart_s = time.monotonic() - running.started_at
        except EverlogError as error:
            invalid = str(error)
        finally:
            if profiler is not None:
                profiler.end()
            owned.end_all()
            shutil.rmtree(folder, ignore_errors=True)
        return Measurement(
            row.name,
            target.side,
            target.configuration,
            round_,
            found.figures,
            start_s,
            syncs.per_s,
            invalid,
            restart_s,
            sleepers.wake_s,
            syncs.per_call,
            found.uses,
            build,
            found.calibration_s,
        )

    def _warm_up(self, row: Row, running: Running) -> _Syncs:
        """Load that is not measured, while the runtime's syncs are counted."""
        seconds = self._times.warm_up_s
        count = SyncCount(running.pid)
        try:
            load = run_load(row, ingress=_url(running), seconds=seconds)
            syncs = count.result()
            if syncs is None or not load.requests:
                return _Syncs()
            return _Syncs(syncs / load.seconds, syncs / load.requests)
        finally:
            count.end()

    def _load(
        self,
        row: Row,
        running: Running,
        endpoint: Endpoint,
        folder: Path,
        profiler: Profiler | None,
        sleepers: Sleepers,
    ) -> _Found:
        before, uses = _Usage.now(running, endpoint, folder), uses_of(running.pid)
        if profiler is not None:
            profiler.start(row.name, running.pid, seconds=self._times.duration_s)
        calibrator = Calibrator(self._times.duration_s) if self._calibrates and row.kind is Kind.LOAD else None
        if calibrator is not None:
            calibrator.start()
        if row.kind is Kind.LOAD:
            result = run_load(row, ingress=_url(running), seconds=self._times.duration_s)
        else:
            result = sleepers.run(running)
        after, more = _Usage.now(running, endpoint, folder), uses_of(running.pid)
        if profiler is not None:
            profiler.finish()
        calibration_s = calibrator.result() if calibrator else None
        return _Found(_figures(result, before, after, running), result.invalid, used(uses, more), calibration_s)


@dataclass(frozen=True, slots=True)
class _Found:
    """What a load came to, and why it does not count."""

    figures: Figures | None = None
    problem: str = ""
    uses: dict[str, ProcessUse] = field(default_factory=dict)
    calibration_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Syncs:
    """By the runtime itself, in the warm-up. None: not counted."""

    per_s: float | None = None
    per_call: float | None = None


@dataclass(frozen=True, slots=True)
class _Usage:
    """Counters at one moment, in seconds of CPU."""

    at: float
    runtime: float
    service: float
    client: float
    machine: float
    flushes: int | None

    @classmethod
    def now(cls, running: Running, endpoint: Endpoint, folder: Path) -> _Usage:
        # wrk, and what this program does beside it.
        ours = [resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
        return cls(
            at=time.monotonic(),
            runtime=cpu_seconds(running.pid),
            service=cpu_seconds(endpoint.pid),
            client=sum(each.ru_utime + each.ru_stime for each in ours),
            machine=machine_busy_seconds(),
            flushes=disk_flushes(folder),
        )


def _figures(result: LoadResult, before: _Usage, after: _Usage, running: Running) -> Figures:
    elapsed = after.at - before.at
    runtime, service = after.runtime - before.runtime, after.service - before.service
    client = after.client - before.client
    others = max(0.0, after.machine - before.machine - runtime - service - client)
    flushes = None if before.flushes is None or after.flushes is None else after.flushes - before.flushes
    used = memory(running.pid)
    return Figures(
        requests=result.requests,
        seconds=result.seconds,
        rps=result.requests / result.seconds if result.seconds else 0.0,
        p50_ms=result.p50_ms,
        p99_ms=result.p99_ms,
        max_ms=result.max_ms,
        cpu_ms=runtime * 1e3 / max(1, result.requests),
        runtime_cores=runtime / elapsed,
        service_cores=service / elapsed,
        client_cores=client / elapsed,
        other_cores=others / elapsed,
        pss_mb=used.pss_mb,
        rss_mb=used.rss_mb,
        processes=used.processes,
        disk_flushes_per_s=None if flushes is None else flushes / elapsed,
    )


def _url(running: Running) -> str:
    return f"http://127.0.0.1:{running.ingress_port}"


def first_answer(row: Row, running: Running, endpoint: Endpoint) -> float:
    """Register the service and call it until it answers; seconds since the start. Raises UnavailableError."""

    def register(uri: str) -> str:
        status, text = call_json(running.admin_port, "/deployments", {"uri": uri}, timeout_s=10.0)
        return "" if status in (200, 201) else f"{status} {text[:300]}"

    for uri in (endpoint.uri, *endpoint.beside):
        wait_for(partial(register, uri), within_s=_REGISTERED_WITHIN_S, what=f"{uri} is not registered")
    _wait_for_answer(row, running)
    return time.monotonic() - running.started_at


def _wait_for_answer(row: Row, running: Running) -> None:
    wait_for(lambda: _answer_problem(row, running), within_s=_ANSWERED_WITHIN_S, what=f"{row.path} has no right answer")


def _sync_problem(syncs_per_s: float | None) -> str:
    return "not one sync of data was seen during the warm-up: this runtime does not keep what it acknowledges" * (
        syncs_per_s == 0
    )


def _answer_problem(row: Row, running: Running) -> str:
    """What is wrong with the answer to one call; '' when it is right."""
    if row.kind is not Kind.LOAD:
        return sleeper_problem(running)
    status, text = call(running.ingress_port, row.path.format(key="first"), body=row.body)
    if status == row.status and re.fullmatch(row.answer, text):
        return ""
    return f"wrong answer: {status} {text[:200]!r}, want {row.answer}"
