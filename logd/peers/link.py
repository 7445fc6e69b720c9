"""One connection to a peer: its handshake, how much it may be sent at once, and its pulse. Owns: the connection."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import Any, Protocol

import msgspec

from logd.peers.handshake import Handshake
from logd.peers.wire import Ping, RaftFrame, decode
from shared.errors import RemoteProtocolError
from shared.rpc.connection import Connection

__all__ = ["SILENCE_S", "LinkOwner", "PeerLink"]

_log = logging.getLogger(__name__)

#: A connection over which nothing came for this long is dead; so is one whose handshake takes longer.
SILENCE_S = 3.5
#: Sent to one peer in one loop turn, about: pysyncobj sends a lagging follower all it lacks in one go.
_TURN_BYTES = 8 * 1024 * 1024


class LinkOwner(Protocol):
    """The fabric."""

    def on_link_up(self, link: PeerLink) -> None:
        """The handshake is done: `link.peer` is who it says."""

    def on_link_ready(self, link: PeerLink, *, ready: bool) -> None:
        """The peer takes messages again, or has enough for now."""

    def on_frame(self, link: PeerLink, frame: RaftFrame) -> None: ...

    def on_link_down(self, link: PeerLink) -> None:
        """Called once, also for a link that was never up."""


class PeerLink:
    """What its connection is told by, and tells its owner. The connection's handler."""

    def __init__(self, owner: LinkOwner, handshake: Handshake) -> None:
        """What opens the handshake leaves as soon as there is a socket."""
        self._loop = asyncio.get_running_loop()
        self.connection = Connection(decode, self, name="peer")
        self.connection.watch_paused(self._on_paused)
        self._owner = owner
        self._handshake = handshake
        self._turn_left = _TURN_BYTES
        self._heard_at = time.monotonic()
        self._settled = asyncio.Event()
        for message in handshake.start():
            self.connection.send(message)

    @staticmethod
    def make_nonce() -> bytes:
        return os.urandom(16)

    @property
    def peer(self) -> str:
        """Who is at the other end; of a link that is up."""
        assert self._handshake.peer is not None
        return self._handshake.peer

    @property
    def known_peer(self) -> str | None:
        """`peer`, None while the handshake is not done."""
        return self._handshake.peer if self._handshake.done else None

    async def settled(self) -> None:
        """Wait until the handshake is done or has failed."""
        await self._settled.wait()

    @property
    def up(self) -> bool:
        return self._handshake.done and not self.connection.closed

    @property
    def ready(self) -> bool:
        """The peer may be sent more."""
        return self.up and not self.connection.paused and self._turn_left > 0

    def send_frame(self, frame: bytes) -> None:
        """Queue an encoded message; when it is enough for this turn the owner is told."""
        was_ready = self.ready
        if self._turn_left == _TURN_BYTES:
            self._loop.call_soon(self._next_turn)
        self._turn_left -= len(frame)
        self.connection.send_encoded(frame)
        if was_ready and not self.ready:
            self._owner.on_link_ready(self, ready=False)

    def check_pulse(self) -> None:
        """Called about once a second: drop a dead connection, keep a live one alive."""
        if time.monotonic() - self._heard_at > SILENCE_S:
            _log.warning("%s: nothing heard for %s s, connecting again", self.connection.name, SILENCE_S)
            self.connection.abort()
        elif self.up:
            self.connection.send(Ping())

    def _on_paused(self, paused: bool) -> None:
        if self.up and self._turn_left > 0:
            self._owner.on_link_ready(self, ready=not paused)

    def on_messages(self, connection: Connection, messages: list[Any]) -> None:
        self._heard_at = time.monotonic()
        try:
            for message in messages:
                self._on_message(message)
        except (RemoteProtocolError, msgspec.MsgspecError) as error:
            _log.warning("%s: closing the connection: %s", self.connection.name, error)
            self.connection.abort()

    def on_closed(self, connection: Connection) -> None:
        self._settled.set()
        self._owner.on_link_down(self)

    def _on_message(self, message: Any) -> None:
        if not self._handshake.done:
            for answer in self._handshake.receive(message):
                self.connection.send(answer)
            if self._handshake.done:
                self.connection.name = f"peer {self.peer}"
                self._owner.on_link_up(self)
                self._settled.set()
        elif isinstance(message, RaftFrame):
            self._owner.on_frame(self, message)
        elif not isinstance(message, Ping):
            raise RemoteProtocolError(f"unexpected {type(message).__name__}")

    def _next_turn(self) -> None:
        was_ready = self.ready
        self._turn_left = _TURN_BYTES
        if self.ready and not was_ready:
            self._owner.on_link_ready(self, ready=True)
