"""A connection that is one too many: whatever it asks gets the same answer. Owns: the connection, for a second at most.

Without it a server would take clients until no file descriptor is left for the sockets of other daemons.
"""

from __future__ import annotations

import asyncio
from typing import cast

__all__ = ["Refusal"]

_WITHIN_S = 1.0


class Refusal(asyncio.Protocol):
    """Gives `answer`, a whole response of HTTP/1.1, and closes."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # Who says nothing does not stay either.
        asyncio.get_running_loop().call_later(_WITHIN_S, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        # Not before: what comes after the answer would make the kernel take the answer back.
        if self._transport is not None:
            self._transport.write(self._answer)
            self._transport.close()
            self._transport = None
