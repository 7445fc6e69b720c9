"""A connection without a socket: bytes in, bytes out. What is asked for tells what is answered (`Answers`)."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from partitiond.ingress.answering import Head
from partitiond.ingress.errors import IngressError
from partitiond.ingress.handlers import ReadBody
from partitiond.ingress.http1.connection import Http1Connection
from partitiond.ingress.replies import Answered

__all__ = ["BODY_BYTES_MAX", "Client", "FakeTransport"]

BODY_BYTES_MAX = 200_000


class FakeTransport:
    """Keeps what is written, and how it ended: `closed`, `aborted`, or `eof`, which leaves the other side open."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.reading = True
        self.end = ""

    def write(self, data: bytes) -> None:
        assert not self.end, "written behind the end"
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.end in ("closed", "aborted")

    def close(self) -> None:
        self.end = self.end if self.end == "aborted" else "closed"

    def abort(self) -> None:
        self.end = "aborted"

    def write_eof(self) -> None:
        self.end = "eof"

    def pause_reading(self) -> None:
        assert self.reading, "paused twice"
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading, "resumed twice"
        self.reading = True


class Answers:
    """`/early…` without a look at the body, `/wait…` when it is let go on, the others at once with what they were."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.waiting: dict[str, asyncio.Future[None]] = {}
        self.cancelled: list[str] = []

    async def answer(self, head: Head, read_body: ReadBody) -> Answered:
        self.seen.append(head.target)
        try:
            if head.target.startswith("/wait"):
                self.waiting[head.target] = asyncio.get_running_loop().create_future()
                await self.waiting[head.target]
            if head.target.startswith("/turn"):
                await asyncio.sleep(0)
            body = b"" if head.target.startswith("/early") else await read_body()
        except IngressError as refusal:
            return self.refusal(refusal)
        except asyncio.CancelledError:
            self.cancelled.append(head.target)
            raise
        return Answered(200, b"", f"{head.method} {head.target} ".encode() + body + b"\n")

    def refusal(self, refusal: IngressError) -> Answered:
        return Answered(refusal.status, b"", refusal.message.encode() + b"\n")


class Client:
    """Needs a running loop."""

    def __init__(self, *, keep_alive_ticks: int = 3) -> None:
        self.answers = Answers()
        self.transport = FakeTransport()
        self.lost = 0
        self.connection = Http1Connection(
            self.answers, body_bytes_max=BODY_BYTES_MAX, keep_alive_ticks=keep_alive_ticks, on_lost=self._on_lost
        )
        self.connection.connection_made(cast(Any, self.transport))

    def _on_lost(self, connection: Http1Connection) -> None:
        assert connection is self.connection
        self.lost += 1

    def send(self, data: bytes, *, cut: int = 0) -> bytes:
        """In pieces of `cut` bytes. -> all that has come back so far."""
        cut = cut or max(len(data), 1)
        for at in range(0, len(data), cut):
            if not self.transport.is_closing():
                self.connection.data_received(data[at : at + cut])
        return self.told()

    def told(self) -> bytes:
        return b"".join(self.transport.written)

    async def settled(self) -> bytes:
        """When nothing more happens by itself."""
        for _ in range(6):
            await asyncio.sleep(0)
        return self.told()

    def let_go(self, target: str) -> None:
        self.answers.waiting.pop(target).set_result(None)
