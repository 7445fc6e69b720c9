"""What a client broke, and what that ends: its stream or its connection (RFC 9113 section 5.4). Pure: no I/O."""

from __future__ import annotations

from shared.errors import RemoteProtocolError

__all__ = ["ConnectionFault", "StreamFault"]


class StreamFault(RemoteProtocolError):
    """The request is malformed: its stream is reset with `code`, the others go on."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class ConnectionFault(RemoteProtocolError):
    """Nothing that follows can be trusted: GOAWAY with `code`, and the end. Not `StreamFault`: all streams end."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
