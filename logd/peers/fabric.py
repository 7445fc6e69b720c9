"""All links to the peers: one each, whoever dials. Owns: the listening TCP socket and the dialling tasks.

The node with the smaller name dials, so that two nodes never hold two connections for long; a newer one
replaces an older one, which may be half open.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any, Protocol

from logd.peers.handshake import Handshake
from logd.peers.link import PeerLink
from logd.peers.options import ClusterOptions
from logd.peers.wire import RaftFrame, decode_raft, encode_raft
from shared.rpc.connection import Connection

__all__ = ["FabricListener", "PeerFabric"]

_log = logging.getLogger(__name__)
_REDIAL_S = 0.2
_PULSE_S = 1.0


class FabricListener(Protocol):
    """The groups, as the fabric sees them."""

    def on_peer_message(self, peer: str, group: str, message: dict[str, Any]) -> None:
        """A checked message of an authenticated member."""

    def on_peer_ready(self, peer: str, *, ready: bool) -> None:
        """The peer takes messages, or does not: it is away or has enough for now."""


class PeerFabric:
    """This node's connections to its peers. A lost message is no harm: Raft sends again."""

    def __init__(self, node: str, options: ClusterOptions, listener: FabricListener) -> None:
        assert node not in options.peers
        self._node = node
        self._options = options
        self._listener = listener
        self._links: dict[str, PeerLink] = {}
        self._all_links: set[PeerLink] = set()
        self._unknown_kinds: set[str] = set()
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Listen, and begin to dial."""
        loop = asyncio.get_running_loop()
        host, port = self._options.listen
        self._server = await loop.create_server(self._accept, host, port)
        dialled = [peer for peer in self._options.peers if peer > self._node]
        self._tasks = [loop.create_task(self._dial(peer), name=f"dial-{peer}") for peer in dialled]
        self._tasks.append(loop.create_task(self._pulse(), name="peer-pulse"))

    async def close(self) -> None:
        """Close all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        for link in list(self._all_links):
            link.connection.close()

    def ready(self, peer: str) -> bool:
        """The peer takes messages."""
        link = self._links.get(peer)
        return link is not None and link.ready

    def send(self, peer: str, group: str, message: dict[str, Any]) -> bool:
        link = self._links.get(peer)
        if link is None:
            return False
        link.send_frame(encode_raft(group, message))
        return True

    def on_link_up(self, link: PeerLink) -> None:
        older = self._links.get(link.peer)
        if older is not None:
            older.connection.abort()
        else:
            _log.info("peer=%s is connected", link.peer)
        self._links[link.peer] = link
        self._listener.on_peer_ready(link.peer, ready=link.ready)

    def on_link_ready(self, link: PeerLink, *, ready: bool) -> None:
        if self._links.get(link.peer) is link:
            self._listener.on_peer_ready(link.peer, ready=ready)

    def on_link_down(self, link: PeerLink) -> None:
        self._all_links.discard(link)
        peer = link.known_peer
        if peer is not None and self._links.get(peer) is link:
            del self._links[peer]
            _log.warning("peer=%s is away", peer)
            self._listener.on_peer_ready(peer, ready=False)

    def on_frame(self, link: PeerLink, frame: RaftFrame) -> None:
        message = decode_raft(frame)
        if message is not None:
            self._listener.on_peer_message(link.peer, frame.group, message)
        elif frame.kind not in self._unknown_kinds and len(self._unknown_kinds) < 100:
            self._unknown_kinds.add(frame.kind)
            _log.warning("peer=%s sends messages of unknown kind %r: dropped", link.peer, frame.kind)

    def _make_link(self, peer: str | None) -> PeerLink:
        handshake = Handshake(
            node=self._node,
            peer=peer,
            members=frozenset(self._options.peers),
            secret=self._options.secret,
            nonce=PeerLink.make_nonce(),
        )
        return PeerLink(self, handshake)

    def _accept(self) -> Connection:
        link = self._make_link(None)
        self._all_links.add(link)
        return link.connection

    async def _dial(self, peer: str) -> None:
        while True:
            if peer not in self._links:
                with contextlib.suppress(OSError):
                    await self._connect(peer)
            await asyncio.sleep(_REDIAL_S)

    async def _connect(self, peer: str) -> None:
        """Returns when the handshake is done or has failed. Raises OSError when nobody is there."""
        link = self._make_link(peer)
        await asyncio.get_running_loop().create_connection(lambda: link.connection, *self._options.peers[peer])
        # Not before: uvloop makes what it is to connect at once, and of those that never were nobody tells.
        if not link.connection.closed:
            self._all_links.add(link)
        await link.settled()

    async def _pulse(self) -> None:
        while True:
            await asyncio.sleep(_PULSE_S)
            for link in list(self._all_links):
                link.check_pulse()
