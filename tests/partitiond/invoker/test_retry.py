"""Delays and limits of retries."""

from __future__ import annotations

from typing import Any

import pytest

from partitiond.invoker.failure import AttemptFailure
from partitiond.invoker.retry import Exhausted, RetryCounter
from shared.catalog.catalog import HandlerOptions
from shared.catalog.services import RetryPolicy
from tests.partitiond.invoker.builders import catalog


def _options(**policy: Any) -> HandlerOptions:
    known = catalog(retry=RetryPolicy(**policy))
    return known.options_of(known.services["Greeter"], known.services["Greeter"].handlers["greet"])


def _delays(options: HandlerOptions, count: int, random: float = 0.0) -> list[int | Exhausted]:
    counter = RetryCounter()
    return [counter.on_failure(AttemptFailure("RT0007", "x"), options, random) for _ in range(count)]


def test_default_policy_doubles_up_to_a_minute_and_pauses_after_70_attempts() -> None:
    delays = _delays(_options(), 70)
    assert delays[:8] == [500, 1000, 2000, 4000, 8000, 16000, 32000, 60000]
    assert delays[8:69] == [60000] * 61
    assert delays[69] == Exhausted(kill=False)


def test_jitter_adds_up_to_a_third() -> None:
    assert _delays(_options(), 2, random=0.999999) == [666, 1333]


@pytest.mark.parametrize(("attempts", "retries"), [(1, 0), (3, 2)])
def test_attempts_are_counted_with_the_first(attempts: int, retries: int) -> None:
    delays = _delays(_options(max_attempts=attempts, on_max_attempts="Kill"), retries + 1)
    assert delays[-1] == Exhausted(kill=True)
    assert all(isinstance(delay, int) for delay in delays[:-1])


def test_no_limit() -> None:
    assert _delays(_options(max_attempts=0), 500)[-1] == 60000


@pytest.mark.parametrize(("factor", "expected"), [(1.0, [500] * 4), (0.5, [500] * 4), (3.0, [500, 1500, 4500, 13500])])
def test_factor(factor: float, expected: list[int]) -> None:
    assert _delays(_options(exponentiation_factor=factor), 4) == expected


def test_initial_interval_over_the_largest_is_the_largest() -> None:
    assert _delays(_options(initial_interval_ms=10_000, max_interval_ms=1000), 2) == [1000, 1000]


def test_delay_that_the_service_asks_for_holds_once_and_uses_no_attempt_up() -> None:
    """Seen at Restate 1.7.12: with three attempts allowed, such failures go on for ever."""
    options = _options(max_attempts=2)
    counter = RetryCounter()
    asked = AttemptFailure("RT0007", "x", next_retry_delay_ms=7)
    assert [counter.on_failure(asked, options, 0.9) for _ in range(5)] == [7] * 5
    assert counter.on_failure(AttemptFailure("RT0007", "x"), options, 0.0) == 500
    assert counter.on_failure(AttemptFailure("RT0007", "x"), options, 0.0) == Exhausted(kill=False)


def test_asked_delay_has_a_bound() -> None:
    asked = AttemptFailure("RT0007", "x", next_retry_delay_ms=2**64 - 1)
    assert RetryCounter().on_failure(asked, _options(), 0.0) == 30 * 24 * 3600 * 1000


def test_what_is_stored_resets_only_what_the_service_is_told() -> None:
    counter = RetryCounter()
    for _ in range(3):
        counter.on_failure(AttemptFailure("RT0007", "x"), _options(), 0.0)
    counter.on_stored(5)
    assert (counter.failures, counter.failures_since_stored, counter.stored_at_s) == (3, 0, 5)
    assert counter.on_failure(AttemptFailure("RT0007", "x"), _options(), 0.0) == 4000
