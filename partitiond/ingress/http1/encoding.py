"""An answer -> its bytes in HTTP/1.1. Pure: no I/O."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from partitiond.ingress.replies import Answered

__all__ = ["CONTINUE", "encode"]

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_STATUS_LINES: Final[dict[int, bytes]] = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}


def encode(answered: Answered, *, minor: int, keep_alive: bool, head_only: bool = False) -> bytes:
    """`minor`: of the request's version. `head_only`: the answer to HEAD."""
    status, lines, body = answered
    status_line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d Other\r\n" % status
    if not keep_alive:
        end = b"connection: close\r\n\r\n"
    elif minor == 0:
        end = b"connection: keep-alive\r\n\r\n"
    else:
        end = b"\r\n"
    return b"".join((status_line, lines, end) if head_only else (status_line, lines, end, body))
