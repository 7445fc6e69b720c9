"""What the soak's clients ask for, and the account they keep of what they were told.

Each asks again, with its idempotency key, until it is answered: what was begun is answered in the end, exactly once.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

from tests.processes.adders import Adders
from tests.soak.service import STEPS

__all__ = ["Clients", "Findings"]

_ANSWER_WITHIN_S = 20.0
_PAUSE_S = 0.05
_FAN_KEYS = 40
#: Kind of call -> how many clients make it. A service that naps or waits costs next to nothing meanwhile.
_CLIENTS = {"walk": 5, "nap": 12, "fan": 5, "awakeable": 4, "workflow": 4}
_ADDERS = {"Counter": 10, "TsCounter": 6}


class Findings:
    """What is wrong. Empty lists: nothing was lost, nothing repeated, every answer right."""

    def __init__(self) -> None:
        self.lost: list[str] = []
        self.repeated: list[str] = []
        self.wrong: list[str] = []

    def count(self, what: str, *, is_: int, acknowledged: int) -> None:
        """A counter against the additions that were acknowledged."""
        if is_ < acknowledged:
            self.lost += [f"{what} is {is_}, {acknowledged} acknowledged"] * (acknowledged - is_)
        elif is_ > acknowledged:
            self.repeated += [f"{what} is {is_}, {acknowledged} acknowledged"] * (is_ - acknowledged)


class Clients:
    """All of them. `services`: which counters there are (`Counter`, `TsCounter`)."""

    def __init__(self, ingress: str, *, services: list[str], seed: int, scale: float) -> None:
        self._ingress = ingress
        self._chooser = random.Random(seed)
        self._stopping = asyncio.Event()
        self._scale = scale
        self.findings = Findings()
        self.adders = {
            name: Adders(ingress, clients=self._scaled(_ADDERS[name]), keys=100, seed=seed, service=name)
            for name in services
        }
        #: Answers by kind, of those that are no adders.
        self._answered: Counter[str] = Counter()
        self._again = 0
        #: Sums that were told for each counter that a Fan calls, and how often one was sent to.
        self._called: dict[str, list[int]] = defaultdict(list)
        self._sent: Counter[str] = Counter()
        #: Walk -> the tokens that its result tells of.
        self.tokens: dict[str, list[str]] = {}

    def _scaled(self, count: int) -> int:
        return max(1, round(count * self._scale))

    @property
    def answered(self) -> Counter[str]:
        """How many calls of each kind were answered."""
        return self._answered + Counter({f"add {name}": adders.acknowledged for name, adders in self.adders.items()})

    @property
    def total(self) -> int:
        return self.answered.total()

    @property
    def again(self) -> int:
        """Requests that got no answer and were sent again."""
        return self._again + sum(adders.retries for adders in self.adders.values())

    def stop(self) -> None:
        """Begin nothing more; `run` returns when all that was begun is answered."""
        self._stopping.set()
        for adders in self.adders.values():
            adders.stop()

    async def run(self) -> None:
        kinds: dict[str, Callable[[aiohttp.ClientSession, str], Awaitable[None]]] = {
            "walk": self._walk,
            "nap": self._nap,
            "fan": self._fan,
            "awakeable": self._awakeable,
            "workflow": self._workflow,
        }
        timeout = aiohttp.ClientTimeout(total=_ANSWER_WITHIN_S)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
            clients = [
                self._client(session, kind, kinds[kind], number)
                for kind, count in _CLIENTS.items()
                for number in range(self._scaled(count))
            ]
            await asyncio.gather(*(adders.run() for adders in self.adders.values()), *clients)

    async def _client(
        self,
        session: aiohttp.ClientSession,
        kind: str,
        ask: Callable[[aiohttp.ClientSession, str], Awaitable[None]],
        number: int,
    ) -> None:
        turn = 0
        while not self._stopping.is_set():
            turn += 1
            await ask(session, f"{kind}-{number}-{turn}")
            self._answered[kind] += 1

    async def _walk(self, session: aiohttp.ClientSession, name: str) -> None:
        self.tokens[name] = await self._ask(session, "/Steps/walk", name, name)

    async def _nap(self, session: aiohttp.ClientSession, name: str) -> None:
        milliseconds = self._chooser.randrange(200, 5000)
        told = await self._ask(session, "/Steps/nap", milliseconds, name)
        self._expect(name, told, milliseconds)

    async def _fan(self, session: aiohttp.ClientSession, name: str) -> None:
        numbers = [self._chooser.randrange(_FAN_KEYS) for _ in range(3)]
        call, send, later = (f"{word}-{number}" for word, number in zip(("call", "sent", "sent"), numbers, strict=True))
        keys = {"call": call, "send": send, "later": later, "delay_ms": self._chooser.randrange(3000)}
        self._called[call].append(await self._ask(session, "/Fan/go", keys, name))
        self._sent.update([send, later])

    async def _awakeable(self, session: aiohttp.ClientSession, name: str) -> None:
        await self._ask(session, "/Waiter/wait/send", name, name)
        awakeable = None
        while awakeable is None:
            await asyncio.sleep(0.1)
            awakeable = await self._ask(session, f"/Mailbox/{name}/look")
        await self._ask(session, f"/restate/awakeables/{awakeable}/resolve", f"for {name}")
        self._expect(name, await self._ask(session, "/Waiter/wait", name, name), f"for {name}")

    async def _workflow(self, session: aiohttp.ClientSession, name: str) -> None:
        await self._ask(session, f"/Flow/{name}/run/send", name)
        await asyncio.sleep(self._chooser.uniform(0, 2))
        await self._ask(session, f"/Flow/{name}/say", "yes", name)
        told = await self._ask(session, f"/restate/workflow/Flow/{name}/attach")
        self._expect(name, told, f"{name} yes")

    def _expect(self, name: str, told: Any, wanted: Any) -> None:
        if told != wanted:
            self.findings.wrong.append(f"{name}: told {told!r} instead of {wanted!r}")

    async def _ask(self, session: aiohttp.ClientSession, path: str, body: Any = None, key: str = "") -> Any:
        """POST a body, else GET; until there is an answer that is no fault of the server."""
        headers = {"idempotency-key": key} if key else {}
        method = "GET" if body is None else "POST"
        while True:
            try:
                async with session.request(method, self._ingress + path, json=body, headers=headers) as response:
                    if response.status in (200, 202):
                        return await response.json(content_type=None)
                    text = await response.text()
                    if response.status < 500:
                        raise AssertionError(f"{method} {path}: {response.status}: {text}")
            except (aiohttp.ClientError, TimeoutError):
                pass
            self._again += 1
            await asyncio.sleep(_PAUSE_S)

    async def account(self, steps_file: Path) -> None:
        """Compare all that was told with the counters and the steps, into `findings`."""
        timeout = aiohttp.ClientTimeout(total=_ANSWER_WITHIN_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            for name, adders in self.adders.items():
                for key, sums in adders.sums.items():
                    self.check_sums(f"{name}/{key}", sums, await self._ask(session, f"/{name}/{key}/get"))
            for key, sums in self._called.items():
                self.check_sums(key, sums, await self._ask(session, f"/Counter/{key}/get"))
            for key, count in self._sent.items():
                self.findings.count(key, is_=await self._ask(session, f"/Counter/{key}/get"), acknowledged=count)
        self.check_steps(steps_file)

    def check_sums(self, counter: str, sums: list[int], value: int) -> None:
        """`sums` were told for one addition each; the counter has `value` in the end."""
        self.findings.count(counter, is_=value, acknowledged=len(sums))
        if sorted(sums) != list(range(1, len(sums) + 1)):
            twice = [total for total, count in Counter(sums).items() if count > 1]
            self.findings.wrong.append(f"{counter}: {len(sums)} adds were told other sums than 1 … n; twice: {twice}")

    def check_steps(self, steps_file: Path) -> None:
        """A step whose result was stored is not executed again."""
        executed: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for line in steps_file.read_text().splitlines():
            name, number, token = line.split()
            executed[name].append((int(number), token))
        for name, tokens in self.tokens.items():
            numbers = [number for number, _ in executed[name]]
            last = dict(executed[name])
            if numbers != sorted(numbers):
                self.findings.repeated.append(f"{name}: steps were executed in the order {numbers}")
            if tokens != [last.get(number) for number in range(STEPS)]:
                self.findings.lost.append(f"{name}: its result is not that of the last executions")
