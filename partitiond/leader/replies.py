"""Who waits for which invocation. Holds only memory: whoever waits asks again when the leader changes."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import msgspec

from shared.api.partition import InvokeReply, Moved, ResultReply
from shared.wal.commands import Result, Target

__all__ = ["Peer", "Replies"]


class Peer(Protocol):
    """The other end of a request: a connection of the worker's socket."""

    def send(self, message: msgspec.Struct) -> None: ...

    def hold(self, *, on: bool) -> None:
        """Read no more from it, or go on."""


class _Waiter(NamedTuple):
    peer: Peer
    request_id: int
    request_uid: bytes
    wants_result: bool


class Replies:
    """Waiters by invocation id."""

    def __init__(self) -> None:
        self._waiters: dict[bytes, list[_Waiter]] = {}
        self._by_peer: dict[Any, dict[int, bytes]] = {}

    def wait(
        self, peer: Peer, request_id: int, invocation_id: bytes, request_uid: bytes, *, wants_result: bool
    ) -> None:
        """Answer this request when its invocation ends (`wants_result`), or else once it is stored."""
        waiter = _Waiter(peer, request_id, request_uid, wants_result)
        waiters = self._waiters.get(invocation_id)
        if waiters is None:
            self._waiters[invocation_id] = [waiter]
        else:
            waiters.append(waiter)
        requests = self._by_peer.get(peer)
        if requests is None:
            requests = self._by_peer[peer] = {}
        requests[request_id] = invocation_id

    def ended(self, invocation_id: bytes, target: Target, result: Result, expires_at_ms: int) -> None:
        """Answer all who wait for the result."""
        for waiter in self._take(invocation_id, lambda waiter: waiter.wants_result):
            waiter.peer.send(ResultReply(waiter.request_id, result, expires_at_ms, target=target))

    def stored(self, invocation_id: bytes, request_uid: bytes, *, created: bool, start_at_ms: int) -> None:
        """Answer the request that asked only for this."""
        if invocation_id not in self._waiters:
            return
        for waiter in self._take(
            invocation_id, lambda waiter: not waiter.wants_result and waiter.request_uid == request_uid
        ):
            waiter.peer.send(InvokeReply(waiter.request_id, created, start_at_ms))

    def refused(self, invocation_id: bytes, request_uid: bytes, failure: Result) -> None:
        """A request that may not attach gets this failure instead of the result."""
        for waiter in self._take(
            invocation_id, lambda waiter: waiter.wants_result and waiter.request_uid == request_uid
        ):
            waiter.peer.send(ResultReply(waiter.request_id, failure))

    def forget(self, peer: Peer, request_id: int) -> None:
        """This request's client went away."""
        invocation_id = self._by_peer.get(peer, {}).get(request_id)
        if invocation_id is not None:
            self._take(invocation_id, lambda waiter: waiter.peer is peer and waiter.request_id == request_id)

    def forget_peer(self, peer: Peer) -> None:
        """This connection is gone."""
        for request_id in list(self._by_peer.get(peer, {})):
            self.forget(peer, request_id)
        self._by_peer.pop(peer, None)

    def moved(self, message: str) -> None:
        """Leadership is lost: everybody asks the next leader."""
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.peer.send(Moved(waiter.request_id, message))
        self._waiters.clear()
        self._by_peer.clear()

    def __len__(self) -> int:
        return len(self._waiters)

    def _take(self, invocation_id: bytes, wanted: Any) -> list[_Waiter]:
        waiters = self._waiters.get(invocation_id)
        if waiters is None:
            return []
        taken = [waiter for waiter in waiters if wanted(waiter)]
        if len(taken) == len(waiters):
            del self._waiters[invocation_id]
        else:
            self._waiters[invocation_id] = [waiter for waiter in waiters if not wanted(waiter)]
        for waiter in taken:
            requests = self._by_peer.get(waiter.peer)
            if requests is not None:
                requests.pop(waiter.request_id, None)
        return taken
