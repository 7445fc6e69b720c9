"""Cases of runs, timers, chance, time and the request. Pure: no I/O."""

from __future__ import annotations

from tests.compat.case import PY, TS, Case, attach, call, send

__all__ = ["CASES"]

CASES: tuple[Case, ...] = (
    Case("three runs in turn", (call("Steps/three_in_turn", "x"),)),
    Case("runs that give nothing, bytes and text", (call("Steps/values"),)),
    Case("five runs side by side with a timer", (call("Steps/side_by_side"),)),
    Case("a run's terminal error is caught", (call("Steps/terminal_is_caught"),)),
    *(
        Case(f"a run's terminal error {code} is the answer", (call("Steps/terminal_is_the_answer", code),))
        for code in (404, 500)
    ),
    Case("a run succeeds at its third try", (call("Steps/succeeds_at_the_third"),)),
    Case("a run's attempts run out", (call("Steps/attempts_run_out"),)),
    # How often it was tried in so little time is nobody's guess.
    Case("a run's time runs out", (call("Steps/time_runs_out"),), ignore=frozenset({"events"})),
    Case("a run without a policy is retried with its invocation", (call("Steps/retried_as_the_invocation_is"),)),
    Case("a run says when to retry it", (call("Steps/says_when_to_retry"),)),
    Case("timers: named, of nothing, two at once", (call("Steps/sleeps"),)),
    Case("random numbers and uuids are the same at the replay", (call("Steps/chance"),)),
    Case("the time is journaled", (call("Steps/time"),), ignore=frozenset({"run results"})),
    Case(
        "what the request tells",
        (call("Steps/request", {"a": [1, "ä"]}, x_test_one="1", X_Test_Two="zwei", accept="text/plain"),),
    ),
    Case(
        "what an idempotent request tells",
        (
            call("Steps/request", 1, idempotency_key="{key}-told"),
            call("Steps/request", 2, idempotency_key="{key}-told"),
        ),
    ),
    Case("context managers, hooks and logging", (call("Steps/surroundings"),)),
    Case("a send and its result", (send("Steps/three_in_turn", "x"), attach())),
    Case("a run with arguments", (call("Steps/arguments"),), sdks=(PY,)),
    Case("the older verb for runs", (call("Steps/untyped"),), sdks=(PY,)),
    Case("what is caught that is no error passes through", (call("Steps/caught_all"),), sdks=(PY,)),
    Case("a run without a name", (call("Steps/unnamed"),), sdks=(TS,)),
    Case("a run fails with metadata", (call("Steps/terminal_with_metadata"),), sdks=(TS,)),
)
