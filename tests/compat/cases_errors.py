"""Cases of failures, terminal and retried. Pure: no I/O."""

from __future__ import annotations

from tests.compat.case import NO_TRACE, PY, TS, Case, admin, attach, call, look, post, send, until
from tests.compat.modes import FEW

__all__ = ["CASES"]

CASES: tuple[Case, ...] = (
    *(
        Case(f"a terminal error of code {code}", (call("Errors/terminal", code),), modes=FEW)
        for code in (400, 404, 409, 418, 470, 500, 599, 600, 999)
    ),
    Case("a terminal error without a message", (call("Errors/without_code"),)),
    Case("a terminal error with metadata", (call("Errors/with_metadata"),)),
    Case("a terminal error after a run", (call("Errors/after_a_step"),)),
    Case("attempts run out: it is killed", (call("Errors/always"),), differs=NO_TRACE),
    Case("attempts run out without a step: it is killed", (call("Errors/always_and_at_once"),), differs=NO_TRACE),
    Case("it succeeds at its third attempt", (call("Errors/twice"),)),
    Case("it says when to retry it", (call("Errors/later"),)),
    Case("input that is no number", (call("Errors/number", "x"),), sdks=(PY,), differs=NO_TRACE),
    Case("input that the SDK cannot read", (post("Errors/number", b"{", content_type="application/json"),)),
    Case("output that the SDK cannot write", (call("Errors/bad_output"),), sdks=(PY,), differs=NO_TRACE),
    Case("another command at the replay", (call("Errors/other_at_replay"),), modes=FEW),
    Case("a run of another name at the replay", (call("Errors/other_name_at_replay"),), modes=FEW),
    Case("fewer commands at the replay", (call("Errors/forgets_a_call"),), modes=FEW),
    Case("a mismatch fails the invocation", (call("MismatchFails/other_at_replay"),), sdks=(TS,)),
    Case(
        "a mismatch pauses the invocation",
        (send("MismatchPauses/other_at_replay"), until("paused"), admin("kill"), attach()),
        sdks=(TS,),
        modes=("b7", "r7"),
    ),
    Case("an error that the service makes terminal", (call("Errors/odd"),), sdks=(TS,)),
    Case(
        "attempts run out: it is paused, resumed and ends",
        (
            send("Pausing/unrepaired", "{key}"),
            until("paused"),
            look("it", "status", "last_failure", "retry_count", "next_retry_at"),
            admin("resume"),
            attach(),
        ),
    ),
    Case(
        "attempts run out: it is paused and killed",
        (send("Pausing/never"), until("paused"), admin("kill"), attach()),
        sdks=(PY,),
    ),
    Case(
        "attempts run out: it is paused and cancelled",
        (send("Pausing/never"), until("paused"), admin("cancel"), until("paused", journal_size=2)),
        sdks=(PY,),
    ),
    # The SDK tells it as a failure like any other.
    Case("it asks for a pause", (call("Pausing/asks_for_it"),), sdks=(TS,)),
)
