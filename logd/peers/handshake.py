"""Who is at the other end. Pure: no I/O.

Both ends say hello with a random number; each then proves with an HMAC over both names, both numbers
and its role that it knows the secret. The role is in it so that a proof cannot be sent back as one's own.
The dialling end proves itself first: whoever only dials learns nothing that the secret signed.
"""

from __future__ import annotations

import hmac

from logd.peers.wire import Hello, PeerMessage, Proof
from shared.errors import RemoteProtocolError

__all__ = ["WIRE_VERSION", "Handshake"]

#: Of the messages between peers and the batches in them: what one node orders, the others must be able to apply. Both
#: ends must have the same. 1: up to 0.3.
WIRE_VERSION = 2
_NONCE_BYTES = 16


class Handshake:
    """One end. `peer`: whom this end dialled, None for the accepting end, until it is told. `done`: both are proved."""

    def __init__(self, *, node: str, peer: str | None, members: frozenset[str], secret: bytes | None, nonce: bytes):
        assert len(nonce) == _NONCE_BYTES
        self._node = node
        self._dialled = peer is not None
        self._members = members
        self._secret = secret
        self._nonce = nonce
        self._peer_nonce: bytes | None = None
        self.peer = peer
        self.done = False

    def start(self) -> list[PeerMessage]:
        """What this end says first."""
        return [self._hello()] if self._dialled else []

    def receive(self, message: PeerMessage) -> list[PeerMessage]:
        """What to answer. Raises RemoteProtocolError that says what is wrong with the other end."""
        if isinstance(message, Hello) and self._peer_nonce is None:
            return self._receive_hello(message)
        if isinstance(message, Proof) and self._peer_nonce is not None:
            return self._receive_proof(message)
        raise RemoteProtocolError(f"unexpected {type(message).__name__} in the handshake")

    def _hello(self) -> Hello:
        return Hello(WIRE_VERSION, self._node, self.peer or "", self._nonce)

    def _receive_hello(self, hello: Hello) -> list[PeerMessage]:
        if hello.version != WIRE_VERSION:
            raise RemoteProtocolError(
                f"{hello.node} speaks version {hello.version}, this node {WIRE_VERSION}: all nodes must be of one build"
            )
        if hello.to != self._node:
            raise RemoteProtocolError(f"{hello.node} wants {hello.to}, this is {self._node}: check the addresses")
        if hello.node not in self._members or self.peer not in (None, hello.node):
            raise RemoteProtocolError(f"{hello.node} is no member" if self.peer is None else f"this is {hello.node}")
        if len(hello.nonce) != _NONCE_BYTES:
            raise RemoteProtocolError("a nonce has 16 bytes")
        self.peer, self._peer_nonce = hello.node, hello.nonce
        return [Proof(self._digest(of_dialler=True))] if self._dialled else [self._hello()]

    def _receive_proof(self, proof: Proof) -> list[PeerMessage]:
        if not hmac.compare_digest(proof.digest, self._digest(of_dialler=not self._dialled)):
            raise RemoteProtocolError(f"{self.peer} does not know the cluster's secret")
        self.done = True
        return [] if self._dialled else [Proof(self._digest(of_dialler=False))]

    def _digest(self, *, of_dialler: bool) -> bytes:
        if self._secret is None:
            return b""
        assert self.peer is not None
        assert self._peer_nonce is not None
        mine, other = (self._node.encode(), self._nonce), (self.peer.encode(), self._peer_nonce)
        dialler, accepter = (mine, other) if self._dialled else (other, mine)
        # Lengths first: no two sets of fields give the same text.
        fields = [b"dialler" if of_dialler else b"accepter", *dialler, *accepter]
        text = b"".join(len(field).to_bytes(4, "big") + field for field in fields)
        return hmac.digest(self._secret, text, "sha256")
