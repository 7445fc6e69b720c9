"""When a failed attempt is repeated, and when no more. Pure: no I/O.

The count of attempts is that of this leader's chain: it is lost on suspension, pause and change of leader.
"""

from __future__ import annotations

import msgspec

from partitiond.invoker.failure import AttemptFailure, Behavior
from shared.catalog.catalog import HandlerOptions

__all__ = ["Exhausted", "RetryCounter"]


#: A service cannot put its invocation off for longer than this.
ASKED_DELAY_MS_MAX = 30 * 24 * 60 * 60 * 1000


class Exhausted(msgspec.Struct):
    """No further attempt. `kill`: the invocation ends with the failure, else it is paused."""

    kill: bool


class RetryCounter:
    """Counts the failures of one chain of attempts."""

    __slots__ = ("failures", "failures_since_stored", "policy_failures", "stored_at_s")

    def __init__(self) -> None:
        self.failures = 0
        #: Failures that took their delay from the policy; the others do not use it up.
        self.policy_failures = 0
        #: For StartMessage: failures, and the time, since an entry was stored last (else since the first start).
        self.failures_since_stored = 0
        self.stored_at_s = 0.0

    def on_stored(self, now_s: float) -> None:
        """The running attempt added to the journal, or is the first. `now_s`: of the event loop, as services measure
        by it how long they have been retrying: a clock that is set must not make them give up."""
        self.failures_since_stored = 0
        self.stored_at_s = now_s

    def on_failure(self, failure: AttemptFailure, options: HandlerOptions, random: float) -> int | Exhausted:
        """The delay in ms before the next attempt. `random` is in [0, 1): up to a third is added to the interval,
        so that what failed together does not come back together."""
        self.failures += 1
        self.failures_since_stored += 1
        if failure.behavior is not Behavior.RETRY:
            return Exhausted(kill=failure.behavior is Behavior.FAIL)
        if failure.next_retry_delay_ms is not None:
            return min(failure.next_retry_delay_ms, ASKED_DELAY_MS_MAX)
        self.policy_failures += 1
        if options.retry_attempts is not None and self.policy_failures >= options.retry_attempts:
            return Exhausted(options.retry_kills)
        return _interval(options, self.policy_failures, random)


def _interval(options: HandlerOptions, failures: int, random: float) -> int:
    interval = float(options.retry_initial_ms)
    for _ in range(failures - 1):
        if interval >= options.retry_max_ms or options.retry_factor <= 1:
            break
        interval *= options.retry_factor
    return int(min(interval, options.retry_max_ms) * (1 + random / 3))
