"""What must be true of a world at its end."""

from __future__ import annotations

from shared.storage import keys
from shared.wal.commands import Failure
from tests.partitiond.simulation.replay import digests, dump
from tests.partitiond.simulation.world import PARTITIONS, World

__all__ = ["check", "check_scopes"]


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
    # What is stored is what a replay of the log gives, however it was cut into commits.
    replayed = digests(dump(world.log.disk, PARTITIONS))
    assert [world.stores[number].digest() for number in range(PARTITIONS)] == replayed
    for store in world.stores.values():
        assert not list(store.scan(keys.LOCK, keys.PROMISE)), "nobody holds a lock or waits for one"


def check_scopes(world: World) -> None:
    """Of a world with scopes, beside `check`: nothing of them is left."""
    assert world.rules_version > 1
    for store in world.stores.values():
        assert not list(store.scan(keys.SCOPED_LOCK, keys.SCOPED_PROMISE)), "nobody holds a lock or waits for one"
        assert not list(store.scan(keys.COUNTER, keys.DROPPED)), "nobody has a permit or waits for one"
