"""A fixed set of seeds, and one that is another one in each run. `scripts/simulate` runs as many as you like."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.simulation.checkers import PROPERTIES
from tests.simulation.mutants import mutated
from tests.simulation.plan import FAULTS, Plan
from tests.simulation.run import Report, shrink, simulate_plan

# On a machine where much else runs a second of its own takes many.
pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).resolve().parents[2]
#: None: another one in each run.
SEEDS: list[int | None] = [*range(24), None]


def live(plan: Plan) -> Report:
    """Fails with what is broken, and the command that repeats it."""
    report = simulate_plan(plan)
    assert not report.broken, f"seed {plan.seed} breaks {report.broken}: {report.command}\n{report.text}"
    return report


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_that_is_promised_is_broken(seed: int | None) -> None:
    report = live(Plan.of_seed(random.SystemRandom().randrange(1 << 32) if seed is None else seed))
    assert report.requests >= 40
    assert report.checks["replica.digest"] >= 100


@pytest.mark.slow
def test_every_fault_happens_and_every_property_is_checked() -> None:
    """Or the fixed seeds would prove less than they say."""
    reports = [live(Plan(seed, clients=3, requests=6)) for seed in range(1000, 1006)]
    assert {fault for report in reports for fault in report.faults} >= set(FAULTS)
    assert {name for report in reports for name in report.checks} == PROPERTIES.keys() - {"program"}


@pytest.mark.slow
@pytest.mark.processes
def test_a_seed_gives_the_same_trace_in_another_process_whatever_the_hash_seed() -> None:
    plan = Plan(4711, clients=3, requests=6)
    words = plan.command.split()[1:]
    traces = {simulate_plan(plan).trace}
    for hash_seed in ("0", "4242"):
        ran = subprocess.run(
            [sys.executable, "-m", "tests.simulation", *words],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        traces.add(ran.stdout.strip().rpartition("trace ")[2])
    assert len(traces) == 1


@pytest.mark.slow
def test_a_trace_does_not_depend_on_the_machines_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """What looks at it passes on a quiet machine, and gives another trace on a busy one."""
    plan = Plan(4711, clients=3, requests=6, faults=30)
    times = itertools.count(1_000_000, 10)
    traces = []
    for monotonic in (lambda: 1_000_000.0, lambda: float(next(times))):
        with monkeypatch.context() as patch:
            patch.setattr(time, "monotonic", monotonic)
            traces.append(simulate_plan(plan).trace)
    assert traces[0] == traces[1]


def test_the_command_of_a_plan_tells_all_that_is_unusual() -> None:
    assert Plan.of_seed(7).command == "scripts/simulate --seed 7"
    told = Plan(8, nodes=1, clients=2, faults=3, without=("power", "cut")).command
    assert told == "scripts/simulate --seed 8 --nodes 1 --clients 2 --faults 3 --without power,cut"


@pytest.mark.slow
def test_a_failure_is_made_smaller_and_stays_the_same_failure() -> None:
    with mutated("acknowledge before the sync"):
        found = simulate_plan(Plan.of_seed(0))
        smallest = shrink(found, tries=12)
    assert smallest.broken == found.broken == "log.quorum"
    assert smallest.plan.faults + smallest.plan.clients < found.plan.faults + found.plan.clients
