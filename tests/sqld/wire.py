"""A PostgreSQL client for tests that says just what it is told to."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Any

from pygwire import FrontendConnection
from pygwire import messages as m

from tests.sqld.node import Node

__all__ = ["Client", "startup_answers"]


class Client:
    """Sends messages and reads the answers."""

    def __init__(self, node: Node, *, version: int = 3 << 16, **parameters: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", node.settings.sql_port), 10)
        self._wire = FrontendConnection(strict=False)
        self.send(m.StartupMessage(params={"user": "x", "database": "y"} | parameters, protocol_version=version))
        self.answers = self.until_ready()

    def send(self, *messages: Any) -> None:
        self._socket.sendall(b"".join(self._wire.send(message) for message in messages))

    def raw(self, data: bytes) -> None:
        self._socket.sendall(data)

    def rest(self) -> bytes:
        """All bytes up to the end."""
        data = b""
        while piece := self._socket.recv(65536):
            data += piece
        return data

    def ends_with(self, row: bytes, last: bytes) -> bool:
        """Reads up to that last message behind a row with that text; False at the end of the connection."""
        data = b""
        while row not in data or not data.endswith(last):
            piece = self._socket.recv(65536)
            if not piece:
                return False
            data += piece
        return True

    def half_close(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def messages(self) -> Iterator[Any]:
        # First what came together with an earlier answer.
        yield from self._wire.receive(b"")
        while data := self._socket.recv(65536):
            yield from self._wire.receive(data)

    def until_ready(self) -> list[Any]:
        answers = []
        for message in self.messages():
            answers.append(message)
            if isinstance(message, m.ReadyForQuery):
                return answers
        raise AssertionError(f"the connection was closed after {answers}")

    def query(self, sql: str) -> list[Any]:
        self.send(m.Query(query_string=sql))
        return self.until_ready()

    def close(self) -> None:
        self._socket.close()


def startup_answers(node: Node, parameters: dict[str, str], *, version: int = 3 << 16) -> list[Any]:
    """What a startup message is answered with, up to ReadyForQuery or the end."""
    body = b"".join(name.encode() + b"\0" + value.encode() + b"\0" for name, value in parameters.items()) + b"\0"
    wire = FrontendConnection(strict=False)
    wire.send(m.StartupMessage(params=parameters))
    answers: list[Any] = []
    with socket.create_connection(("127.0.0.1", node.settings.sql_port), 10) as peer:
        peer.sendall(struct.pack(">ii", len(body) + 8, version) + body)
        while data := peer.recv(65536):
            answers += wire.receive(data)
            if isinstance(answers[-1], m.ReadyForQuery):
                break
    return answers
