"""What logd promises on its socket (shared/api/log.py), on a real store and a real socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from shared.api.log import Append, Appended
from shared.config import Settings
from tests.logd.client import LogClient, running_service


def run(settings: Settings, scenario: Callable[[LogClient], Awaitable[None]]) -> None:
    """One logd, one client."""

    async def main() -> None:
        async with running_service(settings):
            client = await LogClient.connect(settings)
            await scenario(client)
            await client.close()

    asyncio.run(main())


def test_follow_answers_following_then_leadership_then_batches(settings: Settings) -> None:
    async def scenario(client: LogClient) -> None:
        started = time.perf_counter()
        following = await client.follow("p-1")
        assert time.perf_counter() - started < 0.5  # 50 ms on a machine of its own.
        assert (following.group, following.first_lsn, following.tail_lsn) == ("p-1", 0, 0)
        lsn = await client.append("p-1", b"one")
        await client.until(lambda: client.committed.get("p-1"))
        kinds = [type(reply).__name__ for reply in client.replies]
        assert kinds[:2] == ["Following", "Leadership"]
        assert kinds.index("Committed") > kinds.index("Leadership")
        [batch] = client.committed["p-1"]
        assert (batch.lsn, batch.tail_lsn, batch.payload) == (lsn, lsn, b"one")
        leadership = client.leadership["p-1"][-1]
        assert (leadership.is_leader, leadership.leader) == (True, "node-1")

    run(settings, scenario)


def test_appends_of_one_connection_keep_their_order_in_each_group(settings: Settings) -> None:
    async def scenario(client: LogClient) -> None:
        await client.follow("p-1")
        await client.follow("p-2")
        sent = [(f"p-{1 + number % 2}", b"%d" % number) for number in range(400)]
        replies = await asyncio.gather(*[client.send(Append(0, group, payload)) for group, payload in sent])
        assert all(isinstance(reply, Appended) for reply in replies)
        for name in ("p-1", "p-2"):
            mine = [payload for group, payload in sent if group == name]
            await client.until(lambda name=name, mine=mine: len(client.payloads(name)) == len(mine))
            assert client.payloads(name) == mine
            lsns = [reply.lsn for reply, (group, _) in zip(replies, sent, strict=True) if group == name]
            assert lsns == [batch.lsn for batch in client.committed[name]]

    run(settings, scenario)
