"""One point: a runtime is started on fresh data, brought to where it is to stand, and loaded. Owns: it.

The points of `stored` are loaded `rounds` times on one runtime, for filling takes long; the others once each.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmark.load import CALL_TIMEOUT_S, LoadResult, run_load
from scripts.benchmark.net import call, call_json, patch_json, wait_for
from scripts.benchmark.owned import Owned
from scripts.benchmark.targets import Everlog, Oracle, Running, Target
from scripts.benchmark.usage import cpu_seconds, memory
from scripts.growth.filled import filled
from scripts.growth.payload import text
from scripts.growth.points import Point, load_of
from scripts.growth.waiting import Waiting, raise_file_limit
from shared.errors import EverlogError, UnavailableError

__all__ = ["Bench"]

_READY_WITHIN_S = 60.0
#: A runtime is at rest when it uses less than this of a core, for so long.
_QUIET_CORES = 0.1
_QUIET_S = 1.0
_QUIET_WITHIN_S = 120.0
_COUNT = "SELECT COUNT(*) AS n FROM sys_invocation_status"
#: Above what was to be stored: the calls of clients that check, and those on their way.
_STORED_MORE = 200
_LARGE_BYTES = 1_000_000
_LARGE_S = 15
_LARGE_CALL_S = 60


@dataclass(slots=True)
class Bench:
    """What all points share. `endpoints`: name -> address."""

    folder: Path
    endpoints: dict[str, str]
    oracle_binary: Path | None
    oracle_partitions: int
    everlog_args: str
    warm_up_s: int
    duration_s: int
    number: int = 0

    def target(self, question: str, x: int, side: str) -> Target:
        """Everlog or the oracle as the point wants it."""
        if side == Everlog.side:
            more = f" --partitions {x}" if question == "partitions" else ""
            return Everlog((), f"{self.everlog_args}{more}")
        assert self.oracle_binary is not None
        return Oracle(self.oracle_binary, x if question == "partitions" else self.oracle_partitions)

    def measure(self, question: str, x: int, side: str, rounds: Sequence[int]) -> Iterator[Point]:
        """One point of a question, once for each of `rounds`. What a runtime does wrong is an invalid point."""
        if question == "stored":
            yield from self._measure(question, x, side, rounds)
            return
        for round_ in rounds:
            yield from self._measure(question, x, side, [round_])

    def _measure(self, question: str, x: int, side: str, rounds: Sequence[int]) -> Iterator[Point]:
        self.number += 1
        # Short: Unix sockets in it have paths of at most 107 bytes.
        folder = self.folder / f"n{self.number}"
        folder.mkdir(mode=0o700)
        owned = Owned()
        target = self.target(question, x, side)
        try:
            with ExitStack() as stack:
                running, waiting = self._ready(stack, question, x, target, owned, folder)
                for round_ in rounds:
                    yield self._load(question, x, target, running, waiting, round_)
        except EverlogError as error:
            yield Point(question, x, side, target.configuration, rounds[0], invalid=str(error))
        finally:
            owned.end_all()
            shutil.rmtree(folder, ignore_errors=True)

    def _ready(
        self, stack: ExitStack, question: str, x: int, target: Target, owned: Owned, folder: Path
    ) -> tuple[Running, Waiting | None]:
        """Started, registered, filled, answering, at rest."""
        waiting = None
        load = load_of(question, x)
        if question == "stored":
            cheap = self.endpoints["cheap"]
            running = filled(target, owned, folder, cheap, x, everlog_args=self.everlog_args)
            _keep_no_more(running)
        else:
            if question == "clients":
                raise_file_limit(x)
            running = target.start(owned, folder)
            names = [load.service, *(["waiting"] if question == "clients" else [])]
            for name in names:
                _register(running, self.endpoints[name])
        body = text(load.body_bytes).decode() if load.body_bytes else load.body

        def problem() -> str:
            status, said = call(running.ingress_port, load.path, body=body, timeout_s=30.0)
            right = status == load.status and re.fullmatch(load.answer, said)
            return "" if right else f"wrong answer: {status} {said[:200]!r}"

        wait_for(problem, within_s=_READY_WITHIN_S, what=f"{load.path} has no right answer")
        if question == "clients":
            waiting = stack.enter_context(Waiting(running.ingress_port, running.admin_port, x))
        _settle(running.pid)
        return running, waiting

    def _load(
        self, question: str, x: int, target: Target, running: Running, waiting: Waiting | None, round_: int
    ) -> Point:
        load = load_of(question, x)
        ingress = f"http://127.0.0.1:{running.ingress_port}"
        # Some of the largest calls take seconds: the window must hold many of them.
        large = load.body_bytes >= _LARGE_BYTES
        seconds = max(self.duration_s, _LARGE_S) if large else self.duration_s
        timeout_s = _LARGE_CALL_S if large else CALL_TIMEOUT_S
        run_load(load, ingress=ingress, seconds=self.warm_up_s, timeout_s=timeout_s)
        before = cpu_seconds(running.pid)
        result = run_load(load, ingress=ingress, seconds=seconds, timeout_s=timeout_s)
        used_s = cpu_seconds(running.pid) - before
        invalid = result.invalid or (waiting.check() if waiting else "")
        if question == "stored" and not invalid:
            invalid = _stored_problem(x, _stored(running))
        return _point(question, x, target, round_, result, used_s, memory(running.pid).pss_mb, invalid)


def _point(
    question: str, x: int, target: Target, round_: int, result: LoadResult, used: float, pss_mb: float, invalid: str
) -> Point:
    calls = max(1, result.requests)
    return Point(
        question,
        x,
        target.side,
        target.configuration,
        round_,
        rps=round(result.requests / result.seconds, 2) if result.seconds else 0.0,
        p50_ms=result.p50_ms or 0.0,
        p99_ms=result.p99_ms or 0.0,
        cpu_us=round(used * 1e6 / calls, 1),
        pss_mb=round(pss_mb, 1),
        invalid=invalid,
        taken_at=time.strftime("%Y-%m-%d %H:%M"),
    )


def _register(running: Running, uri: str) -> None:
    def attempt() -> str:
        status, text = call_json(running.admin_port, "/deployments", {"uri": uri}, timeout_s=30.0)
        return "" if status in (200, 201) else f"{status} {text[:300]}"

    wait_for(attempt, within_s=_READY_WITHIN_S, what=f"{uri} is not registered")


def _stored_problem(x: int, stored: int) -> str:
    """The load must not have changed what the question is about. Filling by load overshoots, by a slice of it."""
    return "" if x <= stored <= 1.5 * x + _STORED_MORE else f"{stored} invocations are stored behind the load, not {x}"


def _keep_no_more(running: Running) -> None:
    """From now on what completes is forgotten at once, else the load itself would store ten thousands."""
    change = {"journal_retention": "0s", "idempotency_retention": "0s"}
    status, text = patch_json(running.admin_port, "/services/Cheap", change, timeout_s=30.0)
    if status != 200:
        raise UnavailableError(f"the retention of Cheap cannot be set: {status} {text[:200]}")


def _stored(running: Running) -> int:
    status, text = call_json(running.admin_port, "/query", {"query": _COUNT}, timeout_s=300.0)
    if status != 200:
        raise UnavailableError(f"{_COUNT} is answered with {status} {text[:200]}")
    return int(json.loads(text)["rows"][0]["n"])


def _settle(pid: int) -> None:
    """Wait until the runtime has done what filling left to it. Raises UnavailableError when it does not end."""
    deadline = time.monotonic() + _QUIET_WITHIN_S
    while time.monotonic() < deadline:
        before = cpu_seconds(pid)
        time.sleep(_QUIET_S)
        if cpu_seconds(pid) - before < _QUIET_CORES * _QUIET_S:
            return
    raise UnavailableError(f"the runtime does not come to rest within {_QUIET_WITHIN_S:.0f} s")
