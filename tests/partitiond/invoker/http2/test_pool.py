"""The pool and its connections against a peer built on the `h2` library, over real sockets."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from h2.events import (
    DataReceived,
    Event,
    PingReceived,
    RequestReceived,
    StreamEnded,
    StreamReset,
)
from h2.settings import SettingCodes
from hyperframe.frame import DataFrame, GoAwayFrame, HeadersFrame

from partitiond.invoker.http2.errors import ErrorKind
from partitiond.invoker.http2.frames import CANCEL, INTERNAL_ERROR, NO_ERROR, REFUSED_STREAM, STREAM_ID_MAX
from partitiond.invoker.http2.stream import Stream

from .peer import Peer, eventually, pool_for, serving
from .recorder import HEAD, Recorder, block

Run = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]


def take(peer: Peer, event: Event) -> None:
    """Give the client its windows back and gather bodies."""
    if isinstance(event, DataReceived):
        peer.bodies.setdefault(event.stream_id, bytearray()).extend(event.data)
        peer.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)


def echo(peer: Peer, event: Event) -> None:
    """Answer a whole request with its body."""
    take(peer, event)
    if isinstance(event, StreamEnded):
        body = bytes(peer.bodies.pop(event.stream_id, b""))
        peer.respond(event.stream_id, content_length=str(len(body)), end=not body)
        if body:
            peer.write(event.stream_id, body, end=True)


def silent(peer: Peer, event: Event) -> None:
    take(peer, event)


async def heard(peers: list[Peer], *kinds: type[Event], count: int = 1) -> list[Event]:
    """Wait until the peers have received so many events of these kinds."""

    def found() -> list[Event]:
        return [event for peer in peers for event in peer.events if isinstance(event, kinds)]

    await eventually(lambda: len(found()) >= count)
    return found()


def test_a_simple_request(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as (port, peers), pool_for(port) as pool:
            told = Recorder()
            pool.request(HEAD, told, b"hello", end=True)
            await told.done()
            assert (told.status, told.body, told.calls) == (200, b"hello", ["response", "data", "end"])
            (request,) = await heard(peers, RequestReceived)
            assert isinstance(request, RequestReceived)
            assert dict(request.headers or ()) == {
                ":method": "POST", ":scheme": "http", ":authority": f"127.0.0.1:{port}",
                ":path": "/invoke/Greeter/greet", "content-type": "application/octet-stream",
            }  # fmt: skip

    run(main)


def test_ping_pong_in_both_directions_on_one_stream(run: Run) -> None:
    def on_event(peer: Peer, event: Event) -> None:
        take(peer, event)
        if isinstance(event, RequestReceived):
            peer.respond(event.stream_id)
        elif isinstance(event, DataReceived) and event.data:
            peer.write(event.stream_id, b"pong " + event.data)
        elif isinstance(event, StreamEnded):
            peer.write(event.stream_id, b"bye", end=True)

    async def main() -> None:
        async with serving(on_event) as (port, _), pool_for(port) as pool:
            told = Recorder()
            stream = pool.request(HEAD, told)
            expected = b""
            for n in range(5):
                message = b"%d" % n
                stream.send(message)
                expected += b"pong " + message
                await told.until_body(expected)
            stream.close_request()
            await told.done()
            assert told.body == expected + b"bye"
            assert told.calls[-1] == "end"

    run(main)


async def feed(stream: Stream, told: Recorder, body: bytes, piece: int) -> None:
    """Send a body as back-pressure allows."""
    writable = 0
    for at in range(0, len(body), piece):
        if not stream.send(body[at : at + piece]):
            writable += 1
            await told.until_called("writable", writable)
    stream.close_request()


def test_big_bodies_both_ways_against_small_windows(run: Run) -> None:
    def on_event(peer: Peer, event: Event) -> None:
        take(peer, event)
        if isinstance(event, RequestReceived):
            peer.respond(event.stream_id)
        elif isinstance(event, DataReceived):
            peer.write(event.stream_id, event.data)
        elif isinstance(event, StreamEnded):
            peer.write(event.stream_id, b"", end=True)
            if not peer.unsent(event.stream_id):
                peer.h2.end_stream(event.stream_id)

    async def main() -> None:
        body = bytes(range(256)) * 2000
        small = {SettingCodes.INITIAL_WINDOW_SIZE: 5000}
        async with (
            serving(on_event, small) as (port, _),
            pool_for(port, stream_window_bytes=7000, connection_window_bytes=65_535) as pool,
        ):
            both = [Recorder(), Recorder()]
            streams = [pool.request(HEAD, told) for told in both]
            await asyncio.gather(*(feed(s, t, body, 30_000) for s, t in zip(streams, both, strict=True)))
            for told in both:
                await told.done()
                assert told.error is None
                assert told.body == body

    run(main)


def test_a_slow_reader_stops_the_peer_and_not_its_neighbours(run: Run) -> None:
    size = 300_000

    def on_event(peer: Peer, event: Event) -> None:
        take(peer, event)
        if isinstance(event, RequestReceived):
            peer.respond(event.stream_id)
            peer.write(event.stream_id, bytes(size), end=True)

    async def main() -> None:
        window = 50_000
        async with (
            serving(on_event) as (port, peers),
            pool_for(port, stream_window_bytes=window, connection_window_bytes=65_535) as pool,
        ):
            slow, quick = Recorder(), Recorder()
            stream = pool.request(HEAD, slow, end=True)
            stream.auto_consume = False
            await slow.until(lambda r: len(r.body) == window)
            pool.request(HEAD, quick, end=True)
            await quick.done()
            assert len(quick.body) == size
            assert len(slow.body) == window
            assert peers[0].unsent(stream.id) == size - window
            given = 0
            while not slow.over:
                length = len(slow.body)
                stream.consumed(length - given)
                given = length
                await slow.until_longer(given)
            assert len(slow.body) == size

    run(main)


@pytest.mark.parametrize("connections", [1, 3])
def test_many_requests_keep_to_the_peers_limit_of_streams(run: Run, connections: int) -> None:
    async def main() -> None:
        limit = {SettingCodes.MAX_CONCURRENT_STREAMS: 2}
        async with serving(echo, limit) as (port, peers), pool_for(port, connections_max=connections) as pool:
            told = [Recorder() for _ in range(40)]
            order: list[int] = []
            for n, recorder in enumerate(told):
                recorder.when_called = lambda call, n=n: order.append(n) if call == "end" else None  # type: ignore[misc]
                pool.request(HEAD, recorder, b"%d" % n, end=True)
            assert pool.waiting == 40
            for n, recorder in enumerate(told):
                await recorder.done()
                assert recorder.body == b"%d" % n
            assert len(peers) == connections  # h2 itself refuses a third open stream.
            assert connections > 1 or order == sorted(order)
            assert pool.waiting == 0

    run(main)


def test_a_raised_limit_lets_waiting_requests_go(run: Run) -> None:
    async def main() -> None:
        limit = {SettingCodes.MAX_CONCURRENT_STREAMS: 1}
        async with serving(silent, limit) as (port, peers), pool_for(port, connections_max=1) as pool:
            for _ in range(3):
                pool.request(HEAD, Recorder(), end=True)
            await heard(peers, RequestReceived)
            assert pool.waiting == 2
            peers[0].h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 3})
            peers[0].flush()
            await heard(peers, RequestReceived, count=3)
            assert pool.waiting == 0

    run(main)


def test_goaway_in_the_middle_moves_new_requests_to_a_new_connection(run: Run) -> None:
    async def main() -> None:
        async with serving(silent) as (port, peers), pool_for(port) as pool:
            told = [Recorder() for _ in range(3)]
            for recorder in told:
                pool.request(HEAD, recorder, end=True)
            await heard(peers, RequestReceived, count=3)
            old = peers[0]
            old.transport.write(GoAwayFrame(0, last_stream_id=1, error_code=NO_ERROR).serialize())
            for refused in told[1:]:
                await refused.done()
                assert refused.error is not None
                assert refused.error.kind is ErrorKind.REFUSED
            fresh = Recorder()
            pool.request(HEAD, fresh, end=True)
            await heard(peers, RequestReceived, count=4)
            assert len(peers) == 2
            old.respond(1, end=True)
            old.flush()
            await told[0].done()
            assert told[0].calls == ["response", "end"]
            await old.lost  # Drained and closed by us.
            assert pool.connections == 1

    run(main)


@pytest.mark.parametrize(
    ("code", "kind"), [(NO_ERROR, ErrorKind.LEFT), (INTERNAL_ERROR, ErrorKind.CLOSED)], ids=["in order", "broken"]
)
def test_a_peer_that_goes_away_from_a_request_that_it_took(run: Run, code: int, kind: ErrorKind) -> None:
    """Hypercorn, after its GOAWAY, answers no more."""

    async def main() -> None:
        async with serving(silent) as (port, peers), pool_for(port) as pool:
            told = Recorder()
            pool.request(HEAD, told, end=True)
            await heard(peers, RequestReceived)
            peers[0].transport.write(GoAwayFrame(0, last_stream_id=1, error_code=code).serialize())
            peers[0].transport.close()
            await told.done()
            assert told.error is not None
            assert (told.error.kind, told.error.sent) == (kind, True)
            assert told.error.blameless == (code == NO_ERROR)

    run(main)


@pytest.mark.parametrize(("code", "kind"), [(REFUSED_STREAM, ErrorKind.REFUSED), (INTERNAL_ERROR, ErrorKind.RESET)])
def test_a_stream_reset_by_the_peer(run: Run, code: int, kind: ErrorKind) -> None:
    def on_event(peer: Peer, event: Event) -> None:
        if isinstance(event, RequestReceived):
            peer.h2.reset_stream(event.stream_id, code)

    async def main() -> None:
        async with serving(on_event) as (port, peers), pool_for(port) as pool:
            told = Recorder()
            pool.request(HEAD, told)
            await told.done()
            assert told.error is not None
            assert (told.error.kind, told.error.code, told.error.sent) == (kind, code, True)
            assert len(peers) == 1

    run(main)


def test_a_reset_by_us_reaches_the_peer_and_frees_the_slot(run: Run) -> None:
    async def main() -> None:
        limit = {SettingCodes.MAX_CONCURRENT_STREAMS: 1}
        async with serving(silent, limit) as (port, peers), pool_for(port, connections_max=1) as pool:
            first, second = Recorder(), Recorder()
            stream = pool.request(HEAD, first)
            pool.request(HEAD, second)
            await heard(peers, RequestReceived)
            stream.reset()
            (reset,) = await heard(peers, StreamReset)
            assert isinstance(reset, StreamReset)
            assert reset.error_code == CANCEL
            await heard(peers, RequestReceived, count=2)
            assert first.calls == second.calls == []

    run(main)


def test_continuation_informational_heads_padding_and_trailers(run: Run) -> None:
    big = {f"x-{n}": "v" * 1000 for n in range(40)}

    def on_event(peer: Peer, event: Event) -> None:
        if isinstance(event, RequestReceived):
            stream_id = event.stream_id
            peer.respond(stream_id, status=103)
            peer.respond(stream_id, **big)
            peer.h2.send_data(stream_id, b"padded", pad_length=200)
            peer.h2.send_headers(stream_id, [("checksum", "1")], end_stream=True)

    async def main() -> None:
        async with serving(on_event) as (port, _), pool_for(port) as pool:
            told = Recorder()
            stream = pool.request(HEAD, told, end=True)
            await told.done()
            assert told.calls == ["response", "data", "end"]
            assert told.headers.items() == tuple(big.items())
            assert told.body == b"padded"
            assert stream.trailers is not None
            assert stream.trailers.items() == (("checksum", "1"),)

    run(main)


def test_our_own_long_head_is_understood(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as (port, peers), pool_for(port) as pool:
            told = Recorder()
            pool.request(HEAD.with_path("/x", ("big", "v" * 40_000)), told, end=True)
            await told.done()
            assert told.status == 200
            (request,) = await heard(peers, RequestReceived)
            assert isinstance(request, RequestReceived)
            assert dict(request.headers or ())["big"] == "v" * 40_000

    run(main)


def test_a_header_list_over_the_limit_fails_its_stream_only(run: Run) -> None:
    def on_event(peer: Peer, event: Event) -> None:
        if isinstance(event, RequestReceived):
            size = 2000 if event.stream_id == 1 else 10
            head = HeadersFrame(event.stream_id, block((":status", "200"), ("a", "x" * size)))
            for flag in ("END_HEADERS", "END_STREAM"):
                head.flags.add(flag)
            peer.transport.write(head.serialize())  # h2 would obey our SETTINGS.

    async def main() -> None:
        async with serving(on_event) as (port, _), pool_for(port, header_list_bytes_max=1000) as pool:
            told, other = Recorder(), Recorder()
            pool.request(HEAD, told, end=True)
            pool.request(HEAD, other, end=True)
            await other.done()
            assert told.error is not None
            assert "1000 bytes" in told.error.message
            assert other.calls == ["response", "end"]

    run(main)


def test_the_initial_window_is_raised_and_lowered_in_the_middle_of_a_stream(run: Run) -> None:
    async def main() -> None:
        async with serving(echo, {SettingCodes.INITIAL_WINDOW_SIZE: 100}) as (port, peers), pool_for(port) as pool:
            told = Recorder()
            stream = pool.request(HEAD, told)
            body = bytes(range(250)) * 40
            assert not stream.send(body)
            await heard(peers, DataReceived)
            for size in (10, 0, 50, 3, 5000):
                peers[0].h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: size})
                peers[0].flush()
            await told.until(lambda r: "writable" in r.calls)
            stream.close_request()
            await told.done()
            assert told.body == body

    run(main)


def test_a_queued_request_takes_its_body_close_and_reset(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as (port, peers), pool_for(port) as pool:
            told, dropped, plain = Recorder(), Recorder(), Recorder()
            stream = pool.request(HEAD, told, b"one ")
            assert not stream.writable
            assert not stream.send(b"two ")
            gone = pool.request(HEAD, dropped, b"never sent", end=True)
            gone.reset()
            gone.reset()
            assert gone.send(b"nothing")
            empty = pool.request(HEAD, plain)
            assert empty.writable
            assert not stream.send(b"three", end=True)
            stream.close_request()
            empty.close_request()
            await told.done()
            await plain.done()
            assert told.body == b"one two three"
            assert told.calls == ["response", "data", "end"]
            assert plain.calls == ["response", "end"]
            assert dropped.calls == []
            assert len(await heard(peers, RequestReceived, count=2)) == 2

    run(main)


def test_a_queued_owner_hears_when_it_may_write(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as (port, _), pool_for(port) as pool:
            told = Recorder()
            stream = pool.request(HEAD, told, b"one")
            await told.until(lambda r: r.calls == ["writable"])
            assert stream.send(b" two", end=True)
            assert (await told.done()).body == b"one two"

    run(main)


def test_a_stream_ended_by_the_peer_is_closed_by_its_owner(run: Run) -> None:
    def on_event(peer: Peer, event: Event) -> None:
        if isinstance(event, RequestReceived):
            peer.respond(event.stream_id, end=True)
        take(peer, event)

    async def main() -> None:
        async with serving(on_event) as (port, peers), pool_for(port) as pool:
            told = Recorder()
            stream = pool.request(HEAD, told)
            await told.done()
            stream.send(b"late", end=True)
            await heard(peers, StreamEnded)
            assert peers[0].bodies == {1: b"late"}
            assert told.calls == ["response", "end"]

    run(main)


def test_an_idle_connection_is_pinged_and_stays(run: Run) -> None:
    async def main() -> None:
        async with (
            serving(echo) as (port, peers),
            pool_for(port, ping_after_s=0.02, ping_timeout_s=5, idle_close_s=60) as pool,
        ):
            told = Recorder()
            pool.request(HEAD, told, end=True)
            await told.done()
            await heard(peers, PingReceived, count=3)
            assert pool.connections == 1
            peers[0].h2.ping(b"12345678")
            peers[0].flush()

    run(main)


def test_an_unused_connection_is_closed_and_a_busy_one_is_not(run: Run) -> None:
    async def main() -> None:
        async with serving(silent) as (port, peers), pool_for(port, idle_close_s=0.05) as pool:
            stream = pool.request(HEAD, Recorder())
            await heard(peers, RequestReceived)
            await asyncio.sleep(0.15)
            assert not peers[0].lost.done()
            stream.reset()
            await peers[0].lost
            assert pool.connections == 0
            pool.request(HEAD, Recorder())
            await heard(peers, RequestReceived, count=2)

    run(main)


def test_used_up_stream_ids_make_a_new_connection(run: Run) -> None:
    async def main() -> None:
        async with serving(silent) as (port, peers), pool_for(port) as pool:
            first = Recorder()
            pool.request(HEAD, first, end=True)
            await heard(peers, RequestReceived)
            pool._ready[0].sender.next_id = STREAM_ID_MAX
            for _ in range(2):
                pool.request(HEAD, Recorder(), end=True)
            requests = await heard(peers, RequestReceived, count=3)
            assert sorted(e.stream_id for e in requests if isinstance(e, RequestReceived)) == [1, 1, STREAM_ID_MAX]
            assert len(peers) == 2

    run(main)


def test_a_peer_that_does_not_read_holds_back_the_sender(run: Run) -> None:
    async def main() -> None:
        huge = {SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1}
        async with serving(silent, huge) as (port, peers), pool_for(port) as pool:
            told = Recorder()
            stream = pool.request(HEAD, told)
            await heard(peers, RequestReceived)
            peers[0].h2.increment_flow_control_window(2**31 - 1 - 65_535)
            peers[0].flush()
            peers[0].transport.pause_reading()
            total = 30_000_000
            stream.send(bytes(total))
            connection = pool._ready[0]
            await eventually(lambda: not connection.sender.budget)
            assert not stream.writable
            assert sum(map(len, connection.sender._parts)) < 1_000_000
            assert connection._transport is not None
            assert connection._transport.get_write_buffer_size() < 1_000_000
            peers[0].transport.resume_reading()
            await told.until(lambda r: r.calls == ["writable"])
            stream.close_request()
            await heard(peers, StreamEnded)
            assert len(peers[0].bodies[1]) == total

    run(main)


def test_what_fails_to_grow_waits_for_the_connection_there_is(run: Run) -> None:
    async def main() -> None:
        limit = {SettingCodes.MAX_CONCURRENT_STREAMS: 1}
        async with serving(silent, limit) as (port, peers), pool_for(port, connect_timeout_s=5) as pool:
            told = [Recorder() for _ in range(3)]
            streams = [pool.request(HEAD, told[0])]
            await heard(peers, RequestReceived)
            object.__setattr__(pool.origin, "port", 1)  # Nobody listens there.
            streams += [pool.request(HEAD, recorder) for recorder in told[1:]]
            await eventually(lambda: pool._grow_not_before)
            assert pool.waiting == 2
            streams[0].reset()
            await heard(peers, RequestReceived, count=2)
            streams[1].reset()
            await heard(peers, RequestReceived, count=3)
            assert [recorder.calls for recorder in told] == [[], [], []]

    run(main)


def test_closing_the_pool_ends_everything(run: Run) -> None:
    async def main() -> None:
        limit = {SettingCodes.MAX_CONCURRENT_STREAMS: 1}
        async with serving(silent, limit) as (port, peers), pool_for(port, connections_max=1) as pool:
            open_, waiting, late = Recorder(), Recorder(), Recorder()
            pool.request(HEAD, open_)
            pool.request(HEAD, waiting)
            await heard(peers, RequestReceived)
            await pool.close()
            await peers[0].lost
            pool.request(HEAD, late)
            assert late.calls == []
            await late.done()
            for told, sent in ((open_, True), (waiting, False), (late, False)):
                assert told.error is not None
                assert (told.error.kind, told.error.sent) == (ErrorKind.CLOSED, sent)
            await pool.close()

    run(main)


def test_a_retry_from_inside_on_error_is_served(run: Run) -> None:
    async def main() -> None:
        async with serving(silent) as (port, peers), pool_for(port) as pool:
            told, again = Recorder(), Recorder()
            told.when_called = lambda _: pool.request(HEAD, again)
            pool.request(HEAD, told)
            await heard(peers, RequestReceived)
            peers[0].transport.write(DataFrame(99, b"breach").serialize())
            await told.done()
            assert told.error is not None
            assert told.error.kind is ErrorKind.PROTOCOL
            await heard(peers, RequestReceived, count=2)
            assert len(peers) == 2

    run(main)
