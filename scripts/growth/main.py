"""The entry of `scripts/bench growth`: what is to be measured, the runs, the report. Owns: the folder, the endpoints.

Exit status: 0; 1 a point has no valid run; 2 wrong usage; 130 interrupted. Nothing that was started outlives it.
With --json every run is kept as soon as it is there, and a further call measures only what is missing.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from scripts.benchmark.campaign import say
from scripts.benchmark.facts import gather
from scripts.benchmark.load import find_wrk
from scripts.benchmark.measurement import EVERLOG, ORACLE
from scripts.benchmark.owned import Owned
from scripts.benchmark.services import start_service
from scripts.benchmark.targets import Oracle, find_oracle
from scripts.growth.measure import Bench
from scripts.growth.payload import start_payload
from scripts.growth.plot import plot
from scripts.growth.points import QUESTIONS, Numbers, Point, answers, missing, pick
from scripts.growth.table import replaced, table
from scripts.growth.waiting import start_waiting_service
from shared.errors import ConfigError, EverlogError

__all__ = ["main", "parser"]

_ROOT = Path(__file__).resolve().parents[2]
_PAGE = "performance.md"
#: Starting, registering, stopping; and what filling takes for each invocation.
_AROUND_A_RUN_S = 4.0
_FILL_S = {EVERLOG: 1.0 / 12_000, ORACLE: 1.0 / 4_000}
_SMALL = {"rounds": 1, "duration": 2, "warm_up": 1}
_FULL = {"rounds": 3, "duration": 5, "warm_up": 2}


def parser() -> argparse.ArgumentParser:
    """What `scripts/bench growth` takes."""
    result = argparse.ArgumentParser(
        prog="scripts/bench growth", description="What a call costs as work grows, beside the oracle."
    )
    add = result.add_argument
    names = ",".join([*QUESTIONS, EVERLOG, ORACLE])
    add("--only", default="", metavar="Q,…", help=f"some of {names} (default: all)")
    add("--small", action="store_true", help="few points, one round, short: to see that it runs")
    add("--rounds", type=int, metavar="N", help="runs at each point (default 3, small 1)")
    add("--duration", type=int, metavar="S", help="seconds of a measured load (default 5, small 2)")
    add("--warm-up", type=int, metavar="S", help="seconds of load before it (default 2, small 1)")
    add("--json", type=Path, metavar="FILE", help="keep each run there; those that it has are not made again")
    add("--plot", type=Path, metavar="DIR", help=f"draw DIR/growth.png, and put the numbers into DIR/{_PAGE}")
    add("--from", type=Path, metavar="FILE", dest="source", help="measure nothing: the numbers are in FILE")
    add("--everlog-args", default="", metavar="ARGS", help="more for `everlog up`")
    add("--oracle-binary", metavar="PATH", help="restate-server (default: $EVERLOG_ORACLE, ../shared/oracle/restate)")
    add("--oracle-partitions", type=int, default=4, metavar="N", help="where they are not the question (default 4)")
    add("--work-dir", type=Path, metavar="DIR", help="where data is written; not in memory (default: the system's)")
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what is missing, and report."""
    arguments = parser().parse_args(argv)
    for name, value in (_SMALL if arguments.small else _FULL).items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        if arguments.source is not None:
            return _report(arguments, Numbers.decode(arguments.source.read_bytes()))
        kept = arguments.json
        numbers = Numbers.decode(kept.read_bytes()) if kept and kept.exists() else Numbers([], [])
        find_wrk()
        try:
            _measure(arguments, numbers)
        except KeyboardInterrupt:
            _report(arguments, numbers)
            return 130
        return _report(arguments, numbers)
    except (EverlogError, ValueError, OSError) as error:
        say(f"scripts/bench growth: {error}")
        return 2


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Once: the second Ctrl-C must not cut the cleaning up short, which has time limits of its own."""
    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, lambda *_: say("stopping what was started…"))
    say("interrupted")
    raise KeyboardInterrupt


def _measure(arguments: argparse.Namespace, numbers: Numbers) -> None:
    questions, sides = pick(arguments.only)
    binary = find_oracle(arguments.oracle_binary, root=_ROOT) if ORACLE in sides else None
    if binary is None:
        sides = [side for side in sides if side != ORACLE]
    if not sides:
        raise ConfigError("there is nothing to measure: no oracle was found; name it with --oracle-binary")
    plan = _plan(arguments, numbers, questions, sides)
    say(f"{sum(len(rounds) for *_, rounds in plan)} runs, about {max(1, round(_forecast_s(arguments, plan) / 60))} min")
    if not plan:
        return
    owned = Owned()
    # A short path: Unix sockets are made under it.
    with tempfile.TemporaryDirectory(prefix="evgrow-", dir=arguments.work_dir, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            oracle = Oracle(binary, arguments.oracle_partitions) if binary else None
            facts = gather(folder=folder, root=_ROOT, oracle=oracle)
            lines = [*facts.lines()[:3], f"{arguments.rounds} rounds of {arguments.duration} s"]
            numbers.facts.append(f"{'; '.join(line.rstrip('.') for line in lines)}: {', '.join(questions)}")
            bench = Bench(
                folder,
                _endpoints(owned, folder, questions),
                binary,
                arguments.oracle_partitions,
                arguments.everlog_args,
                arguments.warm_up,
                arguments.duration,
            )
            for question, x, side, rounds in plan:
                for point in bench.measure(question, x, side, rounds):
                    _keep(arguments, numbers, point)
        finally:
            owned.end_all()


def _plan(
    arguments: argparse.Namespace, numbers: Numbers, questions: Sequence[str], sides: Sequence[str]
) -> list[tuple[str, int, str, list[int]]]:
    """Points with the rounds that are missing; the sides in turn."""
    plan = []
    for name in questions:
        question = QUESTIONS[name]
        for x in question.few if arguments.small else question.points:
            for side in sides:
                rounds = missing(numbers.points, name, x, side, arguments.rounds)
                if rounds:
                    plan.append((name, x, side, rounds))
    return plan


def _forecast_s(arguments: argparse.Namespace, plan: Sequence[tuple[str, int, str, list[int]]]) -> float:
    seconds = 0.0
    for question, x, side, rounds in plan:
        starts = 1 if question == "stored" else len(rounds)
        filling = x * _FILL_S[side] if question == "stored" else 0.0
        seconds += len(rounds) * (arguments.warm_up + arguments.duration) + starts * _AROUND_A_RUN_S + filling
    return seconds


def _endpoints(owned: Owned, folder: Path, questions: Sequence[str]) -> dict[str, str]:
    endpoints = {"cheap": start_service("cheap", owned=owned, folder=folder, root=_ROOT).uri}
    if "payload" in questions:
        endpoints["payload"] = start_payload(owned, folder, QUESTIONS["payload"].points)
    if "clients" in questions:
        endpoints["waiting"] = start_waiting_service(owned, folder)
    return endpoints


def _keep(arguments: argparse.Namespace, numbers: Numbers, point: Point) -> None:
    """The new run in the place of an invalid one of its round."""
    same = (point.question, point.x, point.side, point.round)
    numbers.points = [p for p in numbers.points if (p.question, p.x, p.side, p.round) != same]
    numbers.points.append(point)
    found = f"{point.rps:.0f} req/s, {point.p50_ms:.2f} p50 ms, {point.p99_ms:.2f} p99 ms, {point.cpu_us:.0f} µs CPU"
    shown = f"INVALID: {point.invalid}" if point.invalid else f"{found}, {point.pss_mb:.0f} PSS MB"
    say(f"{point.question} {point.x}  round {point.round}/{arguments.rounds}  {point.configuration}: {shown}")
    if arguments.json is not None:
        arguments.json.write_text(numbers.encode())


def _report(arguments: argparse.Namespace, numbers: Numbers) -> int:
    print(table(numbers), flush=True)
    if arguments.plot is not None:
        arguments.plot.mkdir(parents=True, exist_ok=True)
        plot(numbers, arguments.plot / "growth.png")
        page = arguments.plot / _PAGE
        if page.exists():
            page.write_text(replaced(page.read_text(), numbers))
    have = {(answer.question, answer.x, answer.side) for answer in answers(numbers.points)}
    return 1 if any((p.question, p.x, p.side) not in have for p in numbers.points) else 0


if __name__ == "__main__":
    sys.exit(main())
