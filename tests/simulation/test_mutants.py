"""The simulation finds what is put in on purpose. The quick ones here; all of them with EVERLOG_ALL_MUTANTS=1."""

from __future__ import annotations

import os

import pytest

from tests.simulation.mutants import MUTANTS, QUICK, SEEDS, mutated, plan_of
from tests.simulation.run import Report, simulate_plan

#: By hand, all of them; in each run those that are found in a moment.
NAMES = list(MUTANTS) if "EVERLOG_ALL_MUTANTS" in os.environ else list(QUICK)


def find(name: str, seeds: int) -> Report | None:
    """The first of so many seeds that finds it."""
    with mutated(name):
        for seed in range(seeds):
            report = simulate_plan(plan_of(name, seed))
            if report.broken:
                return report
    return None


@pytest.mark.slow
@pytest.mark.timeout(300 if list(QUICK) == NAMES else 1200)
@pytest.mark.parametrize("name", NAMES)
def test_a_deliberate_bug_is_found(name: str) -> None:
    found = find(name, SEEDS.get(name, 6))
    assert found is not None
    print(f"{name}: {found.command} breaks {found.broken}")
    assert name not in QUICK or found.broken in QUICK[name], found.text
