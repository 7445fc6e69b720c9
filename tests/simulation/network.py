"""Sockets between simulated processes: streams of bytes that are delayed, cut into pieces, held back and broken.

A stream keeps its order. What is lost is lost at its end: a connection that breaks hands over some bytes of what was
on its way, so that frames are cut in the middle. Each direction of a connection has dice of its own, so that nothing
depends on the order in which a program walks over its connections.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from tests.simulation.loop import ClusterLoop, Process, current_process

__all__ = ["Network", "SimTransport"]

#: Bytes on the way in one direction over which the writer is told to pause.
_WINDOW_BYTES = 256 * 1024


class _Listener:
    def __init__(self, network: Network, address: str, process: Process, factory: Callable[[], Any]) -> None:
        self.process = process
        self.factory = factory
        self._network = network
        self._address = address

    def close(self) -> None:
        if self._network.listeners.get(self._address) is self:
            del self._network.listeners[self._address]


class SimTransport:
    """One end of a connection."""

    def __init__(self, network: Network, process: Process, name: str) -> None:
        self.network = network
        self.process = process
        self.name = name
        self.protocol: Any = None
        self.peer: SimTransport
        self.closed = False
        self._context: contextvars.Context = process.context.copy()
        self._chooser = random.Random(f"{network.seed} {name}")
        #: What the peer sent and this end has not read.
        self._inbox: deque[bytes] = deque()
        self._ready_at = 0.0
        self._reading = True
        self._lost = False
        self._on_way_bytes = 0
        self._paused_writing = False
        process.at_exit[self._process_died] = None

    # What protocols call.

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The window is the network's."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def is_closing(self) -> bool:
        return self.closed

    def writelines(self, pieces: Iterable[bytes]) -> None:
        self.write(b"".join(pieces))

    def write(self, data: bytes) -> None:
        if self.closed or not data:
            return
        self.network.bytes_sent += len(data)
        self._on_way_bytes += len(data)
        if self._on_way_bytes > _WINDOW_BYTES and not self._paused_writing:
            self._paused_writing = True
            self.protocol.pause_writing()
        if len(data) > 8 and self._chooser.random() < 0.02:
            cut = self._chooser.randrange(1, len(data))
            self.peer._send_in(bytes(data[:cut]))
            data = data[cut:]
        self.peer._send_in(bytes(data))

    def close(self) -> None:
        """Whatever was written arrives first."""
        if not self.closed:
            self.closed = True
            self._forget()
            self.peer._lose_in(keep_bytes=None)
            self._schedule_lost()

    def abort(self) -> None:
        """What is on its way is cut somewhere."""
        if not self.closed:
            self.closed = True
            self._forget()
            self.peer._lose_in(keep_bytes=self.peer.cut_at())
            self._schedule_lost()

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        self._wake()

    # What the network does.

    def cut_at(self) -> int:
        """How many of the bytes on their way to this end still arrive."""
        waiting = sum(map(len, self._inbox))
        return self._chooser.randint(0, waiting) if waiting else 0

    def break_off(self) -> None:
        """The connection is reset: both ends hear of it, and of some of what was on its way."""
        for end in (self, self.peer):
            if not end.closed and not end._lost:
                end._lose_in(keep_bytes=end.cut_at())

    def _process_died(self) -> None:
        """The kernel closes its sockets; of what it wrote all arrives."""
        if not self.closed:
            self.closed = True
            self.peer._lose_in(keep_bytes=None)
        self.network.ends.pop(self.name, None)

    def _forget(self) -> None:
        self.process.at_exit.pop(self._process_died, None)
        self.network.ends.pop(self.name, None)

    def _schedule_lost(self) -> None:
        if not self._lost:
            self._lost = True
            self.network.loop.call_soon(self.protocol.connection_lost, None, context=self._context)

    def _send_in(self, data: bytes) -> None:
        self._inbox.append(data)
        self._plan()

    def _plan(self) -> None:
        loop = self.network.loop
        self._ready_at = max(self._ready_at + 1e-6, loop.time() + self.network.delay(self._chooser))
        loop.call_at(self._ready_at, self._wake, context=self._context)

    def _lose_in(self, keep_bytes: int | None) -> None:
        """The other end is gone: read what arrives, then hear of it."""
        if self._lost:
            return
        if keep_bytes is not None:
            kept: deque[bytes] = deque()
            while self._inbox and keep_bytes > 0:
                piece = self._inbox.popleft()[:keep_bytes]
                keep_bytes -= len(piece)
                kept.append(piece)
            self._inbox = kept
        self._inbox.append(b"")
        self._plan()

    def _wake(self) -> None:
        """Read what has arrived; many pieces at once, as a kernel does."""
        if self._lost or self.closed or not self._reading:
            return
        if self.network.is_cut(self.process.host, self.peer.process.host):
            self.network.held.append(self)
            return
        data = bytearray()
        ended = False
        while self._inbox and not ended:
            piece = self._inbox.popleft()
            ended = not piece
            data += piece
        if data:
            self.peer._read_by_peer(len(data))
            self.protocol.data_received(bytes(data))
        if ended and not self._lost and not self.closed:
            self.closed = self._lost = True
            self._forget()
            self.protocol.connection_lost(None)

    def _read_by_peer(self, size: int) -> None:
        self._on_way_bytes -= size
        if self._paused_writing and self._on_way_bytes < _WINDOW_BYTES // 4:
            self._paused_writing = False
            if not self.closed:
                self.network.loop.call_soon(self.protocol.resume_writing, context=self._context)


class Network:
    """All listeners and connections. Hosts may be cut off from each other; within a host all goes on."""

    def __init__(self, loop: ClusterLoop, seed: int) -> None:
        self.loop = loop
        self.seed = seed
        self.listeners: dict[str, _Listener] = {}
        self.ends: dict[str, SimTransport] = {}
        #: Ends that something arrived for while their hosts were cut off from each other.
        self.held: list[SimTransport] = []
        self.bytes_sent = 0
        #: Upper bounds of delays, one of which is chosen for each piece.
        self.delays_s: tuple[float, ...] = (0.0002, 0.0002, 0.001)
        self._islands: dict[str, int] = {}
        self._count = 0

    def delay(self, chooser: random.Random) -> float:
        return chooser.random() * chooser.choice(self.delays_s)

    def is_cut(self, one: str, other: str) -> bool:
        return self._islands.get(one, 0) != self._islands.get(other, 0)

    def isolate(self, *hosts: str) -> None:
        """These are on an island of their own."""
        self._islands = dict.fromkeys(hosts, 1)

    def heal(self) -> None:
        """All reach all; what was held back arrives now, late."""
        self._islands.clear()
        held, self.held = self.held, []
        for end in held:
            if not end.closed:
                end._plan()

    def listen(self, address: str, factory: Callable[[], Any]) -> _Listener:
        process = current_process()
        listener = self.listeners[address] = _Listener(self, address, process, factory)
        process.at_exit[listener.close] = None
        return listener

    async def connect(self, address: str, factory: Callable[[], Any]) -> tuple[SimTransport, Any]:
        process = current_process()
        await asyncio.sleep(self.delay(process.chooser))
        listener = self.listeners.get(address)
        if listener is None or not listener.process.alive or self.is_cut(process.host, listener.process.host):
            raise ConnectionRefusedError(f"nobody listens at {address}")
        self._count += 1
        name = f"{process}-{listener.process}-{self._count}"
        near, far = SimTransport(self, process, f"{name}-near"), SimTransport(self, listener.process, f"{name}-far")
        near.peer, far.peer = far, near
        far.protocol = listener.process.context.copy().run(listener.factory)
        near.protocol = factory()
        self.ends[near.name], self.ends[far.name] = near, far
        near.protocol.connection_made(near)
        self.loop.call_soon(far.protocol.connection_made, far, context=far._context)
        return near, near.protocol
