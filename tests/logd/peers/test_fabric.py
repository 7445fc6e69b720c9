"""Links over real TCP: who gets in, what is dropped, what a slow peer costs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from logd.peers.fabric import PeerFabric
from logd.peers.options import Address, ClusterOptions
from logd.peers.wire import PeerMessage, decode, encode_raft
from shared.rpc.connection import Connection
from shared.rpc.frames import encode_frame
from tests.conftest import free_ports

VOTE: dict[str, Any] = {"type": "response_vote", "term": 1}


class Listener:
    """What the groups would be told."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, dict[str, Any]]] = []
        self.ready: dict[str, bool] = {}
        self._changed = asyncio.Event()

    def on_peer_message(self, peer: str, group: str, message: dict[str, Any]) -> None:
        self.messages.append((peer, group, message))
        self._changed.set()

    def on_peer_ready(self, peer: str, *, ready: bool) -> None:
        self.ready[peer] = ready
        self._changed.set()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


class Pair:
    """Fabrics of `a` and `b`."""

    def __init__(self, secret: bytes | None = None) -> None:
        ports = free_ports(2)
        self.addresses: dict[str, Address] = {name: ("127.0.0.1", port) for name, port in zip("ab", ports, strict=True)}
        self.listeners = {name: Listener() for name in "ab"}
        self.secret = secret
        self.fabrics = {name: self.make(name) for name in "ab"}

    def make(self, name: str) -> PeerFabric:
        peers = {peer: address for peer, address in self.addresses.items() if peer != name}
        return PeerFabric(name, ClusterOptions(self.addresses[name], peers, self.secret), self.listeners[name])


def run(scenario: Callable[[Pair], Awaitable[None]], secret: bytes | None = None) -> None:
    async def main() -> None:
        pair = Pair(secret)
        for fabric in pair.fabrics.values():
            await fabric.start()
        try:
            async with asyncio.timeout(15):
                await scenario(pair)
        finally:
            for fabric in pair.fabrics.values():
                await fabric.close()
            await asyncio.sleep(0.01)

    asyncio.run(main())


async def both_up(pair: Pair) -> None:
    await pair.listeners["a"].until(lambda: pair.listeners["a"].ready.get("b"))
    await pair.listeners["b"].until(lambda: pair.listeners["b"].ready.get("a"))


def test_messages_of_all_groups_share_one_connection_in_order() -> None:
    async def scenario(pair: Pair) -> None:
        assert not pair.fabrics["a"].send("b", "p-1", VOTE)
        await both_up(pair)
        for number in range(100):
            assert pair.fabrics["a"].send("b", f"p-{number % 3}", VOTE | {"term": number})
        listener = pair.listeners["b"]
        await listener.until(lambda: len(listener.messages) == 100)
        assert listener.messages == [("a", f"p-{number % 3}", VOTE | {"term": number}) for number in range(100)]
        assert len(pair.fabrics["b"]._all_links) == 1

    run(scenario, b"secret")


def test_a_lost_connection_is_made_again() -> None:
    async def scenario(pair: Pair) -> None:
        await both_up(pair)
        for cut_by in "ab":
            [link] = pair.fabrics[cut_by]._links.values()
            link.connection.abort()
            await pair.listeners["a"].until(lambda: not pair.listeners["a"].ready["b"])
            await both_up(pair)
        assert pair.fabrics["b"].send("a", "p-1", VOTE)
        await pair.listeners["a"].until(lambda: pair.listeners["a"].messages)

    run(scenario)


def test_nothing_is_kept_of_a_peer_that_was_not_there() -> None:
    """uvloop, by which logd runs, makes the protocol before it connects: five a second were kept for a node away."""

    async def main() -> None:
        pair = Pair(None)
        fabric = pair.fabrics["a"]
        await fabric.start()
        try:
            for _ in range(3):
                with pytest.raises(ConnectionRefusedError):
                    await fabric._connect("b")
            assert not fabric._all_links
        finally:
            await fabric.close()

    uvloop.run(main())


