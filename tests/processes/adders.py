"""Clients that add to counters and keep account of what they were told."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict

import aiohttp

__all__ = ["Adders"]

_ANSWER_WITHIN_S = 20.0
_PAUSE_S = 0.05


class Adders:
    """So many clients, each adding 1 to a random counter with an idempotency key of its own until it is told the sum.

    A request without an answer is sent again with its key. So every add that was begun is acknowledged in the end,
    and must be counted exactly once.
    """

    def __init__(self, ingress: str, *, clients: int, keys: int, seed: int, service: str = "Counter") -> None:
        self._ingress = ingress
        self._service = service
        self._clients = clients
        self._keys = keys
        self._random = random.Random(seed)
        self._stopping = asyncio.Event()
        #: Sums that each counter's clients were told, in the order of the answers.
        self.sums: dict[str, list[int]] = defaultdict(list)
        self.acknowledged = 0
        self.retries = 0

    def stop(self) -> None:
        """Begin no further add; `run` returns when all that were begun are acknowledged."""
        self._stopping.set()

    async def run(self) -> None:
        connector = aiohttp.TCPConnector(limit=0, force_close=False)
        timeout = aiohttp.ClientTimeout(total=_ANSWER_WITHIN_S)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            await asyncio.gather(*(self._client(session, number) for number in range(self._clients)))

    async def _client(self, session: aiohttp.ClientSession, number: int) -> None:
        adds = 0
        while not self._stopping.is_set():
            adds += 1
            counter = f"c{self._random.randrange(self._keys)}"
            total = await self._add(session, counter, f"client-{number}-add-{adds}")
            self.sums[counter].append(total)
            self.acknowledged += 1

    async def _add(self, session: aiohttp.ClientSession, counter: str, idempotency_key: str) -> int:
        while True:
            try:
                async with session.post(
                    f"{self._ingress}/{self._service}/{counter}/add",
                    json=1,
                    headers={"idempotency-key": idempotency_key},
                ) as response:
                    if response.status == 200:
                        return int(await response.json())
                    text = await response.text()
                    assert response.status >= 500, f"{response.status}: {text}"
            except (aiohttp.ClientError, TimeoutError):
                pass
            self.retries += 1
            await asyncio.sleep(_PAUSE_S)

    def check(self, counters: dict[str, int]) -> None:
        """Compare with the final values: each counter's sums are exactly 1 … n, each told once."""
        for counter, sums in self.sums.items():
            assert sorted(sums) == list(range(1, len(sums) + 1)), f"{counter}: told {sorted(sums)}"
            assert counters[counter] == len(sums), f"{counter} is {counters[counter]}, {len(sums)} adds acknowledged"
