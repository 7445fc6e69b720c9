"""Results -> status, headers, body. Pure: no I/O.

An `Answer` carries its own header lines as bytes; what every answer has (date, length, CORS) is added by `answering`.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from partitiond.ingress.directory import HandlerEntry
from partitiond.ingress.errors import IngressError, invocation_not_found, not_ready
from partitiond.ingress.timestamps import format_execution_time, format_expiry
from shared.api.partition import InvokeReply, ResultReply
from shared.ids import encode_invocation_id
from shared.wal.commands import Failure

__all__ = [
    "Answer",
    "Answered",
    "accepted",
    "error",
    "found_id",
    "health",
    "output",
    "preflight",
    "result",
    "send",
    "too_large",
]

_JSON = b"content-type: application/json\r\n"
_encode = msgspec.json.Encoder().encode


class Answer(NamedTuple):
    """What the client gets. `cors` False: refused before anything looked at it."""

    status: int
    #: Whole lines, each with its CRLF.
    headers: bytes
    body: bytes
    cors: bool = True


class Answered(NamedTuple):
    """`lines`: all header lines, each with its CRLF, the body's length too."""

    status: int
    lines: bytes
    body: bytes


def result(invocation_id: bytes, entry: HandlerEntry | None, reply: ResultReply) -> Answer:
    """The end of an invocation that was waited for."""
    headers = b"x-restate-id: %b\r\n" % encode_invocation_id(invocation_id).encode()
    if not reply.found:
        return _failure(headers, Failure(404, "not found"))
    if reply.expires_at_ms:
        headers += b"idempotency-expires: %b\r\n" % format_expiry(reply.expires_at_ms).encode()
    value = reply.result
    if isinstance(value, Failure):
        return _failure(headers, value)
    assert value is not None, "a worker answered an attached request with no result"
    return Answer(200, headers + _content_type(entry, value), value)


def output(invocation_id: bytes, entry: HandlerEntry | None, reply: ResultReply) -> Answer:
    """The result, if it is there."""
    if not reply.found:
        raise invocation_not_found()
    if not reply.ready:
        raise not_ready()
    return result(invocation_id, entry, reply)


def send(invocation_id: bytes, reply: InvokeReply) -> Answer:
    """A one-way call is stored."""
    text = encode_invocation_id(invocation_id)
    fields = {"invocationId": text}
    if reply.start_at_ms:
        fields["executionTime"] = format_execution_time(reply.start_at_ms)
    fields["status"] = "Accepted" if reply.created else "PreviouslyAccepted"
    return Answer(202, _JSON + b"x-restate-id: %b\r\n" % text.encode(), _encode(fields))


def accepted() -> Answer:
    """An awakeable is completed."""
    return Answer(202, b"", b"")


def found_id(invocation_id: bytes) -> Answer:
    """What a target's invocation is called; it need not exist."""
    return Answer(200, _JSON, _encode({"invocationId": encode_invocation_id(invocation_id)}))


def health(body: bytes) -> Answer:
    """`body`: `Directory.health`."""
    return Answer(200, _JSON, body)


def error(refusal: IngressError) -> Answer:
    """We refuse."""
    body = _encode({"code": refusal.status, "message": refusal.message, "source": "ingress"})
    headers = b"x-restate-error-source: ingress\r\n" + _JSON
    if refusal.retry_after_s:
        headers += b"retry-after: %d\r\n" % refusal.retry_after_s
    if refusal.allow:
        headers += b"allow: %b\r\n" % refusal.allow.encode()
    if refusal.invocation_id:
        headers += b"x-restate-id: %b\r\n" % encode_invocation_id(refusal.invocation_id).encode()
    return Answer(refusal.status, headers, body)


def too_large() -> Answer:
    """The announced length is over the limit: the body is not read at all."""
    return Answer(413, b"content-type: text/plain; charset=utf-8\r\n", b"length limit exceeded", cors=False)


def preflight(method: str | None, headers: str | None) -> Answer:
    """CORS: whatever the browser wants to send, it may."""
    lines = ""
    if method is not None:
        lines += f"access-control-allow-methods: {method}\r\n"
    if headers is not None:
        lines += f"access-control-allow-headers: {headers}\r\n"
    return Answer(200, lines.encode("latin-1"), b"")


def _failure(headers: bytes, failure: Failure) -> Answer:
    fields: dict[str, object] = {"code": failure.code, "message": failure.message}
    if failure.metadata:
        fields["metadata"] = dict(failure.metadata)
    fields["source"] = "invocation"
    # 1xx cannot end an HTTP exchange, and 204 and 304 cannot carry a body: the client would never read it.
    fits = 200 <= failure.code <= 999 and failure.code not in (204, 205, 304)
    headers += b"x-restate-error-source: invocation\r\n" + _JSON
    return Answer(failure.code if fits else 500, headers, _encode(fields))


def _content_type(entry: HandlerEntry | None, value: bytes) -> bytes:
    if entry is not None:
        return entry.content_type if value else entry.empty_content_type
    # The handler was removed since it answered. JSON is what SDKs send, unless it plainly is not.
    return _JSON if _is_json(value) else b""


def _is_json(value: bytes) -> bool:
    try:
        msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return True
