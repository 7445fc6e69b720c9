"""Whole nodes whose clocks are set back and forth while they work and crash."""

from __future__ import annotations

import random

import pytest

from tests.fakes.sim_loop import LoopClock, simulate
from tests.partitiond.simulation import world
from tests.partitiond.simulation.test_crashes import check
from tests.partitiond.simulation.world import World

_JUMPS_MS = (-30_000, -1000, -10, 0, 10, 1000, 30_000)


class _SetClock(LoopClock):
    """Each has an offset of its own, which somebody turns at whenever it is asked often enough."""

    def __init__(self, choose: random.Random, *, turned: list[int]) -> None:
        super().__init__()
        self._choose = choose
        self._turned = turned
        self._offset_ms = 0

    def now_ms(self) -> int:
        if self._choose.random() < 0.02:
            self._offset_ms = self._choose.choice(_JUMPS_MS)
            self._turned[0] += 1
        return super().now_ms() + self._offset_ms


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_clocks_that_jump_lose_and_repeat_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    choose, turned = random.Random(seed), [0]
    monkeypatch.setattr(world, "LoopClock", lambda: _SetClock(choose, turned=turned))

    async def live() -> World:
        lived = World(seed, scoped=seed % 2 == 1)
        await lived.run(clients=4, requests=12)
        return lived

    lived = simulate(live(), seconds_max=100_000)
    check(lived)
    assert turned[0] > 5
