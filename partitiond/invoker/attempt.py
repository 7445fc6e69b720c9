"""One attempt: one HTTP request to a service, from Start to End. Pure: no I/O, which is its stream's.

Rules that always hold: the owner is told exactly once how the attempt ended, unless it aborted it itself, and
gets no effect after that; nothing an attempt does raises into another's path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from itertools import chain
from typing import Protocol

from partitiond.invoker.failure import AttemptFailure
from partitiond.invoker.http2.errors import StreamError
from partitiond.invoker.http2.message import Headers
from partitiond.invoker.http2.request import RequestHead
from partitiond.invoker.ports import Endpoint, RequestStream
from partitiond.invoker.protocol.conversation import Conversation
from partitiond.invoker.protocol.header import frame
from partitiond.invoker.response import check_response
from partitiond.invoker.routes import Route
from shared.protocol.message_types import MessageType
from shared.wal.commands import Effect
from shared.wal.futures import Future

__all__ = ["Attempt", "AttemptOwner", "Ticker"]

#: How long a service may take to close its response once its conversation is over.
_LINGER_S = 30.0


class AttemptOwner(Protocol):
    """Who started the attempt."""

    def on_effects(self, effects: list[Effect]) -> None:
        """Report these, in order."""

    def on_server(self, server: str) -> None:
        """What the service says it is (x-restate-server)."""

    def on_awaiting(self, future: Future) -> None:
        """What the handler waits for now, as the service says."""

    def on_over(self, failure: AttemptFailure | None) -> None:
        """The attempt ended: None for End and Suspension."""

    def on_mishap(self, text: str, error: Exception | None = None) -> None:
        """Something for the log that changes nothing, or (with `error`) a bug of ours."""


class Ticker(Protocol):
    """Calls `on_tick` of what was added, about once a second."""

    def add(self, watched: Attempt) -> None: ...

    def discard(self, watched: Attempt) -> None: ...


class _Phase(Enum):
    OPEN = 1
    #: We closed the request: the service must finish or suspend.
    CLOSED = 2
    #: The conversation is over, the response is not.
    LINGERING = 3
    DONE = 4


class Attempt:
    """Handler of one stream; see http2.stream.StreamHandler."""

    __slots__ = (
        "_conversation", "_now_ms", "_owner", "_phase", "_queued", "_replay", "_route", "_stream",
        "_ticker", "_time", "active_at",
    )  # fmt: skip

    def __init__(
        self,
        owner: AttemptOwner,
        route: Route,
        conversation: Conversation,
        *,
        ticker: Ticker,
        time: Callable[[], float],
        now_ms: Callable[[], int],
    ) -> None:
        self._owner = owner
        self._route = route
        self._conversation = conversation
        self._ticker = ticker
        self._now_ms = now_ms
        self._phase = _Phase.OPEN
        #: What of the journal is not sent yet, and what must follow it.
        self._replay: Iterator[bytes] | None = None
        self._queued: list[bytes] = []
        #: The loop's time.
        self._time = time
        #: When the last message went either way.
        self.active_at = self._time()

    def start(self, endpoint: Endpoint, head: RequestHead, chunks: Iterator[bytes]) -> None:
        """Send the request. What reading the journal raises comes through, and then there is no attempt."""
        bidi = self._route.bidi
        first = next(chunks)
        second = next(chunks, None)
        if second is None:
            if not bidi:
                self._phase = _Phase.CLOSED
            self._stream: RequestStream = endpoint.request(head, self, first, end=not bidi)
            self._ticker.add(self)
            return
        self._replay = chain((second,), chunks)
        self._stream = endpoint.request(head, self, first)
        self._ticker.add(self)
        try:
            self._send_replay()
        except Exception:
            self.abort()
            raise

    def notify(self, entry_type: int, raw: bytes) -> None:
        """A notification was stored. A closed request takes none: the service finds it at its next attempt."""
        self._send(frame(entry_type, raw))

    def ack(self, command_index: int) -> None:
        """A command that asked for it was stored."""
        self._send(frame(MessageType.COMMAND_ACK, _uint32_message(command_index)))

    def ack_run(self, completion_id: int) -> None:
        """The result of a run whose proposal asked for it was stored."""
        self._send(frame(MessageType.PROPOSE_RUN_COMPLETION_ACK, _uint32_message(completion_id)))

    def abort(self) -> None:
        """End at once and tell nobody."""
        if self._phase is not _Phase.DONE:
            self._phase = _Phase.DONE
            self._ticker.discard(self)
            self._stream.reset()

    # What the stream tells.

    def on_response(self, status: int, headers: Headers) -> None:
        try:
            self.active_at = self._time()
            server = headers.get("x-restate-server")
            if server is not None:
                self._owner.on_server(server)
            wanted = self._route.content_type
            if status == 200 and headers.get("content-type") == wanted:
                return
            failure = check_response(
                status,
                content_type=headers.get("content-type"),
                wanted=wanted,
                retry_after=headers.get("retry-after"),
                now_ms=self._now_ms(),
            )
            if failure is not None:
                self._break_off(failure)
        except Exception as error:
            self._crash(error)

    def on_data(self, data: bytes) -> None:
        try:
            self.active_at = self._time()
            conversation = self._conversation
            effects = conversation.receive(data)
            if effects:
                if conversation.bulky:
                    # The log cuts a batch between commands, not within one.
                    for effect in effects:
                        self._owner.on_effects([effect])
                else:
                    self._owner.on_effects(effects)
            if conversation.awaiting_on is not None:
                self._owner.on_awaiting(conversation.awaiting_on)
                conversation.awaiting_on = None
            if conversation.over:
                self._conclude()
        except Exception as error:
            self._crash(error)

    def on_end(self) -> None:
        try:
            phase, self._phase = self._phase, _Phase.DONE
            self._ticker.discard(self)
            self._stream.close_request()
            if phase is not _Phase.LINGERING:
                self._conversation.end_of_response()
                self._owner.on_over(self._conversation.failure)
        except Exception as error:
            self._crash(error)

    def on_error(self, error: StreamError) -> None:
        try:
            phase, self._phase = self._phase, _Phase.DONE
            self._ticker.discard(self)
            if phase is not _Phase.LINGERING:
                self._owner.on_over(AttemptFailure("RT0010", f"connection to the service: {error.message}"))
        except Exception as crash:
            self._crash(crash)

    def on_writable(self) -> None:
        try:
            self.active_at = self._time()
            if self._replay is not None:
                self._send_replay()
        except Exception as error:
            self._crash(error)

    def on_tick(self, now: float) -> None:
        """See `deadlines`."""
        try:
            self._check_deadline(now)
        except Exception as error:
            self._crash(error)

    # Helpers, in order of use.

    def _send_replay(self) -> None:
        assert self._replay is not None
        for chunk in self._replay:
            if not self._stream.send(chunk):
                return
        self._replay = None
        if not self._route.bidi:
            self._phase = _Phase.CLOSED
            self._stream.close_request()
        for data in self._queued:
            self._stream.send(data)
        self._queued.clear()

    def _send(self, data: bytes) -> None:
        if self._phase is not _Phase.OPEN or not self._route.bidi:
            return
        self.active_at = self._time()
        if self._replay is not None:
            self._queued.append(data)
        else:
            self._stream.send(data)

    def _conclude(self) -> None:
        """The conversation is over, by End, Suspension, Error, or because we refused a message."""
        conversation = self._conversation
        known = self._phase is _Phase.LINGERING
        if conversation.trailing:
            self._owner.on_mishap("the service sent bytes behind its last message")
        if conversation.trailing or conversation.refused:
            self.abort()
        else:
            # SDKs wait for the end of the request before they end the response.
            self._phase = _Phase.LINGERING
            self._stream.close_request()
        if not known:
            self._owner.on_over(conversation.failure)

    def _break_off(self, failure: AttemptFailure) -> None:
        self.abort()
        self._owner.on_over(failure)

    def _check_deadline(self, now: float) -> None:
        idle_ms = (now - self.active_at) * 1000
        options = self._route.options
        if self._phase is _Phase.LINGERING:
            if idle_ms >= _LINGER_S * 1000:
                self.abort()
        elif self._phase is _Phase.OPEN and self._replay is None:
            if idle_ms >= options.inactivity_timeout_ms:
                self._phase = _Phase.CLOSED
                self.active_at = now
                self._stream.close_request()
        elif idle_ms >= options.abort_timeout_ms:
            seconds = options.abort_timeout_ms / 1000
            self._break_off(AttemptFailure("RT0001", f"no message from the service for {seconds:g} s (abort timeout)"))

    def _crash(self, error: Exception) -> None:
        """A bug of ours, or bytes that nobody thought of: this attempt fails, the others go on."""
        self._owner.on_mishap("the attempt broke", error)
        over = self._phase in (_Phase.LINGERING, _Phase.DONE)
        self.abort()
        if not over:
            self._owner.on_over(AttemptFailure("RT0006", f"internal error: {type(error).__name__}: {error}"))


def _uint32_message(value: int) -> bytes:
    """A message whose only field is a uint32 of number 1: CommandAck, ProposeRunCompletionAck."""
    data = bytearray(b"\x08")
    while value >= 128:
        data.append(value & 127 | 128)
        value >>= 7
    data.append(value)
    return bytes(data)
