"""What goes wrong, one thing after another, each chosen by the seed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import msgspec

from shared.api.log import Append, LogReply, partition_group
from shared.rpc.client import RpcClient
from shared.rpc.connection import Connection
from tests.simulation.cluster import FRONT, Cluster, Node
from tests.simulation.loop import NOBODY
from tests.simulation.services import SCOPE

__all__ = ["Demon"]

_PAUSES_S = (0.02, 0.1, 0.3, 0.8)
#: Upper bounds, one of which is chosen for each piece of data: one machine, a data centre, two of them.
_DELAYS_S = ((0.0002, 0.0002, 0.001), (0.001, 0.005), (0.01, 0.08))


class Demon:
    """Does so many faults, then rests."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._loop = cluster.loop
        self._chooser = Random(f"{cluster.plan.seed} demon")
        kinds: dict[str, Callable[[], Coroutine[Any, Any, str]]] = {
            "kill": self._kill,
            "power": self._power,
            "stop": self._stop,
            "cut": self._cut,
            "island": self._island,
            "slow-disk": self._slow_disk,
            "full-disk": self._full_disk,
            "slow-net": self._slow_net,
            "clock": self._clock,
            "commit": self._commit,
            "raft": self._raft,
            "rules": self._rules,
            "repeat": self._repeat,
        }
        self._all = kinds
        self._weights = [4, 2, 1, 3, 2, 1, 1, 1, 2, 1, 2, 1, 2]
        cluster.network.delays_s = self._chooser.choice(_DELAYS_S)

    async def run(self) -> None:
        cluster, chooser = self._cluster, self._chooser
        for _ in range(cluster.plan.faults):
            await asyncio.sleep(chooser.choice(_PAUSES_S))
            (kind,) = chooser.choices(list(self._all), self._weights)
            # Dice of its own, so that leaving one out does not change the others.
            self._dice = Random(chooser.getrandbits(64))
            if kind in cluster.plan.without:
                continue
            what = await self._all[kind]()
            cluster.record.faults[kind] += 1
            cluster.record.note(round(self._loop.time(), 9), kind, what)

    def end(self) -> None:
        """From here on all is well."""
        cluster = self._cluster
        cluster.calm = True
        cluster.crash_in_commit = cluster.crash_in_raft = 0.0
        cluster.network.heal()
        cluster.network.delays_s = _DELAYS_S[0]
        # Whatever waits for a time that some clock once showed is not to wait for minutes.
        latest_ms = max(max(each.clock.now_ms(), each.clock.latest_ms) for each in cluster.nodes.values())
        for node in cluster.nodes.values():
            node.sync_s = 0.0002
            node.disk_full = False
            node.clock.catch_up(latest_ms)
            for process in node.processes.values():
                process.go_on()

    def _node(self) -> Node:
        return self._dice.choice(list(self._cluster.nodes.values()))

    def _later(self, delay_s: float, callback: Callable[..., Any], *args: Any) -> None:
        self._loop.call_later(delay_s, callback, *args, context=NOBODY)

    async def _kill(self) -> str:
        node = self._node()
        program = self._dice.choice(("logd", "logd", "partitiond", "partitiond", "metad", "ingress"))
        process = self._cluster.front if program == "ingress" else node.processes[program]
        if process is not None:
            process.kill()
        return f"{program}@{node.name}"

    async def _power(self) -> str:
        """All programs of a node, and what its disks had not synced."""
        node = self._node()
        for process in node.processes.values():
            process.kill()
        node.log_disk.power_loss(self._dice)
        for disk in node.partition_disks.values():
            disk.power_loss(self._dice)
        return node.name

    async def _stop(self) -> str:
        """A program that gets no time for a while: when it goes on, it does not know."""
        node = self._node()
        process = node.processes[self._dice.choice(("logd", "partitiond"))]
        process.stop()
        self._later(self._dice.choice((0.1, 1.0, 3.0)), process.go_on)
        return str(process)

    async def _cut(self) -> str:
        """A connection breaks, in the middle of a frame maybe. Of which kind is chosen first: most are alike."""
        ends = self._cluster.network.ends
        if not ends:
            return "nothing"
        kinds: dict[str, list[str]] = {}
        for name, end in ends.items():
            kinds.setdefault(f"{end.process.program}-{end.peer.process.program}", []).append(name)
        name = self._dice.choice(kinds[self._dice.choice(sorted(kinds))])
        ends[name].break_off()
        return name

    async def _island(self) -> str:
        """One node, with or without the clients, is alone. What is said meanwhile arrives late, or never."""
        names = [self._node().name]
        if self._dice.random() < 0.3:
            names.append(FRONT)
        self._cluster.network.isolate(*names)
        self._later(self._dice.choice((0.3, 1.5, 5.0)), self._cluster.network.heal)
        return " ".join(names)

    async def _slow_disk(self) -> str:
        node = self._node()
        node.sync_s = self._dice.choice((0.0002, 0.02, 0.3))
        return f"{node.name} {node.sync_s}"

    async def _full_disk(self) -> str:
        node = self._node()
        node.disk_full = True
        self._later(self._dice.choice((0.2, 1.0)), setattr, node, "disk_full", False)
        return node.name

    async def _slow_net(self) -> str:
        self._cluster.network.delays_s = self._dice.choice(_DELAYS_S)
        return str(self._cluster.network.delays_s)

    async def _clock(self) -> str:
        """A node's clock jumps, or begins to drift."""
        node = self._node()
        node.clock.now_ms()
        jump_ms = self._dice.choice((-60_000, -500, 500, 5_000, 60_000))
        node.clock.offset_ms += jump_ms
        node.clock.rate = self._dice.choice((1.0, 0.98, 1.02))
        return f"{node.name} {jump_ms}"

    async def _commit(self) -> str:
        """For a while some commits are the last thing that a worker does."""
        self._cluster.crash_in_commit = 0.01
        self._later(1.0, setattr, self._cluster, "crash_in_commit", 0.0)
        return ""

    async def _raft(self) -> str:
        """For a while some votes and acknowledgements are the last thing that a logd says."""
        self._cluster.crash_in_raft = self._dice.choice((0.02, 0.1))
        self._later(2.0, setattr, self._cluster, "crash_in_raft", 0.0)
        return str(self._cluster.crash_in_raft)

    async def _rules(self) -> str:
        """An operator changes the rules; some nodes hear of it, others when their metad starts again."""
        cluster, choose = self._cluster, self._dice.choice
        cluster.rules_version += 1
        cluster.rules = {
            SCOPE: choose((1, 2, 5)),
            "*/a": choose((1, None)),
            f"{SCOPE}/*": choose((1, 2, None)),
            "*/a/x": choose((1, None)),
        }
        for node in cluster.nodes.values():
            if node.processes["metad"].alive and node.publisher is not None and self._dice.random() < 0.7:
                node.processes["metad"].call(node.publisher.publish, cluster.catalog())
        return str(cluster.rules)

    async def _repeat(self) -> str:
        """Somebody appends once more what the log has: as Raft may behind a change of leader, and old leaders do."""
        partition_id = self._dice.choice(list(self._cluster.record.references))
        batches = list(self._cluster.record.references[partition_id].batches.values())
        if not batches:
            return "nothing"
        group = partition_group(partition_id)
        payload = self._dice.choice(batches[-self._dice.choice((1, 3, 30)) :])
        for node in self._cluster.nodes.values():
            process = node.processes["logd"]
            if process.alive and node.leads(group):
                process.call(_Ghost, self._cluster, group, payload)
        return str(partition_id)


class _Ghost:
    """A client of logd that says one thing. It runs as the process that it speaks to."""

    def __init__(self, cluster: Cluster, group: str, payload: bytes) -> None:
        self._group = group
        self._payload = payload
        path = cluster._here().settings.socket("logd")
        self._client = RpcClient(path, msgspec.msgpack.Decoder(LogReply).decode, self, name="ghost")
        self._client.start()

    def on_connected(self, connection: Connection) -> None:
        connection.send(Append(2, self._group, self._payload))
        asyncio.get_running_loop().create_task(self._leave())

    async def _leave(self) -> None:
        await asyncio.sleep(1.0)
        await self._client.close()

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        """Whatever it is told."""

    def on_closed(self, connection: Connection) -> None:
        """It does not come back."""
