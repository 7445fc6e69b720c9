"""Random invocations on two nodes that are killed, cut off and confused at random moments. A seed tells it all."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from shared.storage import keys
from shared.wal.commands import Failure
from tests import twice
from tests.fakes.sim_loop import simulate
from tests.partitiond.simulation.replay import digests, dump
from tests.partitiond.simulation.world import PARTITIONS, World

ROOT = Path(__file__).resolve().parents[3]
#: None: another one in each run.
SEEDS: list[int | None] = [*range(30), None]
SCOPED_SEEDS: list[int | None] = [*range(15), None]


def live(seed: int, *, scoped: bool = False) -> World:
    """A whole life; the seed is what a failure is repeated with."""
    print(f"seed {seed}: EVERLOG_TEST_SEED={seed} scripts/test tests/partitiond/simulation")
    world = World(seed, scoped=scoped)
    simulate(world.run(clients=6, requests=20))
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
    assert world.rules_version > 1
    for store in world.stores.values():
        assert not list(store.scan(keys.SCOPED_LOCK, keys.SCOPED_PROMISE)), "nobody holds a lock or waits for one"
        assert not list(store.scan(keys.COUNTER, keys.DROPPED)), "nobody has a permit or waits for one"


def check(world: World) -> None:
    """What clients were told is what is stored, once."""
    assert world.crashes >= 3
    assert world.waker_checks >= 10
    # Each call adds two, and answers with the sum of both sums: 1 + 2, 3 + 4, and so on, whoever asked, however often.
    for key in ("a", "b"):
        answers = sorted(int(result) for result in world.results.get(key, []) if isinstance(result, bytes))
        assert answers == [4 * n + 3 for n in range(len(answers))], f"Counter/{key}"
        assert world.counted(key) == 2 * len(answers)
    # Calls and sends between partitions, too: four and two for each worker.
    works = world.results.get("work", [])
    assert works == [b"0"] * len(works)
    assert (world.counted("called"), world.counted("sent")) == (4 * len(works), 2 * len(works))
    for result in world.results.get("doomed", []):
        assert result == b"0" or (isinstance(result, Failure) and result.code == 409)
    twice.add_all(world.log.disk, world.stores, PARTITIONS)
    # What is stored is what a replay of the log gives, however it was cut into commits.
    replayed = digests(dump(world.log.disk, PARTITIONS))
    assert [world.stores[number].digest() for number in range(PARTITIONS)] == replayed
    for store in world.stores.values():
        assert not list(store.scan(keys.LOCK, keys.PROMISE)), "nobody holds a lock or waits for one"


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
