"""A listening Unix socket and its connections. Owns: the socket file."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared.errors import store_error
from shared.rpc.connection import Connection, MessageHandler

__all__ = ["RpcServer"]


class RpcServer:
    """Accepts peers on `path` (mode 0600) and gives their messages to one handler."""

    def __init__(self, path: Path, decode: Callable[[bytes], Any], handler: MessageHandler, *, name: str) -> None:
        self._path = path
        self._decode = decode
        self._handler = handler
        self._name = name
        self._server: asyncio.AbstractServer | None = None
        self._connections: set[Connection] = set()
        self._holding = False
        self._held: set[Connection] = set()

    async def start(self) -> None:
        """Listen. A socket file that a killed process left behind is replaced. Raises StoreError where none can be."""
        mask = os.umask(0o177)
        try:
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
            self._server = await asyncio.get_running_loop().create_unix_server(self._accept, str(self._path))
        except OSError as error:
            raise store_error(f"cannot listen on {self._path}", error) from error
        finally:
            os.umask(mask)

    def _accept(self) -> Connection:
        connection = Connection(self._decode, self, name=self._name)
        self._connections.add(connection)
        return connection

    def hold(self, *, on: bool) -> None:
        """Read no more from any peer, or go on."""
        self._holding = on
        if on:
            for connection in self._connections:
                self._hold(connection)
        else:
            held, self._held = self._held, set()
            for connection in held:
                connection.hold(on=False)

    def _hold(self, connection: Connection) -> None:
        if connection not in self._held:
            self._held.add(connection)
            connection.hold(on=True)

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        if self._holding:
            self._hold(connection)  # It came while the others were held.
        self._handler.on_messages(connection, messages)

    def on_closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._held.discard(connection)
        self._handler.on_closed(connection)

    async def close(self) -> None:
        """Stop listening and close every connection."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.close()
