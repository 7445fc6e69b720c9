"""One request of HTTP/1.1, as far as it has come. Pure: no I/O."""

from __future__ import annotations

__all__ = ["Request"]


class Request:
    """Its head is whole. `minor`: 0 or 1, of HTTP/1.x; `length`, `head_bytes`: see `answering.Head`."""

    __slots__ = (
        "broken", "chunked", "chunks", "complete", "continued", "head_bytes", "headers", "keep_alive", "length",
        "method", "minor", "received", "target", "too_long", "unread",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        *,
        length: int,
        chunked: bool,
        head_bytes: int,
        minor: int,
        keep_alive: bool,
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.length = length
        self.chunked = chunked
        self.head_bytes = head_bytes
        self.minor = minor
        #: The client wants the connection to stay.
        self.keep_alive = keep_alive
        #: The body, in pieces; dropped once it is `too_long` or `unread`.
        self.chunks: list[bytes] = []
        self.received = 0
        #: All of it is here.
        self.complete = False
        self.too_long = False
        #: Nobody will read the body, or what is left of it.
        self.unread = False
        #: The client was told to send the body, or sends it without being told.
        self.continued = True
        #: Why the rest of the body cannot be read; where the next request begins is not known.
        self.broken: str | None = None

    def take_body(self) -> bytes:
        """All of it, once."""
        chunks = self.chunks
        if not chunks:
            return b""
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        return body
