"""The simulation finds what is put in on purpose. The quick ones here; all of them with EVERLOG_ALL_MUTANTS=1."""

from __future__ import annotations

import os

import pytest

from tests.simulation.mutants import MUTANTS, QUICK, SEEDS, mutated
from tests.simulation.plan import Plan
from tests.simulation.run import Report, simulate_plan

SLOW = [name for name in MUTANTS if name not in QUICK]


def find(name: str, seeds: int) -> Report | None:
    """The first of so many seeds that finds it."""
    with mutated(name):
        for seed in range(seeds):
            report = simulate_plan(Plan.of_seed(seed))
            if report.broken:
                return report
    return None


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_a_deliberate_bug_is_found(name: str) -> None:
    found = find(name, 1)
    assert found is not None
    assert found.broken == QUICK[name], found.text


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SLOW)
@pytest.mark.skipif("EVERLOG_ALL_MUTANTS" not in os.environ, reason="by hand: EVERLOG_ALL_MUTANTS=1")
def test_a_deliberate_bug_is_found_within_so_many_seeds(name: str) -> None:
    found = find(name, SEEDS.get(name, 4))
    assert found is not None
    print(f"{name}: {found.command} breaks {found.broken}")
