"""One group's messages to and from its peers, as pysyncobj's Transport.

Rules that always hold:
- an acknowledgement leaves only after the entries it names are durable here;
- an acknowledgement carries the term it was given in (correction 3);
- who must hold its acknowledgements back for long, since its disk is slow, says that it is there: a leader that heard
  nothing from a quorum would step down, and another one have the same to wait for;
- messages of nodes that are no member of the group, or of an unknown kind, are dropped.
"""

from __future__ import annotations

import time
from typing import Any, Protocol

from pysyncobj.node import Node
from pysyncobj.transport import Transport

from logd.journal import GroupJournal
from logd.raft.private import Engine

__all__ = ["Fabric", "GroupTransport", "NoFabric"]

#: What one member may say to another; commands are not forwarded to the leader, clients find it themselves.
_KINDS = frozenset({"append_entries", "next_node_idx", "request_vote", "response_vote", "timeout_now"})


#: Well within the time after which a leader that hears nothing steps down.
_ALIVE_EVERY_S = 0.25


class Fabric(Protocol):
    """All connections of this node to its peers."""

    def send(self, peer: str, group: str, message: dict[str, Any]) -> bool:
        """Queue a message. False: the peer is away, the message is dropped."""

    def ready(self, peer: str) -> bool:
        """The peer takes messages."""


class NoFabric:
    """A node without peers."""

    def send(self, peer: str, group: str, message: dict[str, Any]) -> bool:
        return False

    def ready(self, peer: str) -> bool:
        return False


class GroupTransport(Transport):  # type: ignore[misc]
    """Between the engine of one group and the fabric."""

    def __init__(self, fabric: Fabric, journal: GroupJournal) -> None:
        super().__init__(None, None, [])
        self._fabric = fabric
        self._journal = journal
        self._engine: Engine | None = None
        #: Acknowledgements that wait for a sync.
        self._held: list[tuple[str, dict[str, Any]]] = []
        #: When the next acknowledgement that must be held is answered by a sign of life instead.
        self._alive_at = 0.0

    def bind(self, engine: Engine) -> None:
        """The engine, which is made after its transport."""
        self._engine = engine

    @property
    def ready(self) -> bool:
        return True

    def send(self, node: Node, message: dict[str, Any]) -> bool:
        """What pysyncobj calls."""
        assert self._engine is not None
        if message["type"] == "next_node_idx":
            message["term"] = self._engine.raftCurrentTerm
            if message["success"] and message["next_node_idx"] - 1 > self._journal.synced_index:
                self._hold(node.id, message)
                return True
        return self._fabric.send(node.id, self._journal.group, message)

    def _hold(self, peer: str, message: dict[str, Any]) -> None:
        now = time.monotonic()
        if not self._held:
            self._alive_at = now + _ALIVE_EVERY_S
        self._held.append((peer, message))
        if now >= self._alive_at:
            self._alive_at = now + _ALIVE_EVERY_S
            # Neither a success nor a reset: it acknowledges nothing and moves nothing.
            self._fabric.send(peer, self._journal.group, {**message, "success": False, "reset": False})

    def release(self) -> None:
        """A sync is done: send what it made true."""
        if not self._held:
            return
        assert self._engine is not None
        held, self._held = self._held, []
        for peer, message in held:
            if message["term"] != self._engine.raftCurrentTerm:
                continue  # A newer leader may have replaced these entries meanwhile.
            if message["next_node_idx"] - 1 > self._journal.synced_index:
                self._held.append((peer, message))
            else:
                self._fabric.send(peer, self._journal.group, message)

    def receive(self, peer: str, message: dict[str, Any]) -> None:
        """A message came in."""
        engine = self._engine
        assert engine is not None
        if message["type"] in _KINDS and engine.has_peer(peer):
            engine.receive(peer, message)
