"""Three nodes in this process, over real TCP and real stores: the whole Raft path."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from logd.peers.options import ClusterOptions
from logd.raft.timing import Timing
from logd.service import LogService
from shared.api.log import Append, Appended, Follow, LogError, Read, Trim
from shared.config import Settings
from tests.conftest import free_ports
from tests.logd.client import LogClient, make_settings

pytestmark = [pytest.mark.slow]

NAMES = ("a", "b", "c")
FAST = Timing(heartbeat_s=0.05, election_s_min=0.2, election_s_max=0.5, fallback_s=1.0)
#: For tests that a busy machine must not turn into an election.
CALM = Timing(heartbeat_s=0.05, election_s_min=1.2, election_s_max=1.6, fallback_s=1.8)


class Cluster:
    """Nodes that can be stopped and started again."""

    def __init__(self, directory: Path, secrets: dict[str, bytes | None], timing: Timing) -> None:
        self.timing = timing
        self.addresses = {name: ("127.0.0.1", port) for name, port in zip(NAMES, free_ports(len(NAMES)), strict=True)}
        self.settings: dict[str, Settings] = {name: make_settings(directory / name, node_name=name) for name in NAMES}
        self.secrets = secrets
        self.services: dict[str, LogService] = {}
        self.clients: dict[str, LogClient] = {}

    async def start(self, name: str, *, from_lsn: int = 1) -> None:
        peers = {peer: address for peer, address in self.addresses.items() if peer != name}
        options = ClusterOptions(self.addresses[name], peers, self.secrets.get(name), self.timing)
        service = self.services[name] = LogService(self.settings[name], options)
        await service.start()
        client = self.clients[name] = await LogClient.connect(self.settings[name])
        await client.call(Follow(0, "p-1", from_lsn))

    async def stop(self, name: str) -> None:
        await self.services.pop(name).close()
        self.clients.pop(name)

    async def leader(self) -> str:
        """The node that says it leads in the highest term."""
        async with asyncio.timeout(10):
            while True:
                leading = [
                    (service._groups["p-1"].engine.term, name)
                    for name, service in self.services.items()
                    if service._groups["p-1"].engine.is_leader
                ]
                if leading:
                    return max(leading)[1]
                await asyncio.sleep(0.01)

    async def append(self, payload: bytes) -> int:
        """Append wherever there is a leader, until it is committed. May append more than once."""
        async with asyncio.timeout(10):
            while True:
                reply = await self.clients[await self.leader()].call(Append(0, "p-1", payload))
                if isinstance(reply, Appended):
                    return reply.lsn
                assert isinstance(reply, LogError)
                assert reply.code == "not_leader"
                await asyncio.sleep(0.01)


@asynccontextmanager
async def cluster(
    directory: Path, secrets: dict[str, bytes | None] | None = None, timing: Timing = FAST
) -> AsyncIterator[Cluster]:
    nodes = Cluster(directory, secrets or {}, timing)
    try:
        for name in NAMES:
            await nodes.start(name)
        yield nodes
    finally:
        for name in list(nodes.services):
            await nodes.stop(name)


@pytest.fixture
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("c")


def test_every_node_gets_the_same_batches(directory: Path) -> None:
    async def main() -> None:
        async with cluster(directory, dict.fromkeys(NAMES, b"secret")) as nodes:
            leader = await nodes.leader()
            client = nodes.clients[leader]
            replies = await asyncio.gather(*[client.send(Append(0, "p-1", b"%d" % n)) for n in range(500)])
            assert all(isinstance(reply, Appended) for reply in replies)
            for other in nodes.clients.values():
                await other.until(lambda other=other: len(other.payloads("p-1")) == 500)
                assert other.payloads("p-1") == [b"%d" % n for n in range(500)]
                assert [batch.lsn for batch in other.committed["p-1"]] == [reply.lsn for reply in replies]
            follower = next(name for name in NAMES if name != leader)
            refused = await nodes.clients[follower].call(Append(0, "p-1", b"x"))
            assert refused.code == "not_leader"
            assert f"{leader} leads" in refused.message

    asyncio.run(main())


def test_a_stopped_leader_is_replaced_and_catches_up_when_it_is_back(directory: Path) -> None:
    async def main() -> None:
        async with cluster(directory) as nodes:
            await nodes.append(b"before")
            old = await nodes.leader()
            await nodes.stop(old)
            last = await nodes.append(b"while it is away")
            assert await nodes.leader() != old
            await nodes.start(old)
            client = nodes.clients[old]
            await client.until(lambda: client.committed.get("p-1", []) and client.committed["p-1"][-1].lsn >= last)
            survivor = nodes.clients[await nodes.leader()]
            assert client.payloads("p-1") == survivor.payloads("p-1")
            assert client.payloads("p-1")[0] == b"before"

    asyncio.run(main())


@pytest.mark.parametrize("who", ["leader", "followers"])
def test_a_slow_disk_changes_no_leader(directory: Path, who: str) -> None:
    """A sync takes longer than a leader waits for a word of the others. Nobody may be taken for dead meanwhile."""

    async def main() -> None:
        async with cluster(directory, timing=CALM) as nodes:
            leader = await nodes.leader()
            await nodes.append(b"first")
            term = nodes.services[leader]._groups["p-1"].engine.term
            slow_s = 0.0
            for name, service in nodes.services.items():
                if (name == leader) == (who == "leader"):
                    sync = service._store.sync

                    def slowly(sync: Callable[[], None] = sync) -> None:
                        time.sleep(slow_s)
                        sync()

                    service._store.sync = slowly  # type: ignore[method-assign]
                # It was so fast until now that it would be synced in the loop, if that were done here.
                service._syncer._average_s = 0.0
            slow_s = 2.5
            began = time.monotonic()
            reply = await nodes.clients[leader].call(Append(0, "p-1", b"slow"))
            assert isinstance(reply, Appended)
            assert time.monotonic() - began >= slow_s
            slow_s = 0.0
            await nodes.append(b"fast")
            assert nodes.services[leader]._groups["p-1"].engine.term == term
            assert await nodes.leader() == leader

    asyncio.run(main())


def test_a_leader_without_a_quorum_steps_down_and_says_so(directory: Path) -> None:
    """Its append was never committed here: nobody can tell whether it will be."""

    async def main() -> None:
        async with cluster(directory) as nodes:
            await nodes.append(b"one")
            leader = await nodes.leader()
            client = nodes.clients[leader]
            for name in NAMES:
                if name != leader:
                    await nodes.stop(name)
            reply = await client.call(Append(0, "p-1", b"two"))
            assert isinstance(reply, LogError)
            assert (reply.code, "unknown" in reply.message) == ("not_leader", True)
            await client.until(lambda: not client.leadership["p-1"][-1].is_leader)
            assert client.payloads("p-1") == [b"one"]

    asyncio.run(main())


def test_a_follower_that_was_away_for_long_gets_all_it_lacks(directory: Path) -> None:
    """More than one message, more than one turn's budget, and out of the store: the window is long past it."""

    async def main() -> None:
        async with cluster(directory) as nodes:
            await nodes.append(b"one")
            leader = await nodes.leader()
            away = next(name for name in NAMES if name != leader)
            await nodes.stop(away)
            client = nodes.clients[leader]
            payload = bytes(200_000)
            for _ in range(8):
                await asyncio.gather(*[client.send(Append(0, "p-1", payload)) for _ in range(10)])
            last = await nodes.append(b"last")
            await nodes.start(away)
            back = nodes.clients[away]
            await back.until(lambda: back.committed.get("p-1") and back.committed["p-1"][-1].lsn >= last)
            assert back.payloads("p-1")[0] == b"one"
            assert back.payloads("p-1")[-1] == b"last"
            assert len(back.payloads("p-1")) >= 82

    asyncio.run(main())


