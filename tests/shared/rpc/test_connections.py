"""Connection, server, reconnecting client and caller on a real Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

from shared.errors import UnavailableError
from shared.rpc.client import RpcCaller, RpcClient
from shared.rpc.connection import Connection
from shared.rpc.frames import encode_frame
from shared.rpc.server import RpcServer
from tests.fakes.sim_loop import SimLoop


class Say(msgspec.Struct, array_like=True, tag=1):
    request_id: int
    text: str
    payload: bytes = b""


class Push(msgspec.Struct, array_like=True, tag=2):
    text: str


Message = Say | Push
decode = msgspec.msgpack.Decoder(Message).decode


class Server:
    """Echoes, unless the text says something else."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connections: list[Connection] = []
        self.batches: list[list[Any]] = []
        self.closed = 0
        self._server = RpcServer(path, decode, self, name="client")

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        await self._server.close()

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        if connection not in self.connections:
            self.connections.append(connection)
        self.batches.append(messages)
        for message in messages:
            match message.text:
                case "be silent":
                    pass
                case "close":
                    connection.close()
                case "push":
                    connection.send(Push("pushed"))
                    connection.send(message)
                case _:
                    connection.send(message)

    def on_closed(self, connection: Connection) -> None:
        self.closed += 1


class Client:
    """Writes down what happens."""

    def __init__(self, path: Path) -> None:
        self.events: list[str] = []
        self.messages: list[Any] = []
        self.client = RpcClient(path, decode, self, name="server")

    def on_connected(self, connection: Connection) -> None:
        self.events.append("connected")

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        self.messages += messages

    def on_closed(self, connection: Connection) -> None:
        self.events.append("closed")


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario()
        await asyncio.sleep(0.01)

    uvloop.run(main())


async def soon(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def pair(path: Path, **options: Any) -> Any:
    """A server and a caller."""
    server = Server(path / "sock")
    caller = RpcCaller(path / "sock", decode, name="server", **options)
    await server.start()
    caller.start()
    try:
        yield server, caller
    finally:
        await caller.close()
        await server.stop()


def test_a_call_gets_its_own_reply(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with pair(tmp_path) as (server, caller):
            replies = await asyncio.gather(*(caller.call(Say(0, str(number))) for number in range(200)))
            assert [reply.text for reply in replies] == [str(number) for number in range(200)]
            assert len({reply.request_id for reply in replies}) == 200
            # Messages of one loop turn travel together.
            assert len(server.batches) < 20
            assert not caller._waiting

    run(scenario)


def test_an_os_error_of_a_handler_is_no_lost_connection(tmp_path: Path) -> None:
    """The loop takes an OSError out of a callback for a failure of the socket, which it closes without a word: a
    worker whose store could not be opened went on for ever, and never had the partition."""

    async def scenario() -> None:
        told: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
        async with pair(tmp_path) as (server, caller):
            server.on_messages = refuse  # type: ignore[method-assign]
            with pytest.raises(UnavailableError):
                await caller.call(Say(0, "x"), timeout_s=5)
            [error] = told
            assert isinstance(error, RuntimeError)
            assert isinstance(error.__cause__, OSError)
            assert "No space left on device" in str(error)

    def refuse(connection: Connection, messages: list[Any]) -> None:
        raise OSError(28, "No space left on device")

    run(scenario)


def test_a_client_that_fails_as_its_peer_comes_says_so(tmp_path: Path) -> None:
    """Its task ended in silence: the peer was never connected to again, and nobody knew."""

    async def scenario() -> None:
        told: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))

        def refuse(connection: Connection) -> None:
            raise OSError(28, "No space left on device")

        async with pair(tmp_path, on_connected=refuse):
            await soon(lambda: told)
            assert isinstance(told[0], OSError)

    run(scenario)


