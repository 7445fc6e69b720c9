"""What the partition workers know and nobody stores: asked over their sockets when a query needs it."""

from __future__ import annotations

import logging
import socket
import time
from pathlib import Path
from typing import Any

import msgspec

from shared.api.partition import InvocationState, InvocationStatesReply, InvocationStatesRequest, PartitionReply
from shared.errors import RemoteProtocolError
from shared.rpc.frames import FrameReader, encode_frame

__all__ = ["invocation_states"]

_log = logging.getLogger(__name__)
_decode = msgspec.msgpack.Decoder(PartitionReply).decode
_REQUEST = encode_frame(msgspec.msgpack.encode(InvocationStatesRequest(1)))


def invocation_states(sockets: list[Path], *, timeout_s: float) -> list[list[InvocationState]]:
    """The states of each worker. One that is away or too slow contributes none: what it ran, nobody runs now."""
    deadline = time.monotonic() + timeout_s
    # All are asked before the first answer is awaited, so that the slowest alone decides how long it takes.
    asked = [(path, _ask(path)) for path in sockets]
    return [[] if peer is None else _told(path, peer, deadline) for path, peer in asked]


def _told(path: Path, peer: socket.socket, deadline: float) -> list[InvocationState]:
    with peer:
        try:
            return _answer(peer, deadline)
        except (OSError, RemoteProtocolError, msgspec.MsgspecError) as error:
            _log.warning("%s did not tell its invocation states: %s", path.name, error)
            return []


def _ask(path: Path) -> socket.socket | None:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        peer.connect(str(path))
        peer.sendall(_REQUEST)
    except OSError:
        peer.close()
        return None
    return peer


def _answer(peer: socket.socket, deadline: float) -> list[InvocationState]:
    reader = FrameReader()
    states: list[InvocationState] = []
    while True:
        peer.settimeout(max(0.001, deadline - time.monotonic()))
        data = peer.recv(1 << 18)
        if not data:
            raise RemoteProtocolError("it went away before it answered")
        for frame in reader.feed(data):
            message: Any = _decode(frame)
            if isinstance(message, InvocationStatesReply):
                states += message.states
                if not message.more:
                    return states
