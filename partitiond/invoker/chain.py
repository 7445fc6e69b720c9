"""The attempts of one generation of an invocation, one after the other. Owns: the retry timer.

With a scope, a retry that is a while off gives the permit back; the machine starts it again as its next generation.

Rules that always hold: at most one attempt runs; a slot is held exactly while one does; nothing is proposed once
`gone`. All that is kept here is volatile: a new leader begins with a fresh chain.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from msgspec.structs import replace

from partitiond.invoker.attempt import Attempt
from partitiond.invoker.failure import AttemptError, AttemptFailure
from partitiond.invoker.opening import Opening
from partitiond.invoker.ports import InvokerHost
from partitiond.invoker.protocol.conversation import Conversation
from partitiond.invoker.retry import Exhausted, RetryCounter
from partitiond.invoker.surroundings import Surroundings
from shared.ids import encode_invocation_id
from shared.storage.values import InvocationRow
from shared.wal.commands import (
    AskIds,
    Effect,
    End,
    Failed,
    FailureDetail,
    GiveUp,
    InvokerEffects,
    Pause,
    Pin,
    ResumeInvocation,
    Suspend,
    SuspendOn,
    Yield,
)
from shared.wal.futures import Future

__all__ = ["YIELD_MS_MIN", "Chain"]

#: A retry that is as far off as this gives its scope's permit back, as in Restate
#: (`invocation_yield_threshold`, 2 s).
YIELD_MS_MIN = 2000
#: A retry that was put off and does not come so long after its time has a clock that was set back.
_CLOCK_SET_BACK_S = 1.0
#: Blameless failures in a row after which a retry is at once: connections over which a service's streams are spread
#: have served as many, and end together. One more waits, as any failure does: no hot loop.
_REFUSALS_MAX = 3
#: Effects that are held until something follows that somebody waits for.
_HELD_MAX = 32
#: Effects that add nothing to the journal which the handler made.
_NO_STEP = (AskIds, End, Suspend, SuspendOn)
#: More than so many effects are reported in records of so many: what the first of a thousand calls begin is on its way
#: to services while the others are applied.
_PORTION = 128

_log = logging.getLogger(__name__)


class Chain:
    """Runs, waits for a slot, to retry, or for what becomes of its suspension. Implements Waiter and AttemptOwner."""

    __slots__ = (
        "_attempt", "_counter", "_held", "_known_entries", "_on_gone", "_opening", "_pin", "_refusals",
        "_reported", "_row", "_shared", "_suspending", "_target", "_timer", "attempts", "awaiting_on",
        "debug_id", "deployment_id", "failure", "generation", "gone", "host", "id", "last_start_ms",
        "next_retry_ms", "queue", "server", "yielded",
    )  # fmt: skip

    def __init__(
        self, shared: Surroundings, host: InvokerHost, invocation_id: bytes, row: InvocationRow,
        on_gone: Callable[[Chain], None], input: bytes | None = None,
    ) -> None:  # fmt: skip
        self._shared = shared
        self._on_gone = on_gone
        self.host = host
        self.id = invocation_id
        self.debug_id = encode_invocation_id(invocation_id)
        self.generation = row.generation
        self._target = target = row.target
        #: Whose turns at the worker's slots it shares: its service's, within its scope.
        self.queue: str | tuple[str, str] = target.service if target.scope is None else (target.scope, target.service)
        #: The row as it was handed in; None: it may be stale by now.
        self._row: InvocationRow | None = row
        self._attempt: Attempt | None = None
        self._opening = Opening(shared, host, invocation_id, self.debug_id, input=input)
        #: To be reported with the attempt's first effects; None: the invocation is pinned.
        self._pin: Pin | None = None
        self._counter = RetryCounter()
        #: Entries of the journal that the last attempt began with, or would have.
        self._known_entries = 0
        self._timer: asyncio.TimerHandle | None = None
        #: So many failures in a row were blameless, and nothing was stored since.
        self._refusals = 0
        #: Effects of the attempt that are not reported yet. Invariant: none without an attempt.
        self._held: list[Effect] = []
        #: A Suspend was proposed and its fate is not known.
        self._suspending = False
        #: The failure that was reported last.
        self._reported: FailureDetail | None = None
        #: The next attempt was put off: it begins when the machine says so, by `go_on`.
        self.yielded = False
        #: The chain is over: ended, suspended, paused or aborted.
        self.gone = False
        #: For InvocationState.
        self.attempts = 0
        self.last_start_ms = 0
        self.next_retry_ms = 0
        self.deployment_id: str | None = None
        self.server: str | None = None
        self.failure: AttemptFailure | None = None
        #: What the handler waited for when it last said so; None: it went on since.
        self.awaiting_on: Future | None = None

    @property
    def in_flight(self) -> bool:
        """An attempt runs now."""
        return self._attempt is not None

    def start(self) -> None:
        """Run as soon as there is a slot."""
        if self._shared.slots.crowded:
            # It may be long: thousands that wait are to hold little.
            self._row = None
            self._opening.forget_input()
        self._shared.slots.acquire(self)

    def go_on(self, row: InvocationRow) -> None:
        """What was put off may run now, as a chain of the machine's; its failures so far still count."""
        assert self.yielded
        self.yielded = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.generation = row.generation
        self._row = row
        self.start()

    def notify(self, index: int, entry_type: int, raw: bytes) -> None:
        # It may be what the handler waited for. If not, the SDK says so again.
        self.awaiting_on = None
        if self._attempt is not None:
            self._attempt.notify(index, entry_type, raw)
        else:
            # The next attempt will find it in the journal, which is longer than the row we hold says.
            self._row = None

    def ack(self, command_index: int) -> None:
        if self._attempt is not None:
            self._attempt.ack(command_index)

    def ack_run(self, completion_id: int) -> None:
        if self._attempt is not None:
            self._attempt.ack_run(completion_id)
        else:
            self._row = None

    def abort(self) -> None:
        """Forget everything at once."""
        if self.gone:
            return
        self._leave()
        self._held = []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.abort()
            self._shared.slots.release()
        elif self._opening.waits:
            self._opening.drop()
            self._shared.slots.release()

    def retry_now(self) -> None:
        """An operator wants no more delay."""
        if self._timer is not None and not self.yielded:
            self._timer.cancel()
            self.next_retry_ms = 0
            self._retry_due()

    def refuse_suspension(self, completions: list[int]) -> None:
        """It awaits its own unfinished runs: only a further attempt can bring what it waits for."""
        if self._suspending:
            self._suspending = False
            ids = ", ".join(map(str, completions))
            text = f"the service suspended on its own unfinished run (completion {ids}), which only a retry can finish"
            self._plan(AttemptFailure("RT0007", text))

    # Waiter

    def begin(self) -> None:
        """A slot is ours."""
        try:
            self._begin_attempt()
        except AttemptError as refusal:
            self._opening.drop()
            self._after_failure(refusal.failure)
        except Exception as error:
            self._opening.drop()
            _log.exception("invocation=%s: an attempt could not start", self.debug_id)
            self._after_failure(AttemptFailure("RT0006", f"internal error: {type(error).__name__}: {error}"))

    # AttemptOwner

    def on_effects(self, effects: list[Effect], *, alone: bool = False, quiet: bool = False) -> None:
        assert not self.gone
        self.awaiting_on = None
        held = self._held
        if quiet and len(held) < _HELD_MAX:
            if not held:
                self._shared.coalescer.add(self)
            held += effects
            return
        if held:
            self._held = []
            effects = held + effects
        self._report(effects)
        if alone:
            self.host.flush()

    def report_held(self) -> None:
        """Holder: that was long enough."""
        effects = self._held
        if effects:
            self._held = []
            self._report(effects)

    def _report(self, effects: list[Effect]) -> None:
        if type(effects[0]) not in _NO_STEP:
            self._refusals = 0
            self._counter.on_stored(self._shared.time())
        last = effects[-1]
        self._suspending = isinstance(last, Suspend | SuspendOn)
        if isinstance(last, Suspend | SuspendOn):
            last.known_entries = self._known_entries
        if self._pin is not None:
            effects.insert(0, self._pin)
            self._pin = None
        while len(effects) > _PORTION:
            self.host.propose(InvokerEffects(self.id, self.generation, effects[:_PORTION]))
            self.host.flush()
            effects = effects[_PORTION:]
        self.host.propose(InvokerEffects(self.id, self.generation, effects))

    def on_server(self, server: str) -> None:
        self.server = server

    def on_awaiting(self, future: Future) -> None:
        self.awaiting_on = future

    def on_over(self, failure: AttemptFailure | None) -> None:
        if failure is not None:
            self._after_failure(failure)
            return
        self._attempt = None
        self._shared.slots.release()
        if self._suspending:
            self.host.when_applied(self._suspended)
        else:
            self._leave()

    def when_applied(self, callback: Callable[[], None]) -> None:
        self.report_held()
        self.host.when_applied(callback)

    def on_mishap(self, text: str, error: Exception | None = None) -> None:
        _log.error("invocation=%s: %s", self.debug_id, text, exc_info=error)

    # Helpers, in order of use.

    def _suspended(self) -> None:
        if self._suspending and not self.gone:
            self._leave()

    def _leave(self) -> None:
        self.gone = True
        self._on_gone(self)

    def _begin_attempt(self) -> None:
        shared = self._shared
        row = self._row or self._load()
        self._row = None
        if row is None:
            self._opening.drop()
            self._leave()
            shared.slots.release()
            return
        self._known_entries = row.journal_length
        now_ms = shared.clock.now_ms()
        if not self._opening.waits:
            self._count_attempt(now_ms)
        route = shared.routes.resolve(row)
        state = self._opening.read_state(route, row.target, self._on_memory)
        if state is None:
            return  # We are called again when there is memory for it.
        self._pin = route.pin if row.deployment_id is None else None
        deployment = route.deployment
        self.deployment_id = deployment.id
        try:
            endpoint = shared.endpoints.of(deployment)
        except ValueError as error:
            raise AttemptError(AttemptFailure("RT0010", f"deployment {deployment.id}: {error}")) from error
        conversation = Conversation(
            invocation_id=self.id,
            target=row.target,
            traceparent=row.traceparent,
            tracestate=row.tracestate,
            command_count=row.command_count,
            has_output=row.output_index >= 0,
            catalog=shared.catalog,
            message_bytes_limit=shared.message_bytes_limit,
            random_bytes=shared.random_bytes,
            protocol_version=route.version,
            habits=route.habits,
        )
        attempt = Attempt(
            self,
            route,
            conversation,
            ticker=shared.deadlines,
            time=shared.time,
            now_ms=shared.clock.now_ms,
            memory=shared.memory,
            windows=shared.windows,
            claimant=self.host,
        )
        self.awaiting_on = None
        outbound = self._opening.outbound(route, row, self._counter, state)
        head = route.head.with_path(route.path, *self._opening.headers(route, row, now_ms))
        attempt.start(endpoint, head, outbound)
        self._opening.taken()
        outbound.let_go()
        self._attempt = attempt
        if row.first_untold:
            # Whether it asked for them nobody knows any more.
            self.host.propose(InvokerEffects(self.id, self.generation, [AskIds()]))

    def _count_attempt(self, now_ms: int) -> None:
        if not self.attempts:
            self._counter.on_stored(self._shared.time())
        self.attempts += 1
        self.last_start_ms = now_ms
        self.next_retry_ms = 0

    def _load(self) -> InvocationRow | None:
        """None: this chain is not what the invocation is at any more."""
        row = self.host.load(self.id)
        if row is None or not row.may_run or row.generation != self.generation:
            return None
        return row

    def _on_memory(self) -> None:
        if not self.gone:
            self.begin()

    def _after_failure(self, failure: AttemptFailure) -> None:
        """The slot goes back."""
        self.report_held()
        self._attempt = None
        self._shared.slots.release()
        self._plan(failure)

    def _plan(self, failure: AttemptFailure) -> None:
        """The next attempt is planned, or the chain gives up."""
        if failure.blameless and self._refusals < _REFUSALS_MAX:
            # As when a server ends a connection after so many requests.
            self._refusals += 1
            self._retry_due()
            return
        self._refusals = _REFUSALS_MAX if failure.blameless else 0
        shared = self._shared
        self.failure = failure
        detail = failure.as_detail()
        effects: list[Effect] = []
        next_step = self._counter.on_failure(failure, shared.routes.options_of(self._target), shared.random())
        if isinstance(next_step, Exhausted):
            verdict = "killed" if next_step.kill else "paused"
            self._log_failure(failure, f"no more retries: {verdict}")
            result = failure.as_result()
            self._leave()
            effects.append(GiveUp(result) if next_step.kill else Pause(result, detail, self._known_entries))
        else:
            self._log_failure(failure, f"retry in {next_step} ms")
            if self._reported is None or not _alike(detail, self._reported):
                self._reported = detail
                effects.append(Failed(detail))
            self.next_retry_ms = shared.clock.now_ms() + next_step
            if self._target.scope is not None and next_step >= YIELD_MS_MIN:
                self.yielded = True
                effects.append(Yield(self.next_retry_ms))
                after_s = next_step / 1000 + _CLOCK_SET_BACK_S
                self._timer = asyncio.get_running_loop().call_later(after_s, self._put_off_long_enough)
            else:
                self._timer = asyncio.get_running_loop().call_later(next_step / 1000, self._retry_due)
        if effects:
            self.host.propose(InvokerEffects(self.id, self.generation, effects))

    def _log_failure(self, failure: AttemptFailure, then: str) -> None:
        _log.warning(
            "invocation=%s target=%s deployment=%s %s: %s; %s",
            self.debug_id, self._target, self.deployment_id, failure.doc_code, failure.text, then,
        )  # fmt: skip
        if failure.stacktrace:
            _log.debug("invocation=%s stacktrace: %s", self.debug_id, failure.stacktrace)

    def _put_off_long_enough(self) -> None:
        """The timer that was stored goes by the clock; one that was set back must not put off retries by as much."""
        self._timer = None
        if self._shared.clock.now_ms() < self.next_retry_ms:
            self.host.propose(ResumeInvocation(self.id, 0, None))

    def _retry_due(self) -> None:
        # Replaying before all that the failed attempt proposed is applied would miss it, and it would come twice.
        self._timer = None
        self.host.when_applied(self._retry)

    def _retry(self) -> None:
        if not self.gone:
            self._shared.slots.acquire(self)


def _alike(one: FailureDetail, other: FailureDetail) -> bool:
    """Two failures that tell an operator the same: stack traces differ by how a service's event loop got there."""
    return replace(one, stacktrace="") == replace(other, stacktrace="")
