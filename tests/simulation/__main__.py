"""Many seeds on all cores, or one again. `scripts/simulate` starts it; `--help` says how."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace

from tests.simulation.checkers import PROPERTIES
from tests.simulation.mutants import MUTANTS, mutated
from tests.simulation.plan import FAULTS, WORLDS, Plan
from tests.simulation.run import Report, shrink
from tests.simulation.worlds import simulate_world

_PROGRESS_S = 10.0


def main(arguments: list[str]) -> int:
    """The exit status: 1 when something was found."""
    options = _parser().parse_args(arguments)
    if options.list:
        _print_table("property", [(name, text) for name, text in PROPERTIES.items()])
        _print_table("bug for --mutant", [(name, "") for name in MUTANTS])
        return 0
    if options.seed is not None:
        return _one(_plan(options, options.seed), options)
    return _many(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/simulate", description=__doc__)
    parser.add_argument("--seed", type=int, help="this one, with its trace; a failure is told in full")
    parser.add_argument("--hours", type=float, default=0.0, help="so long, seed after seed (0.1 is six minutes)")
    parser.add_argument("--seeds", type=int, help="so many, instead of a time")
    parser.add_argument("--first-seed", type=int, help="where to begin; without it at one of the clock")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="processes; all cores")
    parser.add_argument("--stop", type=int, default=1, help="end after so many findings")
    parser.add_argument("--no-shrink", action="store_true", help="leave a failure as large as it is")
    parser.add_argument("--mutant", choices=MUTANTS, metavar="BUG", help="with this bug put in; --list names them")
    parser.add_argument("--list", action="store_true", help="what is checked, and which bugs can be put in")
    for name in ("nodes", "partitions", "clients", "requests", "faults"):
        parser.add_argument(f"--{name}", type=int, help="instead of what the seed says")
    parser.add_argument("--world", choices=(*WORLDS, "all"), default="cluster", help="all: in turn, cluster mostly")
    parser.add_argument("--without", default="", help=f"faults to leave out: {','.join(FAULTS)}")
    return parser


def _plan(options: argparse.Namespace, seed: int) -> Plan:
    names = ("nodes", "partitions", "clients", "requests", "faults")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    without = tuple(name for name in options.without.split(",") if name)
    # Every second one is a cluster.
    world = (options.world, *WORLDS)[seed // 2 % 3 + 2 if seed % 2 else 1] if options.world == "all" else options.world
    return replace(Plan.of_seed(seed), without=without, world=world, **given)


def _one(plan: Plan, options: argparse.Namespace) -> int:
    with _bug(options):
        report = simulate_world(plan)
        _tell(Counter(), [report])
        print(f"trace {report.trace}")
        return _findings([report], options)


def _bug(options: argparse.Namespace) -> object:
    return mutated(options.mutant) if options.mutant else nullcontext()


def _run(job: tuple[Plan, str | None]) -> Report:
    plan, mutant = job
    with mutated(mutant) if mutant else nullcontext():
        return simulate_world(plan)


def _many(options: argparse.Namespace) -> int:
    first = int(time.time()) % 1_000_000 * 1000 if options.first_seed is None else options.first_seed
    ends_at = time.monotonic() + options.hours * 3600
    count = options.seeds or (None if options.hours else 20)
    print(f"from seed {first} on, {options.jobs} jobs", flush=True)

    def jobs() -> Iterator[tuple[Plan, str | None]]:
        seed = first
        while (seed - first < count) if count is not None else time.monotonic() < ends_at:
            yield _plan(options, seed), options.mutant
            seed += 1

    reports: list[Report] = []
    found: list[Report] = []
    started = told_at = time.monotonic()
    with multiprocessing.Pool(options.jobs, maxtasksperchild=50) as pool:
        for report in _bounded(pool, jobs(), options.jobs):
            reports.append(report)
            if report.broken:
                found.append(report)
                print(f"seed {report.plan.seed} breaks {report.broken}: {report.command}", flush=True)
                if len(found) >= options.stop:
                    break
            if time.monotonic() - told_at > _PROGRESS_S:
                told_at = time.monotonic()
                print(_progress(reports, found, told_at - started), flush=True)
        pool.terminate()
    _tell(Counter(), reports)
    with _bug(options):
        return _findings(found, options)


def _bounded(pool: multiprocessing.pool.Pool, jobs: Iterator[tuple[Plan, str | None]], width: int) -> Iterator[Report]:
    """As `imap_unordered`, but no more jobs are taken than are worked on."""
    running = [pool.apply_async(_run, (job,)) for job, _ in zip(jobs, range(width + 1), strict=False)]
    while running:
        for at, result in enumerate(running):
            result.wait(0.05)
            if result.ready():
                del running[at]
                yield result.get()
                job = next(jobs, None)
                if job is not None:
                    running.append(pool.apply_async(_run, (job,)))
                break


def _progress(reports: list[Report], found: list[Report], seconds: float) -> str:
    steps = sum(report.steps for report in reports)
    faults = sum(sum(report.faults.values()) for report in reports)
    return (
        f"{seconds:.0f} s: {len(reports)} seeds, {steps} steps ({steps / seconds:.0f}/s), {faults} faults, "
        f"{len(found)} findings"
    )


def _tell(faults: Counter[str], reports: list[Report]) -> None:
    checks: Counter[str] = Counter()
    for report in reports:
        faults.update(report.faults)
        checks.update(report.checks)
    cpu_s = sum(report.cpu_s for report in reports)
    rows = {
        "seeds": len(reports),
        "steps": sum(report.steps for report in reports),
        "steps/s of one core": round(sum(report.steps for report in reports) / max(cpu_s, 0.001)),
        "CPU seconds": round(cpu_s, 1),
        "simulated seconds": round(sum(report.simulated_s for report in reports)),
        "records": sum(report.records for report in reports),
        "requests": sum(report.requests for report in reports),
        "findings": sum(bool(report.broken) for report in reports),
    }
    _print_table("in all", [(name, str(value)) for name, value in rows.items()])
    _print_table("fault", [(name, str(count)) for name, count in faults.most_common()])
    _print_table("checked", [(name, str(checks[name])) for name in PROPERTIES if checks[name]])


def _print_table(title: str, rows: list[tuple[str, str]]) -> None:
    width = max([len(title), *(len(name) for name, _ in rows)])
    print(f"\n{title}")
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")


def _findings(found: list[Report], options: argparse.Namespace) -> int:
    for report in found:
        if not report.broken:
            continue
        print(f"\nseed {report.plan.seed} breaks {report.broken}\n{report.text}")
        print(f"repeat it: {report.command}", flush=True)
        if not options.no_shrink and report.plan.world == "cluster":
            smallest = shrink(report, lambda command: print(f"  smaller: {command}", flush=True))
            print(f"the smallest that was found: {smallest.command}\n{smallest.text}")
    return 1 if any(report.broken for report in found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