def test_entries_that_a_peer_lacks_are_kept_by_the_leader(directory: Path) -> None:
    """Checkpoints are not sent to peers yet: what is trimmed for good could never reach it."""

    async def main() -> None:
        async with cluster(directory) as nodes:
            first = await nodes.append(b"one")
            leader = await nodes.leader()
            away = next(name for name in NAMES if name != leader)
            await nodes.stop(away)
            last = await nodes.append(b"two")
            client = nodes.clients[leader]
            await client.until(lambda: client.committed["p-1"][-1].lsn == last)
            assert (await client.call(Trim(0, "p-1", last))).first_lsn == last + 1
            assert (await client.call(Read(0, "p-1", first))).code == "trimmed"
            await nodes.start(away)
            back = nodes.clients[away]
            await back.until(lambda: back.payloads("p-1") == [b"one", b"two"])

    asyncio.run(main())


def test_a_node_with_a_wrong_secret_takes_no_part(directory: Path) -> None:
    async def main() -> None:
        async with cluster(directory, {"a": b"right", "b": b"right", "c": b"wrong"}) as nodes:
            await nodes.append(b"one")
            assert await nodes.leader() in ("a", "b")
            assert nodes.services["c"]._groups["p-1"].published_index == 1
            assert nodes.clients["c"].payloads("p-1") == []

    asyncio.run(main())
