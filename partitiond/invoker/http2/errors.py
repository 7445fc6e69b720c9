"""What can go wrong with a stream or a connection.

Pure: no I/O.
"""

from enum import Enum

from partitiond.invoker.http2.frames import NO_ERROR, REFUSED_STREAM, error_name

__all__ = ["ConnectionFault", "ErrorKind", "StreamError", "StreamFault"]


class ErrorKind(Enum):
    """Why a stream ended without a complete response; tells the owner whether a retry is safe."""

    #: No connection could be made. Nothing was sent: a retry is safe.
    CONNECT = "connect"
    #: The connection went away, or the pool was closed. See `StreamError.sent`.
    CLOSED = "closed"
    #: The peer reset this stream; `StreamError.code` says why.
    RESET = "reset"
    #: The peer states that it did not process the request: a retry is safe, even if bytes were sent.
    REFUSED = "refused"
    #: The peer said that it would end the connection, in order (GOAWAY, NO_ERROR), and closed it before it answered a
    #: request that it had taken. It may have been processed in part.
    LEFT = "left"
    #: The peer broke RFC 9113, on this stream or on its connection.
    PROTOCOL = "protocol"
    #: The peer stopped answering PING on an established connection.
    TIMEOUT = "timeout"


class StreamError(Exception):
    """The one error a stream's owner sees.

    `code` is the error code of RFC 9113 section 7, from the peer or ours to it, or None where there was none.
    `sent` tells whether any byte of the request may have reached the peer. If it is False, or `kind` is
    REFUSED, the request was not processed.
    """

    def __init__(self, kind: ErrorKind, message: str, *, code: int | None = None, sent: bool) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.code = code
        self.sent = sent

    @property
    def blameless(self) -> bool:
        """Nothing is wrong with the request or the service: it was refused unread, or a server ends its connections
        after so many requests (RFC 9113 section 8.7). Not so when the peer gives a reason."""
        if self.kind is ErrorKind.REFUSED:
            return self.code in (REFUSED_STREAM, NO_ERROR)
        return self.kind is ErrorKind.LEFT

    def __repr__(self) -> str:
        return f"StreamError({self.kind.name}, {self.message!r}, code={self.code}, sent={self.sent})"


class ConnectionFault(Exception):
    """The peer broke a rule whose breach ends the connection (RFC 9113 section 5.4.1).

    Never leaves this package: the receiver turns it into GOAWAY and a `StreamError` for each open stream.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{message} ({error_name(code)})")
        self.code = code


class StreamFault(Exception):
    """The peer broke a rule whose breach ends one stream (RFC 9113 section 5.4.2).

    Never leaves this package: the receiver turns it into RST_STREAM and one `StreamError`.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{message} ({error_name(code)})")
        self.code = code
