"""Route, headers and body -> the Invoke command. Pure: no I/O. Time and randomness are passed in.

Rules that always hold:
- a call or send to a service or object has an idempotency key: the client's, or one made for this request, so
  that its result is kept and whoever repeats the request, we or the client, finds the same invocation;
- what is wrong is told in the order: private, key header, workflow, scope, method, input, delay, limit key, other
  headers, delay of a call.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from partitiond.ingress.directory import Retention
from partitiond.ingress.errors import IngressError, bad_header, bad_scope, method_not_allowed
from partitiond.ingress.names import idempotent_invocation_id, workflow_invocation_id
from partitiond.ingress.paths import CallRoute
from partitiond.ingress.validation import check_input
from shared.durations import parse_duration
from shared.ids import encode_ulid, target_partition_key
from shared.limits import check_scope, normal_limit_key
from shared.protocol.input import encode_input
from shared.transport.trace import read_trace
from shared.wal.commands import HandlerKind, Invoke, Target

__all__ = ["ENTROPY_BYTES", "check_call", "make_invoke"]

#: 16 for a ULID, 16 for the uid of the request.
ENTROPY_BYTES = 32
_ULID_ENTROPY_BYTES = 16
#: Behind the 6 bytes of the time in a uuid.
_UUID_ENTROPY_BYTES = 10
_HOP_HEADERS = frozenset({"connection", "host", "idempotency-key", "idempotency-expires"})
#: What the log and the store hold in 8 bytes: never.
_TIME_MS_MAX = (1 << 64) - 1


def check_call(route: CallRoute, method: str, headers: dict[str, str]) -> None:
    """What can be refused before the body is read. `headers`: lower-case names, first values."""
    if not route.entry.public:
        raise IngressError(400, "the invoked service is not public")
    key = headers.get("idempotency-key")
    if key is not None:
        if not key.isascii():
            raise bad_header("idempotency-key")
        if route.entry.kind == HandlerKind.WORKFLOW_RUN:
            raise IngressError(
                400,
                "cannot use the idempotency key with workflow handlers. "
                "The handler invocation will already be idempotent by the workflow key itself.",
            )
    if route.scope is not None:
        try:
            check_scope(route.scope)
        except ValueError as error:
            raise bad_scope(error) from error
    if method not in ("GET", "POST"):
        raise method_not_allowed("GET, POST")


def make_invoke(
    route: CallRoute,
    headers: dict[str, str],
    body: bytes,
    *,
    path: str,
    query: str,
    now_ms: int,
    entropy: bytes,
) -> Invoke:
    """The command of a call that `check_call` let pass. `entropy`: fresh random bytes."""
    entry = route.entry
    content_type = headers.get("content-type")
    if content_type is not None and not content_type.isascii():
        raise bad_header("content-type")
    check_input(entry.input, content_type, body)
    delay_ms = _delay(query) if query else None
    limit_key = _limit_key(headers, query)
    if limit_key is not None and route.scope is None:
        raise IngressError(400, "limit-key requires a scope to be set")
    given_headers = _handler_headers(headers, f"{path}?{query}" if query else path)
    if delay_ms is not None and not route.send:
        raise IngressError(
            400, "cannot use the delay query parameter with calls. The delay is supported only with sends"
        )
    invocation_id, idempotency_key, retention = _identity(route, headers, now_ms, entropy[:_ULID_ENTROPY_BYTES])
    traceparent, tracestate = read_trace(headers) if "traceparent" in headers else (None, None)
    return Invoke(
        id=invocation_id,
        target=Target(entry.service, entry.handler, route.key, entry.kind, route.scope),
        input=encode_input(given_headers, body),
        idempotency_key=idempotency_key,
        start_at_ms=0 if delay_ms is None else min(now_ms + delay_ms, _TIME_MS_MAX),
        completion_retention_ms=retention.completion_ms,
        journal_retention_ms=retention.journal_ms,
        traceparent=traceparent,
        request_uid=entropy[_ULID_ENTROPY_BYTES:],
        tracestate=tracestate,
        limit_key=limit_key,
    )


def _identity(
    route: CallRoute, headers: dict[str, str], now_ms: int, entropy: bytes
) -> tuple[bytes, str | None, Retention]:
    entry, key = route.entry, route.key
    if entry.kind == HandlerKind.WORKFLOW_RUN:
        assert key is not None
        return workflow_invocation_id(entry.service, key, route.scope), None, entry.retention
    idempotency_key = headers.get("idempotency-key")
    if idempotency_key is None:
        if entry.kind == HandlerKind.WORKFLOW_SHARED:
            assert key is not None
            uuid = now_ms.to_bytes(6, "big") + entropy[:_UUID_ENTROPY_BYTES]
            place = target_partition_key(route.scope, key).to_bytes(8, "big")
            return place + uuid, None, entry.retention_keyless
        idempotency_key = encode_ulid(now_ms, entropy)
    return (
        idempotent_invocation_id(entry.service, key, entry.handler, idempotency_key, route.scope),
        idempotency_key,
        entry.retention,
    )


def _handler_headers(headers: dict[str, str], path: str) -> list[tuple[str, str]]:
    given = [("x-restate-ingress-path", path)]
    for name, value in headers.items():
        if name in _HOP_HEADERS:
            continue
        if not value.isascii():
            raise bad_header(name)
        given.append((name, value))
    return given


def _delay(query: str) -> int | None:
    """Milliseconds; None: not asked for."""
    text = _parameter(query, "delay")
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise IngressError(400, f"bad delay query parameter, must be a ISO8601 duration: {error}") from error


def _limit_key(headers: dict[str, str], query: str) -> str | None:
    """The header outweighs the parameter, also with nothing in it."""
    text = headers.get("x-restate-limit-key")
    if text is None:
        text = _parameter(query, "limit-key") if query else None
    elif not text.isascii():
        raise bad_header("x-restate-limit-key")
    if not text:
        return None
    try:
        return normal_limit_key(text)
    except ValueError as error:
        raise IngressError(400, f"invalid limit-key: {error}") from error


def _parameter(query: str, name: str) -> str | None:
    """The first value of this name, whatever its case."""
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if _decode_form(key).lower() == name:
            return _decode_form(value)
    return None


def _decode_form(text: str) -> str:
    return unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "replace")
