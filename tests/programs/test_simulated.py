"""Random programs in the simulation: two nodes that are killed, cut off and confused. A seed tells it all."""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import twice
from tests.partitiond.simulation.world import PARTITIONS
from tests.programs.language import make_program
from tests.programs.lives import live

#: None: another one in each run.
SEEDS = [*range(8), None]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [int(s) for s in os.environ.get("EVERLOG_TEST_SEED", "").split()] or SEEDS)
def test_programs_come_to_what_the_model_says(seed: int | None) -> None:
    if seed is None:
        seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}: EVERLOG_TEST_SEED={seed} scripts/test tests/programs/test_simulated.py -k model")
    chooser = random.Random(seed)
    world = live(seed, [make_program(chooser) for _ in range(40)])
    twice.add_all(world.log.disk, world.stores, PARTITIONS)
    assert world.waker_checks >= 5


@pytest.mark.slow
@settings(max_examples=20, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
@given(chooser=st.randoms(use_true_random=False), seed=st.integers(0, 1 << 32))
def test_no_small_program_is_found_that_fails(chooser: random.Random, seed: int) -> None:
    """Hypothesis makes what fails smaller, and prints how to repeat it."""
    live(seed, [make_program(chooser, size=6) for _ in range(chooser.randint(1, 6))])
