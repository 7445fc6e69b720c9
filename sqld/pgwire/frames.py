"""A client's bytes -> messages, with limits. Pure: no I/O.

The messages themselves are pygwire's. It is its framing that is ours: lengths are checked before their bytes come, a
body must be what its message says to the last byte, and what is wrong inside of one message costs that message alone.
Source: PostgreSQL 17, "Message Formats"; 18 for minor versions.
"""

from __future__ import annotations

import struct
from collections.abc import Container

from pygwire import messages as m
from pygwire.exceptions import ProtocolError
from pygwire.messages import PGMessage

from shared.errors import RemoteProtocolError

__all__ = ["MESSAGE_LIMIT", "STARTUP_LIMIT", "Frames", "MalformedMessageError"]

#: The largest message that is taken: a query string, or its parameters.
MESSAGE_LIMIT = 32 * 1024 * 1024
#: Before somebody is known, as PostgreSQL has it; what is sent to authenticate is larger there.
STARTUP_LIMIT = 10_000
#: Consumed bytes are given back when there are so many.
_COMPACT_AT = 64 * 1024

_REQUESTS = {80877103: m.SSLRequest, 80877104: m.GSSEncRequest}
_CANCEL = 80877102
_CANCEL_KEY_MAX = 256

_MESSAGES: dict[int, type[PGMessage]] = {
    ord("Q"): m.Query,
    ord("P"): m.Parse,
    ord("B"): m.Bind,
    ord("D"): m.Describe,
    ord("E"): m.Execute,
    ord("C"): m.Close,
    ord("S"): m.Sync,
    ord("H"): m.Flush,
    ord("X"): m.Terminate,
    ord("F"): m.FunctionCall,
    ord("d"): m.CopyData,
    ord("c"): m.CopyDone,
    ord("f"): m.CopyFail,
}
#: What may come while somebody authenticates.
_PASSWORDS = (ord("p"), ord("X"))


class MalformedMessageError(Exception):
    """One message is not what its kind says; the next one can be read. `kind` is its class, `text` is no UTF-8."""

    def __init__(self, kind: type[PGMessage], message: str, *, text: bool = False) -> None:
        super().__init__(message)
        self.kind = kind
        self.text = text


class Frames:
    """Cuts what a client sends into messages.

    Raises RemoteProtocolError for what no message can begin with: nothing behind it can be read either.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0
        #: The largest message that is taken now.
        self.limit = STARTUP_LIMIT

    def feed(self, data: bytes) -> None:
        """Bytes as they came."""
        self._buffer += data

    @property
    def held(self) -> int:
        """Bytes that are of no message yet that was taken."""
        return len(self._buffer) - self._at

    def wanted(self) -> int:
        """How long the next message is, with its head; 0 while that has not come. A wrong length is told by `next`."""
        if self.held < 5:
            return 0
        length: int = struct.unpack_from(">I", self._buffer, self._at + 1)[0]
        return min(length + 1, self.limit)

    def peek(self) -> str:
        """The letter of the next message, empty when nothing of it has come."""
        return chr(self._buffer[self._at]) if self.held else ""

    def next_startup(self) -> PGMessage | None:
        """The next message of those before authentication, which have no letter; None: it is not whole yet."""
        if self.held < 4:
            return None
        length: int = struct.unpack_from(">I", self._buffer, self._at)[0]
        if not 8 <= length <= STARTUP_LIMIT:
            raise RemoteProtocolError(f"invalid length of startup packet: {length}")
        if self.held < length:
            return None
        payload = bytes(self._buffer[self._at + 4 : self._at + length])
        self._advance(length)
        return _startup(payload)

    def next_password(self, kind: type[PGMessage]) -> PGMessage | None:
        """The next message, which must be a `p` of that kind."""
        framed = self._framed(_PASSWORDS)
        if framed is None:
            return None
        letter, payload = framed
        if letter == ord("X"):
            return m.Terminate()
        try:
            return kind.decode(memoryview(payload))
        except (ProtocolError, struct.error, IndexError, ValueError) as error:
            raise RemoteProtocolError(f"malformed password response: {error}") from error

    def next(self) -> PGMessage | None:
        """The next message; None: it is not whole yet. Raises MalformedMessageError for it alone."""
        framed = self._framed(_MESSAGES)
        if framed is None:
            return None
        letter, payload = framed
        kind = _MESSAGES[letter]
        try:
            message = kind.decode(memoryview(payload))
            # Parts that are cut short, and what stands behind the last one, show in the length.
            exact = len(message.encode()) == len(payload)
        except (ProtocolError, struct.error, IndexError, ValueError) as error:
            # pygwire says the same of text that does not end and of text that is none.
            if isinstance(error.__context__, UnicodeDecodeError) or isinstance(error, UnicodeDecodeError):
                raise MalformedMessageError(kind, "invalid byte sequence for encoding UTF8", text=True) from error
            raise MalformedMessageError(kind, f"invalid message format: {error}") from error
        if not exact:
            raise MalformedMessageError(kind, "invalid message format")
        return message

    def _framed(self, letters: Container[int]) -> tuple[int, bytes] | None:
        if self.held < 1:
            return None
        letter = self._buffer[self._at]
        if letter not in letters:
            raise RemoteProtocolError(f"invalid frontend message type {letter}")
        if self.held < 5:
            return None
        length: int = struct.unpack_from(">I", self._buffer, self._at + 1)[0]
        if not 4 <= length <= self.limit:
            raise RemoteProtocolError(f"invalid message length {length}: at most {self.limit} bytes are taken")
        if self.held < length + 1:
            return None
        payload = bytes(self._buffer[self._at + 5 : self._at + 1 + length])
        self._advance(length + 1)
        return letter, payload

    def _advance(self, count: int) -> None:
        self._at += count
        if self._at == len(self._buffer) or self._at > _COMPACT_AT:
            del self._buffer[: self._at]
            self._at = 0


def _startup(payload: bytes) -> PGMessage:
    code: int = struct.unpack_from(">I", payload)[0]
    if code in _REQUESTS:
        if len(payload) != 4:
            raise RemoteProtocolError("invalid startup packet layout: more follows a request for encryption")
        return _REQUESTS[code]()
    if code == _CANCEL:
        key = payload[8:]
        if not 1 <= len(key) <= _CANCEL_KEY_MAX:
            raise RemoteProtocolError("invalid length of cancel request packet")
        return m.CancelRequest(process_id=struct.unpack_from(">I", payload, 4)[0], secret_key=key)
    return m.StartupMessage(params=_parameters(payload[4:]) if code >> 16 == 3 else {}, protocol_version=code)


def _parameters(body: bytes) -> dict[str, str]:
    """`name\\0value\\0…\\0`."""
    parts = body[:-1].split(b"\0")
    if body[-1:] != b"\0" or len(parts) % 2 == 0 or parts[-1]:
        raise RemoteProtocolError("invalid startup packet layout: expected terminator as last byte")
    try:
        names = [part.decode() for part in parts]
    except UnicodeDecodeError as error:
        raise RemoteProtocolError("invalid startup packet layout: a parameter is no UTF-8") from error
    if "" in names[:-1:2]:
        raise RemoteProtocolError("invalid startup packet layout: a parameter without a name")
    return dict(zip(names[:-1:2], names[1::2], strict=True))