def test_a_node_that_starts_later_is_found() -> None:
    async def scenario(pair: Pair) -> None:
        await both_up(pair)
        await pair.fabrics["b"].close()
        await pair.listeners["a"].until(lambda: not pair.listeners["a"].ready["b"])
        pair.listeners["b"] = Listener()
        pair.fabrics["b"] = pair.make("b")
        await pair.fabrics["b"].start()
        await both_up(pair)

    run(scenario)


def test_unknown_kinds_are_dropped_and_malformed_ones_end_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(pair: Pair) -> None:
        await both_up(pair)
        pair.fabrics["a"].send("b", "p-1", {"type": "apply_command", "command": b"x"})
        pair.fabrics["a"].send("b", "p-1", VOTE)
        listener = pair.listeners["b"]
        await listener.until(lambda: listener.messages)
        assert listener.messages == [("a", "p-1", VOTE)]
        pair.fabrics["a"].send("b", "p-1", VOTE | {"term": "x"})
        await listener.until(lambda: not listener.ready["a"])
        await both_up(pair)

    run(scenario)
    assert "unknown kind 'apply_command': dropped" in caplog.text
    assert "closing the connection" in caplog.text


class _Stranger:
    """Connects and says what it likes."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.heard: list[PeerMessage] = []

    def on_messages(self, connection: Connection, messages: list[PeerMessage]) -> None:
        self.heard += messages

    def on_closed(self, connection: Connection) -> None:
        self.closed.set()


@pytest.mark.parametrize(
    "garbage",
    [encode_raft("p-1", VOTE), b"\xc1", b"\x80\x04\x95", b""],
    ids=["raft before hello", "no msgpack", "a pickle", "empty"],
)
def test_a_stranger_is_not_heard(garbage: bytes) -> None:
    async def scenario(pair: Pair) -> None:
        await both_up(pair)
        stranger = _Stranger()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(
            lambda: Connection(decode, stranger, name="stranger"), *pair.addresses["b"]
        )
        assert isinstance(transport, asyncio.Transport)
        transport.write(encode_frame(garbage))
        await stranger.closed.wait()
        assert stranger.heard == []
        assert pair.listeners["b"].messages == []
        assert pair.fabrics["b"].ready("a")

    run(scenario, b"secret")


def test_a_peer_that_reads_slowly_is_not_sent_without_bound() -> None:
    """64 MB for a peer that reads nothing: the fabric says when it is enough, and when to go on."""
    message = {
        "type": "append_entries",
        "term": 1,
        "commit_index": 1,
        "entries": [(b"x" * 1_000_000, 2, 1)],
        "prevLogIdx": 1,
        "prevLogTerm": 0,
    }

    async def scenario(pair: Pair) -> None:
        await both_up(pair)
        [reader] = pair.fabrics["b"]._links.values()
        assert reader.connection._transport is not None
        reader.connection._transport.pause_reading()
        sent = 0
        fabric, listener = pair.fabrics["a"], pair.listeners["a"]
        for _ in range(64):
            while fabric.ready("b") and sent < 64:
                fabric.send("b", "p-1", message)
                sent += 1
            await asyncio.sleep(0)
        assert not listener.ready["b"]
        assert sent < 20
        reader.connection._transport.resume_reading()
        await listener.until(lambda: listener.ready["b"])
        receiver = pair.listeners["b"]
        await receiver.until(lambda: len(receiver.messages) == sent)

    run(scenario)


def test_a_link_over_which_nothing_comes_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other end vanished without a word: only silence tells."""
    monkeypatch.setattr("logd.peers.link.SILENCE_S", -1.0)

    async def scenario(pair: Pair) -> None:
        await both_up(pair)
        [link] = pair.fabrics["a"]._links.values()
        link.check_pulse()
        await pair.listeners["a"].until(lambda: not pair.listeners["a"].ready["b"])
        monkeypatch.undo()
        await both_up(pair)
        [link] = pair.fabrics["a"]._links.values()
        link.check_pulse()
        assert link.up

    run(scenario)
