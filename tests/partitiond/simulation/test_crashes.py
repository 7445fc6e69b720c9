"""Random invocations on two nodes that are killed, cut off and confused at random moments. A seed tells it all."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests import twice
from tests.fakes.sim_loop import simulate
from tests.partitiond.simulation.checks import check, check_scopes
from tests.partitiond.simulation.replay import dump
from tests.partitiond.simulation.world import PARTITIONS, World

ROOT = Path(__file__).resolve().parents[3]
#: None: another one in each run.
SEEDS: list[int | None] = [*range(20), None]
SCOPED_SEEDS: list[int | None] = [*range(10), None]


def live(seed: int, *, scoped: bool = False) -> World:
    """A whole life; the seed is what a failure is repeated with."""
    print(f"seed {seed}: EVERLOG_TEST_SEED={seed} scripts/test tests/partitiond/simulation")
    world = World(seed, scoped=scoped)
    simulate(world.run(clients=6, requests=20))
    twice.add_all(world.log.disk, world.stores, PARTITIONS)
    return world


def seeds(wanted: list[int | None]) -> list[int | None]:
    return [int(seed) for seed in os.environ.get("EVERLOG_TEST_SEED", "").split()] or wanted


@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(SEEDS))
def test_nothing_acknowledged_is_lost_or_repeated(seed: int | None) -> None:
    check(live(random.SystemRandom().randrange(1 << 32) if seed is None else seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(SCOPED_SEEDS))
def test_limits_hold_within_scopes_whatever_fails(seed: int | None) -> None:
    """The invoker counts what really runs at once; rules change meanwhile."""
    world = live(random.SystemRandom().randrange(1 << 32) if seed is None else seed, scoped=True)
    check(world)
    check_scopes(world)


@pytest.mark.slow
@pytest.mark.processes
def test_a_replay_gives_the_same_bytes_whatever_the_hash_seed(tmp_path: Path) -> None:
    world = live(4711)
    file = tmp_path / "log"
    file.write_bytes(msgspec.msgpack.encode(dump(world.log.disk, PARTITIONS)))
    printed = {
        subprocess.run(
            [sys.executable, "-m", "tests.partitiond.simulation.replay", str(file)],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "1", "4242")
    }
    assert printed == {" ".join(world.stores[number].digest() for number in range(PARTITIONS)) + "\n"}
