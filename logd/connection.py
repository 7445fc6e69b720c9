"""Connections that work under uvloop.

`shared.rpc.connection` asserts that a transport is an `asyncio.Transport`; uvloop's transports do not inherit
from it, so every connection would end at once. To be removed, with its uses, when that assertion is gone.
"""

from __future__ import annotations

import asyncio
from typing import cast

from shared.rpc.connection import Connection
from shared.rpc.server import RpcServer

__all__ = ["LogConnection", "LogRpcServer"]

_WRITE_BUFFER_BYTES = 4 * 1024 * 1024


class LogConnection(Connection):
    """A framed connection over whatever transport the loop makes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        if self._out:
            self._flush()

    def abort(self) -> None:
        """Close at once; what is queued is lost."""
        if self._transport is not None:
            self._transport.abort()


class LogRpcServer(RpcServer):
    """Accepts `LogConnection`s."""

    def _accept(self) -> Connection:
        connection = LogConnection(self._decode, self, name=self._name)
        self._connections.add(connection)
        return connection
