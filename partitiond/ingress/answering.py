"""A request -> its whole answer, whichever HTTP carries it: what is unfit, faults of ours, what every answer has.

Owns: the time that answers tell.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Protocol

from partitiond.ingress import replies
from partitiond.ingress.errors import IngressError, failed
from partitiond.ingress.handlers import ReadBody
from partitiond.ingress.replies import Answer, Answered

__all__ = ["HEAD_BYTES_MAX", "Answering", "Head"]

_log = logging.getLogger(__name__)
#: Path and headers travel in the record beside the body; logd leaves 64 KiB for all that is not body.
HEAD_BYTES_MAX = 60_000
_CORS = (
    b"vary: origin, access-control-request-method, access-control-request-headers\r\n"
    b"access-control-allow-credentials: true\r\n"
)


_Answer = Callable[[str, str, dict[str, str], ReadBody], Awaitable[Answer]]


class Head(Protocol):
    """What both sessions make of a request's head."""

    @property
    def method(self) -> str: ...

    @property
    def target(self) -> str:
        """Path and query as sent."""

    @property
    def headers(self) -> dict[str, str]:
        """Lower-case names, first values, in order, as text of one byte a character."""

    @property
    def length(self) -> int:
        """What `content-length` announces, or -1."""

    @property
    def head_bytes(self) -> int:
        """Names and values, and the target twice: it may be in the record as path, and as the key that is part."""


class Answering:
    """Asked by every connection. `answer`: that of a `RequestHandler`.

    `body_bytes_max`: an announced length over it is refused at once.
    """

    def __init__(self, answer: _Answer, *, body_bytes_max: int) -> None:
        self._answer = answer
        self._body_bytes_max = body_bytes_max
        self._date = b""
        self._usual_lines = b""
        self._date_second = 0

    async def answer(self, head: Head, read_body: ReadBody) -> Answered:
        """Raises nothing but CancelledError."""
        headers = head.headers
        if head.length > self._body_bytes_max:
            answer = replies.too_large()
        elif head.head_bytes > HEAD_BYTES_MAX:
            answer = replies.error(IngressError(431, f"path and headers are over {HEAD_BYTES_MAX} bytes"))
        else:
            try:
                answer = await self._answer(head.method, head.target, headers, read_body)
            except Exception:
                _log.exception("a request failed: %s %.200s", head.method, head.target)
                answer = replies.error(failed())
        return self.whole(answer, headers.get("origin"))

    def refusal(self, refusal: IngressError) -> Answered:
        """The answer to what is no request: nothing has looked at what it asks for."""
        return self.whole(replies.error(refusal)._replace(cors=False), None)

    def whole(self, answer: Answer, origin: str | None) -> Answered:
        """With what every answer has: CORS, the time, its length."""
        now = int(time.time())
        if now != self._date_second:
            self._date_second = now
            self._date = f"date: {formatdate(now, usegmt=True)}\r\n".encode()
            self._usual_lines = _CORS + self._date
        status, lines, body, cors = answer
        lines += self._usual_lines if cors else self._date
        if cors and origin is not None:
            lines += b"access-control-allow-origin: %b\r\n" % origin.encode("latin-1")
        return Answered(status, lines + b"content-length: %d\r\n" % len(body), body)
