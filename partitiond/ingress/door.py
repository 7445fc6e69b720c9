"""Which HTTP a client speaks: its first bytes tell, and who speaks that takes the connection. Owns: it, until then.

HTTP/2 begins with a preface that no request of HTTP/1.1 can be (RFC 9113 section 3.4). It costs a request nothing to
look: a connection is looked at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final, cast

from partitiond.invoker.http2.frames import PREFACE

__all__ = ["Door"]

_PREFACE_BYTES: Final = len(PREFACE)


class Door(asyncio.Protocol):
    """`opened`: makes the protocol that takes over, that of HTTP/2 when told so. `on_lost`: the client went before."""

    def __init__(
        self,
        opened: Callable[[Door, bool], asyncio.Protocol],
        *,
        within_s: float,
        on_lost: Callable[[Door], None],
    ) -> None:
        self._opened = opened
        self._within_s = within_s
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        connected = transport.get_extra_info("socket")
        if connected is not None:
            with contextlib.suppress(OSError):
                # A request may wait for hours: only this tells that the client's machine is gone.
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        # Who says nothing does not stay.
        self._timer = asyncio.get_running_loop().call_later(self._within_s, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        if self._seen:
            data = self._seen + data
        if not data.startswith(b"P") or not PREFACE.startswith(data[:_PREFACE_BYTES]):
            self._hand_over(self._opened(self, False), data)
        elif len(data) >= _PREFACE_BYTES:
            self._hand_over(self._opened(self, True), data[_PREFACE_BYTES:])
        else:
            self._seen = data

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._transport = None
        self._on_lost(self)

    def close(self) -> None:
        """Who has said nothing yet is not waited for."""
        if self._transport is not None:
            self._transport.close()

    def _hand_over(self, protocol: asyncio.Protocol, data: bytes) -> None:
        assert self._transport is not None
        assert self._timer is not None
        self._timer.cancel()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if data:
            protocol.data_received(data)
