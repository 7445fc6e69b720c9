"""What logd promises on its socket (shared/api/log.py), on a real store and a real socket."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

import logd.followers
from logd.journal import WINDOW_BYTES
from logd.server import ENVELOPE_BYTES
from logd.service import LogService
from shared.api.log import (
    Append,
    Appended,
    Committed,
    Follow,
    Following,
    LogError,
    LogStatus,
    Read,
    ReadReply,
    Trim,
    Trimmed,
)
from shared.config import Settings
from tests.logd.client import LogClient, running_service


def run(settings: Settings, *scenarios: Callable[[LogClient], Awaitable[None]]) -> None:
    """A logd and a client for each scenario, on the same data one after the other."""

    async def main(scenario: Callable[[LogClient], Awaitable[None]]) -> None:
        async with running_service(settings):
            client = await LogClient.connect(settings)
            await scenario(client)
            await client.close()

    for scenario in scenarios:
        asyncio.run(main(scenario))


async def read_all(client: LogClient, group: str, from_lsn: int = 1) -> list[tuple[int, bytes]]:
    """Every batch, by as many reads as it takes."""
    batches: list[tuple[int, bytes]] = []
    while True:
        reply = await client.call(Read(0, group, from_lsn))
        assert isinstance(reply, ReadReply), reply
        if not reply.batches:
            return batches
        batches += reply.batches
        from_lsn = batches[-1][0] + 1


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


def test_who_keeps_a_payload_is_not_sent_it_again(settings: Settings) -> None:
    async def scenario(client: LogClient) -> None:
        other = await LogClient.connect(settings)
        await client.follow("p-1")
        await other.follow("p-1")
        large = b"x" * 1_000_000
        sent = [Append(0, "p-1", b"a"), Append(0, "p-1", large, True), Append(0, "p-1", b"b")]
        replies = await asyncio.gather(*[client.send(request) for request in sent])
        await client.until(lambda: len(client.payloads("p-1")) == 3)
        await other.until(lambda: len(other.payloads("p-1")) == 3)
        assert client.payloads("p-1") == [b"a", b"", b"b"]
        assert [batch.request_id for batch in client.committed["p-1"]] == [0, sent[1].request_id, 0]
        assert [batch.lsn for batch in client.committed["p-1"]] == [reply.lsn for reply in replies]
        kinds = [type(reply) for reply in client.replies if isinstance(reply, Committed | Appended)]
        assert kinds.index(Committed) < kinds.index(Appended), "it still has it when it is told"
        assert other.payloads("p-1") == [b"a", large, b"b"]
        assert all(not batch.request_id for batch in other.committed["p-1"])
        # Who does not follow is told of its append only, whatever it says.
        stranger = await LogClient.connect(settings)
        await stranger.call(Append(0, "p-1", large, True))
        await client.until(lambda: len(client.payloads("p-1")) == 4)
        assert client.payloads("p-1")[3] == large
        assert "p-1" not in stranger.committed
        # From the beginning again: as anybody.
        client.committed.clear()
        await client.follow("p-1")
        await client.until(lambda: len(client.payloads("p-1")) == 4)
        assert client.payloads("p-1")[1] == large
        await other.close()
        await stranger.close()

    run(settings, scenario)


def test_appends_of_one_turn_share_a_sync(settings: Settings) -> None:
    async def scenario(client: LogClient) -> None:
        for group in ("p-1", "p-2", "meta"):
            await client.follow(group)
            await client.append(group, b"warm")
        before = (await client.call(LogStatus(0))).syncs
        groups = ["p-1", "p-2", "meta"] * 100
        await asyncio.gather(*[client.send(Append(0, group, b"x" * 100)) for group in groups])
        assert (await client.call(LogStatus(0))).syncs - before < 20

    run(settings, scenario)


def test_status_tells_of_every_group(settings: Settings) -> None:
    async def scenario(client: LogClient) -> None:
        await client.follow("p-2")
        await client.follow("meta")
        lsn = await client.append("p-2", b"x" * 99)
        reply = await client.call(LogStatus(0))
        assert [row.group for row in reply.groups] == ["meta", "p-2"]
        row = reply.groups[1]
        assert (row.is_leader, row.leader, row.first_lsn, row.tail_lsn) == (True, "node-1", lsn, lsn)
        assert row.stored_bytes == 99 + 3  # One byte of kind an entry; Raft's own two are nothing else.
        assert row.term >= 1
        assert reply.syncs > 0

    run(settings, scenario)


def test_read_gives_batches_in_order_and_bounded(settings: Settings) -> None:
    async def scenario(client: LogClient) -> None:
        await client.follow("p-1")
        lsns = [await client.append("p-1", b"%d" % number * 1000) for number in range(10)]
        reply = await client.call(Read(0, "p-1", lsns[2], 3500))
        assert [lsn for lsn, _ in reply.batches] == lsns[2:5]
        assert reply.batches[0][1] == b"2" * 1000
        assert reply.tail_lsn == lsns[-1]
        assert len((await client.call(Read(0, "p-1", lsns[2], 1))).batches) == 1
        assert (await client.call(Read(0, "p-1", lsns[-1] + 1))).batches == []
        assert len((await client.call(Read(0, "p-1", 0))).batches) == 10

    run(settings, scenario)


def test_what_is_not_open_is_refused(settings: Settings) -> None:
    async def scenario(client: LogClient) -> None:
        for request in (Read(0, "p-9", 1), Trim(0, "p-9", 1), Append(0, "p-9", b"x")):
            reply = await client.call(request)
            assert (reply.code, "p-9" in reply.message) == ("bad_request", True)
        for name in ("", "P-1", "../x", "p_1", "p" * 64):
            assert (await client.call(Follow(0, name, 1))).code == "bad_request"
        await client.follow("p-1")
        reply = await client.call(Follow(0, "p-1", 1000))
        assert (reply.code, "beyond the log's end" in reply.message) == ("bad_request", True)

    run(settings, scenario)


def test_a_batch_over_the_limit_is_refused_and_touches_nothing_else(settings: Settings) -> None:
    settings = msgspec.structs.replace(settings, record_bytes_limit=1000)

    async def scenario(client: LogClient) -> None:
        await client.follow("p-1")
        limit = 1000 + ENVELOPE_BYTES
        replies = await asyncio.gather(
            client.send(Append(0, "p-1", b"before")),
            client.send(Append(0, "p-1", b"x" * (limit + 1))),
            client.send(Append(0, "p-1", b"y" * limit)),
        )
        assert [type(reply) for reply in replies] == [Appended, LogError, Appended]
        assert replies[1].code == "too_large"
        assert "record_bytes_limit" in replies[1].message
        assert replies[2].lsn == replies[0].lsn + 1

    run(settings, scenario)


def test_the_largest_batch_is_taken_and_given_back(settings: Settings) -> None:
    payload = os.urandom(settings.record_bytes_limit + ENVELOPE_BYTES)

    async def write(client: LogClient) -> None:
        await client.follow("p-1")
        lsn = await client.append("p-1", payload)
        await client.until(lambda: client.payloads("p-1") == [payload])
        assert (await client.call(Read(0, "p-1", lsn))).batches == [(lsn, payload)]

    async def read(client: LogClient) -> None:
        await client.follow("p-1")
        await client.until(lambda: client.payloads("p-1") == [payload])

    run(settings, write, read)


def test_an_unreadable_frame_ends_only_its_connection(settings: Settings) -> None:
    async def scenario(client: LogClient) -> None:
        await client.follow("p-1")
        for garbage in (b"\xc1", msgspec.msgpack.encode([99, 1]), msgspec.msgpack.encode([1, "x"])):
            other = await LogClient.connect(client_settings)
            await other.follow("p-1")
            other.connection.send_encoded(garbage)
            await other.until(lambda other=other: other.closed)
        assert await client.append("p-1", b"still here")

    client_settings = settings
    run(settings, scenario)


def test_a_follower_gets_each_batch_once_across_restarts(settings: Settings) -> None:
    seen: list[Committed] = []

    def life(first: int) -> Callable[[LogClient], Awaitable[None]]:
        async def scenario(client: LogClient) -> None:
            following = await client.follow("p-1", seen[-1].lsn + 1 if seen else 1)
            assert following.tail_lsn == (seen[-1].lsn if seen else 0)
            for number in range(first, first + 50):
                await client.append("p-1", b"%d" % number)
            await client.until(lambda: len(client.payloads("p-1")) == 50)
            seen.extend(client.committed["p-1"])

        return scenario

    run(settings, life(0), life(50), life(100))
    assert [int(batch.payload) for batch in seen] == list(range(150))

    async def from_the_start(client: LogClient) -> None:
        following = await client.follow("p-1")
        assert (following.first_lsn, following.tail_lsn) == (seen[0].lsn, seen[-1].lsn)
        await client.until(lambda: len(client.payloads("p-1")) == 150)
        assert [batch.lsn for batch in client.committed["p-1"]] == [batch.lsn for batch in seen]
        assert [int(payload) for payload in client.payloads("p-1")] == list(range(150))

    run(settings, from_the_start)


def test_following_again_replaces_the_first_subscription(settings: Settings) -> None:
    async def scenario(client: LogClient) -> None:
        await client.follow("p-1")
        for number in range(5):
            await client.append("p-1", b"%d" % number)
        await client.until(lambda: len(client.payloads("p-1")) == 5)
        await client.follow("p-1", client.committed["p-1"][3].lsn)
        await client.append("p-1", b"last")
        await client.until(lambda: client.payloads("p-1")[-1] == b"last")
        assert client.payloads("p-1") == [b"0", b"1", b"2", b"3", b"4", b"3", b"4", b"last"]

    run(settings, scenario)


def test_a_batch_is_encoded_once_for_all_followers(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[Any] = []
    encode = logd.followers._encode
    monkeypatch.setattr(logd.followers, "_encode", lambda message: encoded.append(message) or encode(message))

    async def scenario(client: LogClient) -> None:
        followers = [await LogClient.connect(client_settings) for _ in range(5)]
        for follower in followers:
            await follower.follow("p-1")
        await client.follow("p-1")
        for number in range(10):
            await client.append("p-1", b"%d" % number)
        for follower in [*followers, client]:
            await follower.until(lambda follower=follower: len(follower.payloads("p-1")) == 10)
        assert len(encoded) == 10

    client_settings = settings
    run(settings, scenario)


@pytest.mark.slow
def test_a_slow_follower_holds_up_nobody_and_misses_nothing(settings: Settings) -> None:
    """It reads nothing while four times the window is written: logd must neither wait for it nor queue for it."""
    count, payload = 4 * WINDOW_BYTES // 16_000, os.urandom(16_000)

    async def main() -> None:
        async with running_service(settings) as service:
            slow, client = await LogClient.connect(settings), await LogClient.connect(settings)
            await slow.follow("p-1")
            transport = slow.connection._transport
            assert transport is not None
            transport.pause_reading()
            await client.follow("p-1")
            for _ in range(count // 16):
                await asyncio.gather(*[client.send(Append(0, "p-1", payload)) for _ in range(16)])
            total = count // 16 * 16
            await client.until(lambda: len(client.payloads("p-1")) == total)
            assert _queued_bytes(service) < 6 * 1024 * 1024
            assert slow.payloads("p-1") == []
            transport.resume_reading()
            await slow.until(lambda: len(slow.payloads("p-1")) == total)
            assert await client.append("p-1", b"live again")
            await slow.until(lambda: slow.payloads("p-1")[-1] == b"live again")
            assert [batch.lsn for batch in slow.committed["p-1"]] == [batch.lsn for batch in client.committed["p-1"]]
            await slow.close()
            await client.close()

    asyncio.run(main())


def _queued_bytes(service: LogService) -> int:
    connections = service._groups["p-1"].followers.connections()
    transports = [connection._transport for connection in connections]
    return sum(transport.get_write_buffer_size() for transport in transports if transport is not None)


def test_a_follower_that_starts_far_behind_is_served_from_the_store(settings: Settings) -> None:
    payload = os.urandom(50_000)
    count = 2 * WINDOW_BYTES // len(payload)

    async def write(client: LogClient) -> None:
        await client.follow("p-1")
        await asyncio.gather(*[client.send(Append(0, "p-1", payload)) for _ in range(count)])

    async def follow(client: LogClient) -> None:
        await client.follow("p-1")
        lsn = await client.append("p-1", b"last")
        await client.until(lambda: len(client.payloads("p-1")) == count + 1)
        lsns = [batch.lsn for batch in client.committed["p-1"]]
        assert lsns == sorted(set(lsns))
        assert lsns[-1] == lsn

    run(settings, write, follow)


def test_trim_drops_batches_for_good(settings: Settings) -> None:
    lsns: list[int] = []

    async def trim(client: LogClient) -> None:
        await client.follow("p-1")
        lsns.extend([await client.append("p-1", b"%d" % number * 100) for number in range(20)])
        stored = (await client.call(LogStatus(0))).groups[0].stored_bytes
        assert await client.call(Trim(0, "p-1", lsns[9])) == Trimmed(client.replies[-1].request_id, lsns[10])
        assert (await client.call(Trim(0, "p-1", lsns[4]))).first_lsn == lsns[10]
        for request in (Follow(0, "p-1", lsns[9]), Read(0, "p-1", lsns[9])):
            reply = await client.call(request)
            assert reply.code == "trimmed"
            assert f"first_lsn is {lsns[10]}" in reply.message
        status = (await client.call(LogStatus(0))).groups[0]
        assert status.first_lsn == lsns[10]
        assert status.stored_bytes < stored - 700
        assert [lsn for lsn, _ in await read_all(client, "p-1", lsns[10])] == lsns[10:]
        lsns.append(await client.append("p-1", b"after"))

    async def restart(client: LogClient) -> None:
        following = await client.follow("p-1", lsns[10])
        assert (following.first_lsn, following.tail_lsn) == (lsns[10], lsns[-1])
        await client.until(lambda: len(client.payloads("p-1")) == 11)
        assert (await client.call(Follow(0, "p-1", 1))).code == "trimmed"

    run(settings, trim, restart)


def test_trim_never_goes_beyond_what_is_committed(settings: Settings) -> None:
    lsn_after_all: list[int] = []

    async def everything(client: LogClient) -> None:
        await client.follow("p-1")
        assert (await client.call(Trim(0, "p-1", 1000))).first_lsn == 0
        lsn = await client.append("p-1", b"one")
        assert (await client.call(Trim(0, "p-1", 1000))).first_lsn == lsn + 1
        await client.append("p-1", b"two")

    async def restart(client: LogClient) -> None:
        batches = await client_follow_all(client)
        assert batches == [b"two"]
        lsn = client.committed["p-1"][-1].lsn
        assert (await client.call(Trim(0, "p-1", lsn))).first_lsn == lsn + 1
        lsn_after_all.append(lsn + 1)

    async def nothing_left(client: LogClient) -> None:
        following = await client.follow("p-1", lsn_after_all[0])
        assert following.first_lsn == following.tail_lsn + 1
        assert await client.append("p-1", b"three") > following.tail_lsn
        await client.until(lambda: client.payloads("p-1") == [b"three"])

    async def client_follow_all(client: LogClient) -> list[bytes]:
        reply = await client.call(Follow(0, "p-1", 1))
        assert reply.code == "trimmed"
        first_lsn = int(reply.message.rsplit(" ", 1)[1])
        await client.follow("p-1", first_lsn)
        await client.until(lambda: client.payloads("p-1"))
        return client.payloads("p-1")

    run(settings, everything, restart, nothing_left)


def test_a_follower_behind_the_trim_point_is_told(settings: Settings) -> None:
    """It is so slow that what it lacks is trimmed meanwhile."""

    async def main() -> None:
        async with running_service(settings):
            slow, client = await LogClient.connect(settings), await LogClient.connect(settings)
            await slow.follow("p-1")
            transport = slow.connection._transport
            assert transport is not None
            transport.pause_reading()
            await client.follow("p-1")
            for _ in range(10):
                await asyncio.gather(*[client.send(Append(0, "p-1", b"x" * 100_000)) for _ in range(10)])
            await client.until(lambda: len(client.payloads("p-1")) == 100)
            await client.call(Trim(0, "p-1", client.committed["p-1"][-1].lsn))
            transport.resume_reading()
            await slow.until(lambda: slow.errors)
            assert slow.errors[0].code == "trimmed"
            assert 0 < len(slow.payloads("p-1")) < 100
            await slow.close()
            await client.close()

    asyncio.run(main())


def test_appends_in_flight_are_finished_and_later_ones_refused_when_logd_stops(settings: Settings) -> None:
    async def main() -> None:
        service = LogService(settings)
        await service.start()
        client = await LogClient.connect(settings)
        await client.follow("p-1")
        waiting = [client.send(Append(0, "p-1", b"%d" % number)) for number in range(100)]
        service._server.refuse_appends()
        late = client.send(Append(0, "p-1", b"late"))
        assert (await late).code == "stopping"
        assert {(await reply).code for reply in waiting} == {"stopping"}
        service._server._stopping = False
        waiting = [client.send(Append(0, "p-1", b"%d" % number)) for number in range(100)]
        while service._groups["p-1"].idle:  # noqa: ASYNC110 - it has no event for this
            await asyncio.sleep(0)
        await service.close()
        for reply in waiting:
            assert isinstance(await reply, Appended)
        await client.until(lambda: client.closed)

    asyncio.run(main())


def test_sockets_of_a_logd_that_is_gone_are_replaced(settings: Settings) -> None:
    settings.socket("logd").write_text("left behind")

    async def scenario(client: LogClient) -> None:
        assert isinstance(await client.follow("p-1"), Following)
        assert oct(settings.socket("logd").stat().st_mode)[-3:] == "600"

    run(settings, scenario)
