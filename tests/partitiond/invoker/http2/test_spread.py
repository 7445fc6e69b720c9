"""How many connections a pool spreads its streams over, against a peer built on the `h2` library."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from h2.events import Event, RequestReceived

from partitiond.invoker.http2.stream import Stream

from .peer import Peer, Script, eventually, listening, pool_for, serving
from .recorder import HEAD, Recorder
from .test_pool import heard, silent

Run = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]


def test_many_requests_are_spread_over_some_connections_and_few_are_not(run: Run) -> None:
    async def main() -> None:
        async with (
            serving(silent) as (port, peers),
            pool_for(port, spread_streams=2, spread_connections=3) as pool,
        ):
            streams: list[Stream] = []
            for count, connections in ((1, 1), (2, 2), (4, 3), (10, 3)):
                while len(streams) < count:
                    streams.append(pool.request(HEAD, Recorder()))
                    await heard(peers, RequestReceived, count=len(streams))
                await eventually(lambda wanted=connections: pool.connections == wanted)
            loads = [len([event for event in peer.events if isinstance(event, RequestReceived)]) for peer in peers]
            assert loads == [4, 3, 3]
            for stream in streams:
                stream.reset()
            for _ in range(3):
                told = pool.request(HEAD, Recorder())
                await heard(peers[:1], RequestReceived, count=loads[0] + 1)
                loads[0] += 1
                told.reset()

    run(main)


def test_bodies_that_wait_for_a_connections_window_get_further_ones(run: Run) -> None:
    """A peer that takes nothing: 64 KB are on their way, for all streams of a connection together."""

    def deaf(peer: Peer, event: Event) -> None: ...

    async def main() -> None:
        async with serving(deaf) as (port, peers), pool_for(port, wide_connections=3, spread_streams=100) as pool:
            first = pool.request(HEAD, Recorder())
            await heard(peers, RequestReceived)
            assert not first.send(bytes(1_000_000))
            for count, connections in ((2, 2), (3, 2), (4, 3), (5, 3), (6, 3), (7, 3)):
                stream = pool.request(HEAD, Recorder())
                await heard(peers, RequestReceived, count=count)
                await eventually(lambda wanted=connections: pool.connections == wanted)
                assert pool._connecting is None
                if count != 2:
                    assert not stream.send(bytes(1_000_000)), "it is on a connection that had room, and now has none"

    run(main)


def test_a_body_that_waits_for_its_own_window_only_gets_no_further_connection(run: Run) -> None:
    def wide(peer: Peer, event: Event) -> None:
        if isinstance(event, RequestReceived) and event.stream_id == 1:
            peer.h2.increment_flow_control_window(2**31 - 1 - 65_535)

    async def main() -> None:
        async with serving(wide) as (port, peers), pool_for(port, spread_streams=100) as pool:
            first = pool.request(HEAD, Recorder())
            await heard(peers, RequestReceived)
            await eventually(lambda: pool._ready[0].sender.window > 1_000_000)
            assert not first.send(bytes(1_000_000))
            for count in (2, 3, 4):
                pool.request(HEAD, Recorder())
                await heard(peers, RequestReceived, count=count)
            assert pool._connecting is None
            assert pool.connections == 1

    run(main)


def test_where_no_further_connection_is_to_be_had_the_first_serves_all(run: Run) -> None:
    async def main() -> None:
        peers: list[Peer] = []
        mute: list[Script] = []

        def accept() -> asyncio.Protocol:
            if peers:
                mute.append(Script(b""))
                return mute[-1]
            return Peer(peers, silent, {})

        async with (
            listening(accept) as port,
            pool_for(port, spread_streams=1, spread_connections=2, connect_timeout_s=0.02) as pool,
        ):
            for count in range(1, 6):
                pool.request(HEAD, Recorder())
                await heard(peers, RequestReceived, count=count)
            await eventually(lambda: mute)
            # That one is given up.
            await eventually(lambda: mute[0].transport.is_closing())
            pool.request(HEAD, Recorder())
            await heard(peers, RequestReceived, count=6)
            # One failure is enough for a while.
            assert (pool.connections, len(mute)) == (1, 1)

    run(main)


def test_who_comes_when_the_last_connection_is_lost_is_served_though_another_was_refused_just_now(run: Run) -> None:
    """A service that is killed and started again refuses, or loses, connections in any order."""

    async def main() -> None:
        peers: list[Peer] = []
        refused: list[Script] = []

        def accept() -> asyncio.Protocol:
            if peers and not refused:
                refused.append(Script(b"no HTTP/2", (b"PRI", b""), close=True))
                return refused[-1]
            return Peer(peers, silent, {})

        async with listening(accept) as port, pool_for(port, spread_streams=1, spread_connections=2) as pool:
            for count in (1, 2):
                pool.request(HEAD, Recorder())
                await heard(peers, RequestReceived, count=count)
            await eventually(lambda: refused and refused[0].transport.is_closing())
            peers[0].transport.abort()
            await eventually(lambda: pool.connections == 0)
            pool.request(HEAD, Recorder())
            async with asyncio.timeout(0.5):
                await eventually(lambda: len(peers) == 2)
            await heard(peers, RequestReceived, count=3)

    run(main)
