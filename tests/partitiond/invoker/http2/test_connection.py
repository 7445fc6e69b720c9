"""A connection whose socket is closed beneath it."""

import asyncio
from typing import Any

import pytest

from partitiond.invoker.http2.connection import Connection
from partitiond.invoker.http2.errors import ErrorKind
from partitiond.invoker.http2.hpack import BlockDecoder
from partitiond.invoker.http2.settings import PoolSettings
from partitiond.invoker.http2.stream import NOWHERE, Stream
from shared.turn import Turn

from .recorder import BLOCK, Recorder


class _ClosedTransport:
    """As uvloop's between the end of its socket and `connection_lost`: what is written raises."""

    def __init__(self) -> None:
        self.open = True
        self.calls: list[str] = []

    def get_extra_info(self, name: str) -> None:
        del name

    def write(self, data: bytes) -> None:
        del data
        if not self.open:
            raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.calls.append("abort")


@pytest.mark.parametrize("ends", ["a turn", "a close"])
def test_a_socket_that_is_closed_beneath_it_is_a_connection_that_is_lost(ends: str) -> None:
    async def main() -> None:
        turn, transport, changes = Turn(), _ClosedTransport(), list[Any]()
        connection = Connection(PoolSettings(), BlockDecoder(65_536), turn, changes.append)
        connection.connection_made(transport)  # type: ignore[arg-type]
        turn.write_now()
        told = Recorder()
        connection.sender.open(Stream(told, NOWHERE, bodiless=False), BLOCK)
        transport.open = False
        if ends == "a turn":
            turn.write_now()
        else:
            connection.close()
        assert connection.gone.done()
        assert connection.receiver.failure is not None
        assert connection.receiver.failure.kind is ErrorKind.CLOSED
        assert told.calls == ["error"]
        assert changes
        assert transport.calls == []
        connection.connection_lost(None)
        turn.write_now()

    asyncio.run(main())
