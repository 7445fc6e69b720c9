"""Programs in the simulation, from the start to what must be true at the end."""

from __future__ import annotations

from partitiond.machine import wakers
from shared.storage import keys
from tests.fakes.sim_loop import simulate
from tests.partitiond.simulation.replay import digests, dump
from tests.partitiond.simulation.world import PARTITIONS
from tests.programs.checks import Expected
from tests.programs.language import OBJECTS, Program
from tests.programs.simulated import ProgramWorld

__all__ = ["live"]


def live(seed: int, programs: list[Program]) -> ProgramWorld:
    """A whole life, and everything checked at its end."""
    expected = Expected(programs)
    world = ProgramWorld(seed, programs)
    simulate(world.run(clients=6, requests=0), seconds_max=100_000)
    expected.check_results(world.told)
    for key in OBJECTS:
        expected.check_object(key, world.object_state(key))
    expected.check_steps(world.executed)
    assert [world.stores[number].digest() for number in range(PARTITIONS)] == digests(dump(world.log.disk, PARTITIONS))
    assert wakers.check(world.stores.values()) == []
    for store in world.stores.values():
        assert not list(store.scan(keys.LOCK, keys.PROMISE)), "nobody holds a lock or waits for one"
    return world
