"""One attempt: one HTTP request to a service, from Start to End. Pure: no I/O, which is its stream's.

Rules that always hold: the owner is told exactly once how the attempt ended, unless it aborted it itself, and
gets no effect after that; nothing an attempt does raises into another's path.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from partitiond.invoker.failure import AttemptFailure
from partitiond.invoker.http2.errors import StreamError
from partitiond.invoker.http2.message import Headers
from partitiond.invoker.http2.request import RequestHead
from partitiond.invoker.memory import FREE_BYTES, Claim, Memory
from partitiond.invoker.outbound import Outbound
from partitiond.invoker.ports import Endpoint, RequestStream
from partitiond.invoker.protocol.conversation import Conversation
from partitiond.invoker.protocol.header import frame
from partitiond.invoker.response import check_response
from partitiond.invoker.routes import Route
from shared.protocol.message_types import MessageType
from shared.protocol.varint import varint
from shared.wal.commands import Effect
from shared.wal.futures import Future

__all__ = ["Attempt", "AttemptOwner", "Ticker"]

#: How long a service may take to close its response once its conversation is over.
_LINGER_S = 30.0
#: How long a service may take to end its response once the attempt has failed, as in Restate: its handler comes to its
#: end before the next attempt begins. Nothing of it is heard.
_FAREWELL_S = 5.0
#: How long what a service does not read, or does not end, may hold memory that others wait for.
_STALLED_S = 10.0
#: A handler that moves no more, and was not told whom it called, is told after so long: it may wait for that and not
#: have said so.
_UNTOLD_S = 1.0
#: So many bytes of a service are given back to its window together. Invariant: at most half the window.
_RETURN_BYTES = 64 * 1024
#: What a service that sends much may send beyond its first window before it is applied, as long as few do: with that, a
#: message around 1 MiB is on its way as a whole.
_WIDE_BYTES = 1024 * 1024
#: Reads of stored values that may be one record.
_READS_MAX = 4
#: Acknowledgements and notifications that wait for a service that does not read.
_QUEUED_MAX = 100_000


class AttemptOwner(Protocol):
    """Who started the attempt."""

    def on_effects(self, effects: list[Effect], *, alone: bool = False, quiet: bool = False) -> None:
        """Report these, in order; `alone`: not in one record with others; `quiet`: a moment later would do, too."""

    def on_server(self, server: str) -> None:
        """What the service says it is (x-restate-server)."""

    def on_awaiting(self, future: Future) -> None:
        """What the handler waits for now, as the service says."""

    def on_over(self, failure: AttemptFailure | None) -> None:
        """The attempt ended: None for End and Suspension."""

    def when_applied(self, callback: Callable[[], None]) -> None:
        """Call back once all that was reported so far is applied; never, if leadership is lost."""

    def on_mishap(self, text: str, error: Exception | None = None) -> None:
        """Something for the log that changes nothing, or (with `error`) a bug of ours."""


class Ticker(Protocol):
    """Calls `on_tick` of what was added, about once a second, and when it is due if `shortest_s` is less than that."""

    def add(self, watched: Attempt, shortest_s: float) -> None: ...

    def discard(self, watched: Attempt) -> None: ...


class _Phase(Enum):
    OPEN = 1
    #: We closed the request: the service must finish or suspend.
    CLOSED = 2
    #: The conversation is over, the response is not.
    LINGERING = 3
    #: The attempt has failed, and ends with its response.
    LEAVING = 4
    DONE = 5


class Attempt:
    """Handler of one stream; see http2.stream.StreamHandler."""

    __slots__ = (
        "_claim", "_claim_number", "_claimant", "_conversation", "_direct", "_failure", "_mark", "_memory", "_moved_at",
        "_now_ms", "_outbound", "_owner", "_phase", "_reads", "_received", "_returning", "_route", "_stream", "_ticker",
        "_time", "_wide", "_windows", "active_at",
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
        memory: Memory,
        windows: Memory,
        claimant: object,
    ) -> None:
        """`claimant`: for whom memory is claimed, see `Memory.drop`; `windows`: what wide windows are claimed of."""
        self._owner = owner
        self._route = route
        self._conversation = conversation
        self._ticker = ticker
        self._now_ms = now_ms
        self._phase = _Phase.OPEN
        self._memory = memory
        self._windows = windows
        #: For a wider window, once the service has sent much; not granted: there were no more.
        self._wide: Claim | None = None
        self._claimant = claimant
        #: Why it is LEAVING.
        self._failure: AttemptFailure | None = None
        #: All was sent and written: what comes next may go straight to the stream.
        self._direct = False
        #: Bytes of the service that are not given back to its window; those that are as soon as they are applied.
        self._received = 0
        self._returning = 0
        #: Reads of stored values since anything came back.
        self._reads = 0
        #: For the message that is coming in, if it is large, and its number.
        self._claim: Claim | None = None
        self._claim_number = 0
        #: When anything last moved, for one that holds a claim.
        self._mark: tuple[float, int] | None = None
        self._moved_at = 0.0
        #: The loop's time.
        self._time = time
        #: When the last message went either way.
        self.active_at = self._time()

    def start(self, endpoint: Endpoint, head: RequestHead, outbound: Outbound) -> None:
        """Send the request. What reading the journal raises comes through, and then there is no attempt."""
        self._outbound = outbound
        first = outbound.piece(self._on_memory)
        assert first is not None, "Start is small"
        whole = outbound.replayed and not outbound.holds_claim
        end = whole and not self._route.bidi
        if end:
            self._phase = _Phase.CLOSED
        self._stream: RequestStream = endpoint.request(head, self, first, end=end)
        # Bytes of the service are given back to its window when they are applied: it cannot outrun the log.
        self._stream.auto_consume = False
        options = self._route.options
        self._ticker.add(self, min(options.inactivity_timeout_ms, options.abort_timeout_ms) / 1000)
        if not self._stream.writable:
            return
        if whole:
            self._direct = True
            return
        try:
            outbound.written()
            self._pump()
        except Exception:
            self.abort()
            raise

    def notify(self, index: int, entry_type: int, raw: bytes) -> None:
        """A notification was stored. A closed request takes none: the service finds it at its next attempt."""
        self._reads = 0
        if self._phase is not _Phase.OPEN or not self._route.bidi:
            return
        if self._direct and len(raw) <= FREE_BYTES:
            self.active_at = self._time()
            self._direct = self._stream.send(frame(entry_type, raw))
        elif self._direct:
            self._outbound.hold(index, entry_type, raw)
            self._queue(index)
            self._outbound.let_go()
        else:
            self._queue(index)

    def ack(self, command_index: int) -> None:
        """A command that asked for it was stored."""
        self._send(frame(MessageType.COMMAND_ACK, _uint32_message(command_index)))

    def ack_run(self, completion_id: int) -> None:
        """The result of a run whose proposal asked for it was stored."""
        self._send(frame(MessageType.PROPOSE_RUN_COMPLETION_ACK, _uint32_message(completion_id)))

    def abort(self) -> None:
        """End at once and tell nobody."""
        if self._phase is not _Phase.DONE:
            self._leave()
            self._stream.reset()

    # What the stream tells.

    def on_response(self, status: int, headers: Headers) -> None:
        try:
            if self._phase is _Phase.LEAVING:
                return
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
            if self._phase is _Phase.LEAVING:
                self._stream.consumed(len(data))
                return
            self.active_at = self._time()
            conversation = self._conversation
            effects = conversation.receive(data)
            if effects:
                self._reads += conversation.reads
                if self._reads > _READS_MAX:
                    # Small commands with large answers: of so many in one record all would be in memory at once.
                    for effect in effects:
                        self._owner.on_effects([effect], alone=True)
                elif conversation.bulky:
                    # The log cuts a batch between commands, not within one.
                    for effect in effects:
                        self._owner.on_effects([effect])
                else:
                    self._owner.on_effects(effects, quiet=conversation.quiet)
            if conversation.awaiting_on is not None:
                self._owner.on_awaiting(conversation.awaiting_on)
                conversation.awaiting_on = None
            if conversation.over:
                self._conclude()
                return
            self._received += len(data)
            if self._received >= _RETURN_BYTES:
                self._give_back()
        except Exception as error:
            self._crash(error)

    def on_end(self) -> None:
        try:
            phase = self._phase
            self._leave()
            self._stream.close_request()
            if phase is _Phase.LEAVING:
                self._owner.on_over(self._failure)
            elif phase is not _Phase.LINGERING:
                self._conversation.end_of_response()
                self._owner.on_over(self._conversation.failure)
        except Exception as error:
            self._crash(error)

    def on_error(self, error: StreamError) -> None:
        try:
            phase = self._phase
            self._leave()
            if phase is _Phase.LEAVING:
                self._owner.on_over(self._failure)
            elif phase is not _Phase.LINGERING:
                failure = AttemptFailure("RT0010", f"connection to the service: {error.message}")
                failure.blameless = error.blameless
                self._owner.on_over(failure)
        except Exception as crash:
            self._crash(crash)

    def on_writable(self) -> None:
        try:
            self.active_at = self._time()
            self._outbound.written()
            self._pump()
        except Exception as error:
            self._crash(error)

    @property
    def due(self) -> float:
        """When `on_tick` has something to do, if nothing moves until then."""
        options = self._route.options
        if self._phase is _Phase.LINGERING:
            return self.active_at + _LINGER_S
        if self._phase is _Phase.LEAVING:
            return self.active_at + _FAREWELL_S
        if self._phase is _Phase.OPEN and self._outbound.replayed:
            return self.active_at + options.inactivity_timeout_ms / 1000
        return self.active_at + options.abort_timeout_ms / 1000

    def on_tick(self, now: float) -> None:
        """See `deadlines`."""
        try:
            self._check_deadline(now)
        except Exception as error:
            self._crash(error)

    # Helpers, in order of use.

    def _pump(self) -> None:
        """Send as much as the stream takes."""
        outbound, stream = self._outbound, self._stream
        while self._phase is _Phase.OPEN and (piece := outbound.piece(self._on_memory)) is not None:
            if not stream.send(piece):
                return
            outbound.written()
        if self._phase is _Phase.OPEN and outbound.replayed and not self._route.bidi:
            self._phase = _Phase.CLOSED
            stream.close_request()
        self._direct = outbound.empty

    def _on_memory(self) -> None:
        """Memory that something large waited for is there."""
        try:
            self.active_at = self._time()
            self._pump()
        except Exception as error:
            self._crash(error)

    def _send(self, data: bytes) -> None:
        if self._phase is not _Phase.OPEN or not self._route.bidi:
            return
        if self._direct:
            self.active_at = self._time()
            self._direct = self._stream.send(data)
        else:
            self._queue(data)

    def _queue(self, item: int | bytes) -> None:
        """It must wait for what is before it, or for memory."""
        outbound = self._outbound
        outbound.put(item)
        if self._direct:
            self.active_at = self._time()
            self._direct = False
            self._pump()
        elif outbound.queued > _QUEUED_MAX:
            text = f"the service does not read: {outbound.queued} notifications wait for it"
            self._break_off(AttemptFailure("RT0001", text))

    def _give_back(self) -> None:
        """Let the service send more, once what it sent is applied, and once there is memory for what it is about to
        send."""
        if self._wide is None:
            self._wide = self._windows.claim(self._claimant, _WIDE_BYTES, _nothing)
            if self._wide.granted:
                self._stream.widen(_WIDE_BYTES)
            else:
                self._wide.release()
        number, size = self._conversation.awaited
        claim = self._claim
        if claim is not None and self._claim_number != number:
            self._release_applied()
            claim = None
        if size > FREE_BYTES:
            if claim is None:
                self._claim_number = number
                claim = self._claim = self._memory.claim(self._claimant, size, self._on_room)
            if not claim.granted:
                return
        count, self._received = self._received, 0
        self._returning += count
        self._owner.when_applied(lambda: self._returned(count))

    def _on_room(self) -> None:
        """There is memory for the message that is coming in."""
        try:
            if self._received and self._phase in (_Phase.OPEN, _Phase.CLOSED):
                self._give_back()
        except Exception as error:
            self._crash(error)

    def _returned(self, count: int) -> None:
        self._returning -= count
        self.active_at = self._time()
        self._stream.consumed(count)

    def _release_applied(self) -> None:
        """The large message is whole, and on its way to the log: it holds its memory until it is applied."""
        claim, self._claim = self._claim, None
        if claim is None:
            return
        if claim.granted:
            self._owner.when_applied(claim.release)
        else:
            claim.release()

    def _leave(self) -> None:
        """Nothing more is sent or heard."""
        self._phase = _Phase.DONE
        self._ticker.discard(self)
        self._outbound.close()
        if self._wide is not None:
            self._wide.release()
        if self._claim is not None:
            self._claim.release()
            self._claim = None

    def _conclude(self) -> None:
        """The conversation is over, by End, Suspension, Error, or because we refused a message."""
        conversation = self._conversation
        self._release_applied()
        known = self._phase is _Phase.LINGERING
        if conversation.trailing:
            self._owner.on_mishap("the service sent bytes behind its last message")
        if conversation.trailing or conversation.refused:
            self.abort()
        elif conversation.failure is not None and not known:
            # The next attempt begins when the handler of this one has come to its end.
            self._stream.close_request()
            self._say_farewell(conversation.failure, self._time())
            return
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
        if self._phase is _Phase.LEAVING:
            if self._failure is not None and now - self.active_at >= _FAREWELL_S:
                self._break_off(self._failure)
            return
        if now - self.active_at >= _UNTOLD_S and self._phase is _Phase.OPEN:
            untold = self._conversation.ask_ids()
            if untold:
                self._owner.on_effects(untold)
        if self._outbound.waits or self._returning or self._received >= _RETURN_BYTES:
            # We make it wait, for memory or for the log.
            self.active_at = now
            return
        if self._memory.contended and (self._claim is not None or self._outbound.holds_claim):
            self._check_stall(now)
        # Not by the time since `active_at`: rounded, that may be short of what a timer was set by.
        over = now >= self.due
        options = self._route.options
        if self._phase is _Phase.LINGERING:
            if over:
                self.abort()
        elif self._phase is _Phase.OPEN and self._outbound.replayed:
            if over:
                self._phase = _Phase.CLOSED
                self.active_at = now
                self._stream.close_request()
        elif self._phase is not _Phase.DONE and over:
            seconds = options.abort_timeout_ms / 1000
            failure = AttemptFailure("RT0001", f"no message from the service for {seconds:g} s (abort timeout)")
            if self._phase is _Phase.CLOSED:
                self._say_farewell(failure, now)
            else:
                self._break_off(failure)

    def _say_farewell(self, failure: AttemptFailure, now: float) -> None:
        """The service said why it fails, or was told to finish and did not in time."""
        self._phase = _Phase.LEAVING
        self._failure = failure
        self.active_at = now
        if self._claim is not None:
            self._claim.release()
            self._claim = None
        count, self._received = self._received, 0
        self._stream.consumed(count)

    def _check_stall(self, now: float) -> None:
        """Others wait for memory that this attempt holds: it may, as long as anything moves."""
        mark = (self.active_at, self._stream.waiting_bytes)
        if mark != self._mark:
            self._mark, self._moved_at = mark, now
        elif now - self._moved_at >= _STALLED_S and self._phase is not _Phase.LINGERING:
            what = f"does not read ({mark[1]} bytes wait for it)" if mark[1] else "stopped within a message"
            text = f"the service {what} for {_STALLED_S:g} s, and others need the memory"
            self._break_off(AttemptFailure("RT0001", text))

    def _crash(self, error: Exception) -> None:
        """A bug of ours, or bytes that nobody thought of: this attempt fails, the others go on."""
        self._owner.on_mishap("the attempt broke", error)
        over = self._phase in (_Phase.LINGERING, _Phase.DONE)
        self.abort()
        if not over:
            self._owner.on_over(AttemptFailure("RT0006", f"internal error: {type(error).__name__}: {error}"))


def _nothing() -> None:
    """For what is not waited for."""


def _uint32_message(value: int) -> bytes:
    """A message whose only field is a uint32 of number 1: CommandAck, ProposeRunCompletionAck."""
    return b"\x08" + varint(value)
