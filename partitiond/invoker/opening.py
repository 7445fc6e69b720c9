"""What an attempt begins with: headers, Start, state, journal. Owns: the memory of a large state, until it is sent.

The store is read here, and nothing is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from partitiond.invoker.memory import FREE_BYTES, Claim
from partitiond.invoker.outbound import Outbound
from partitiond.invoker.ports import InvokerHost
from partitiond.invoker.protocol.start import EncodedState, encode_start, encode_state
from partitiond.invoker.retry import RetryCounter
from partitiond.invoker.routes import Route
from partitiond.invoker.surroundings import Surroundings
from shared.protocol.message_types import MessageType
from shared.storage.values import InvocationRow
from shared.transport.trace import trace_headers
from shared.wal.commands import HandlerKind, Target

__all__ = ["Opening"]

#: A larger value of the state is sent when the handler asks for it. What it reads of what it was sent at the start it
#: sends back for the journal, through the log: that costs more than to ask.
_EAGER_VALUE_BYTES = 64 * 1024


class Opening:
    """Of the attempts of one chain, one after the other."""

    __slots__ = ("_claim", "_debug_id", "_host", "_id", "_input", "_shared")

    def __init__(
        self, shared: Surroundings, host: InvokerHost, invocation_id: bytes, debug_id: str, *, input: bytes | None
    ) -> None:
        """`input`: entry 0, if it was just stored."""
        self._shared = shared
        self._host = host
        self._id = invocation_id
        self._debug_id = debug_id
        #: Entry 0, if it is small and no attempt has had it; None: it is to be read.
        self._input = input if input is not None and len(input) <= FREE_BYTES else None
        #: For a large state. While it is not granted we wait for it, with a slot.
        self._claim: Claim | None = None

    @property
    def waits(self) -> bool:
        """A state was too large to be read without more memory, and `read_state` is to be called again."""
        return self._claim is not None

    def drop(self) -> None:
        """There is no attempt: what was claimed is given back."""
        if self._claim is not None:
            self._claim.release()
            self._claim = None

    def forget_input(self) -> None:
        """It may be long until it is sent: it is read again."""
        self._input = None

    def headers(self, route: Route, row: InvocationRow, now_ms: int) -> list[tuple[str, str]]:
        """Those of this attempt alone."""
        headers = [("x-restate-invocation-id", self._debug_id)]
        key = row.target.key
        if key is not None:
            headers.append(("x-restate-service-key", quote(key, safe="")))
        if row.traceparent is not None:
            headers += trace_headers(row.traceparent, row.tracestate)
        identity = self._shared.identity
        if identity is not None:
            headers += identity.headers(route.signed_path, key, now_ms)
        return headers

    def read_state(self, route: Route, target: Target, ready: Callable[[], None]) -> EncodedState | None:
        """The state that goes along. None: it is large, and memory is waited for: `ready` is called when it is there.

        It is not kept but for that, lest each chain were a cycle of references.
        """
        if target.kind == HandlerKind.SERVICE or route.options.enable_lazy_state:
            return EncodedState([], 0, False, True)
        shared = self._shared
        limit = shared.eager_state_bytes_limit
        free = min(limit, FREE_BYTES)
        # Where a lazy read would cost an attempt, all goes along.
        value_limit = _EAGER_VALUE_BYTES if route.bidi else limit
        if self._claim is None:
            state = self._host.read_state(target, value_bytes_limit=value_limit)
            read = encode_state(state, bytes_limit=free, value_bytes_limit=value_limit)
            if not read.cut or free == limit:
                return read
            self._claim = shared.memory.claim(self._host, limit, ready)
        if not self._claim.granted:
            return None
        state = self._host.read_state(target, value_bytes_limit=value_limit)
        read = encode_state(state, bytes_limit=min(limit, self._claim.size), value_bytes_limit=value_limit)
        self._claim.shrink(read.size)
        return read

    def outbound(self, route: Route, row: InvocationRow, counter: RetryCounter, state: EncodedState) -> Outbound:
        """What is to be sent, `let_go` to be called of it once that has begun."""
        parts, large = state.parts, state.size > FREE_BYTES
        start = self._start_message(
            route, row, counter, b"" if large else b"".join(parts), state.size if large else 0, state.partial
        )
        outbound = Outbound(
            start,
            read_entry=self._read_entry,
            length=row.journal_length,
            memory=self._shared.memory,
            owner=self._host,
            state=parts if large else (),
            claim=self._claim,
        )
        if self._input is not None:
            outbound.hold(0, MessageType.INPUT, self._input)
            self._input = None
        return outbound

    def taken(self) -> None:
        """An attempt has begun, and with it its outbound has what was claimed."""
        self._claim = None

    def _read_entry(self, index: int) -> tuple[int, bytes]:
        return self._host.read_entry(self._id, index)

    def _start_message(
        self, route: Route, row: InvocationRow, counter: RetryCounter, state: bytes, state_behind: int, partial: bool
    ) -> bytes:
        return encode_start(
            invocation_id=self._id,
            debug_id=self._debug_id,
            known_entries=row.journal_length,
            state=state,
            partial_state=partial,
            key=row.target.key,
            retry_count=counter.failures_since_stored,
            stored_ago_ms=round((self._shared.time() - counter.stored_at_s) * 1000) if counter.failures else 0,
            protocol_version=route.version,
            idempotency_key=row.idempotency_key,
            seed_id=row.seed_id,
            scope=row.target.scope,
            limit_key=row.limit_key,
            state_behind=state_behind,
        )