def test_a_large_message_passes(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with pair(tmp_path) as (_, caller):
            reply = await caller.call(Say(0, "large", bytes(8 * 1024 * 1024)))
            assert len(reply.payload) == 8 * 1024 * 1024

    run(scenario)


def test_a_silent_peer_is_unavailable_after_the_timeout(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with pair(tmp_path) as (_, caller):
            with pytest.raises(UnavailableError, match=r"server did not answer within 0\.05 s"):
                await caller.call(Say(0, "be silent"), timeout_s=0.05)
            assert not caller._waiting
            assert (await caller.call(Say(0, "hello"))).text == "hello"

    run(scenario)


def test_a_peer_that_is_not_there_is_unavailable_after_the_timeout(tmp_path: Path) -> None:
    async def scenario() -> None:
        caller = RpcCaller(tmp_path / "nobody", decode, name="nobody")
        caller.start()
        with pytest.raises(UnavailableError, match="nobody did not answer"):
            await caller.call(Say(0, "hello"), timeout_s=0.05)
        await caller.close()

    run(scenario)


def test_a_call_waits_for_a_peer_that_comes(tmp_path: Path) -> None:
    async def scenario() -> None:
        caller = RpcCaller(tmp_path / "sock", decode, name="server")
        caller.start()
        calling = asyncio.create_task(caller.call(Say(0, "hello")))
        await asyncio.sleep(0.05)
        server = Server(tmp_path / "sock")
        await server.start()
        assert (await calling).text == "hello"
        await caller.close()
        await server.stop()

    run(scenario)


def test_calls_in_flight_fail_when_the_peer_goes_away_and_later_ones_reach_its_successor(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with pair(tmp_path) as (server, caller):
            silent = [asyncio.create_task(caller.call(Say(0, "be silent"))) for _ in range(3)]
            await soon(lambda: sum(map(len, server.batches)) == 3)
            await server.stop()
            results = await asyncio.gather(*silent, return_exceptions=True)
            assert [str(result) for result in results] == ["server went away before it answered"] * 3
            await server.start()
            assert (await caller.call(Say(0, "again"))).text == "again"

    run(scenario)


def test_what_nobody_waits_for_is_a_push(tmp_path: Path) -> None:
    async def scenario() -> None:
        pushed: list[Any] = []
        async with pair(tmp_path, on_push=pushed.append) as (_, caller):
            assert (await caller.call(Say(0, "push"))).text == "push"
            assert pushed == [Push("pushed")]

    run(scenario)


def test_a_client_is_told_of_each_connection_and_its_end_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        server, client = Server(tmp_path / "sock"), Client(tmp_path / "sock")
        client.client.start()
        await asyncio.sleep(0.03)
        assert client.events == []
        for round_number in (1, 2, 3):
            await server.start()
            await client.client.connected()
            assert client.client.connection is not None
            assert client.events == ["connected", "closed"] * (round_number - 1) + ["connected"]
            await server.stop()
            await soon(lambda: client.client.connection is None)
            assert client.events == ["connected", "closed"] * round_number
            assert client.client.connection is None
        await client.client.close()

    run(scenario)


def test_after_close_a_client_does_not_come_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        server, client = Server(tmp_path / "sock"), Client(tmp_path / "sock")
        await server.start()
        client.client.start()
        await client.client.connected()
        await client.client.close()
        await soon(lambda: server.closed)
        await asyncio.sleep(0.05)
        assert client.events == ["connected", "closed"]
        assert server.closed == 1
        await server.stop()

    run(scenario)


def test_messages_leave_in_order_and_those_before_a_close_arrive(tmp_path: Path) -> None:
    async def scenario() -> None:
        server, client = Server(tmp_path / "sock"), Client(tmp_path / "sock")
        await server.start()
        client.client.start()
        await client.client.connected()
        connection = client.client.connection
        assert connection is not None
        for number in range(1000):
            connection.send(Say(number, "be silent"))
            if number % 100 == 0:
                await asyncio.sleep(0)
        connection.close()
        connection.send(Say(9999, "dropped"))
        await soon(lambda: server.closed)
        arrived = [message.request_id for batch in server.batches for message in batch]
        assert arrived[:1000] == list(range(1000))
        assert len(arrived) <= 1001
        await client.client.close()
        await server.stop()

    run(scenario)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x01\xc1",
        b"\x00\x00\x00\x02\x91\x07",
        b"GET / HTTP/1.1\r\n\r\n",
        encode_frame(b"\x93\x01\x01\xa1\xff"),
    ],
    ids=["over the limit", "not msgpack", "unknown tag", "another protocol", "not UTF-8"],
)
def test_garbage_ends_that_connection_and_nothing_else(
    tmp_path: Path, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with pair(tmp_path) as (server, caller):
            await caller.call(Say(0, "hello"))
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "sock"))
            writer.write(garbage)
            assert await reader.read() == b""
            writer.close()
            assert server.closed == 1
            assert (await caller.call(Say(0, "still there"))).text == "still there"

    run(scenario)
    assert "unreadable frame" in caplog.text


def test_a_slow_reader_is_seen_and_waited_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        server = Server(tmp_path / "sock")
        await server.start()
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "sock"))
        first = msgspec.msgpack.encode(Say(1, "be silent"))
        writer.write(len(first).to_bytes(4, "big") + first)
        await soon(lambda: server.connections)
        (connection,) = server.connections
        for _ in range(20):
            connection.send(Say(1, "a lot", bytes(1024 * 1024)))
            await asyncio.sleep(0)
        assert connection.paused
        waiting = asyncio.create_task(connection.drained())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        while not waiting.done():
            assert await reader.read(1 << 20)
        assert not connection.paused
        connection.abort()
        writer.close()
        await server.stop()

    run(scenario)


def test_a_socket_is_for_its_owner_only_and_replaces_what_a_killed_process_left(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "sock"
        path.write_text("left behind")
        server = Server(path)
        await server.start()
        assert stat.S_ISSOCK(path.stat().st_mode)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        await server.stop()

    run(scenario)


@pytest.mark.slow
def test_a_peer_that_closes_each_connection_is_not_called_in_a_busy_loop(tmp_path: Path) -> None:
    """A daemon of another version finds each of our frames unreadable."""

    async def scenario() -> None:
        accepted = 0

        class Closing(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                nonlocal accepted
                accepted += 1
                transport.close()

        server = await asyncio.get_running_loop().create_unix_server(Closing, str(tmp_path / "sock"))
        client = Client(tmp_path / "sock")
        client.client.start()
        await asyncio.sleep(0.3)
        await client.client.close()
        server.close()
        assert 2 <= accepted <= 20

    run(scenario)


def test_a_peer_that_is_away_is_tried_often_at_first_and_seldom_later(tmp_path: Path) -> None:
    """A node starts in half a second: nobody is to sleep while the peer comes. One that stays away costs nothing."""
    tries: list[float] = []

    class Loop(SimLoop):
        async def create_unix_connection(self, *arguments: Any, **options: Any) -> Any:
            tries.append(self.time())
            raise FileNotFoundError

    async def main() -> None:
        client = RpcClient(tmp_path / "absent.sock", decode, Client(tmp_path / "absent.sock"), name="server")
        client.start()
        await asyncio.sleep(20.0)
        await client.close()

    with asyncio.Runner(loop_factory=lambda: Loop(seconds_max=30.0)) as runner:
        runner.run(main())
    pauses = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert max(pause for pause, at in zip(pauses, tries, strict=False) if at < 0.4) < 0.011
    assert pauses[-1] > 0.9
    assert max(pauses) < 1.1
