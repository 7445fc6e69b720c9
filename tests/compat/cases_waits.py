"""Cases of awakeables, signals, combinators, and of cancelling what waits. Pure: no I/O."""

from __future__ import annotations

from dataclasses import replace

from tests.compat.case import (
    ILL_FORMED,
    LATE,
    NO_TRACE,
    PY,
    TS,
    Case,
    Difference,
    Step,
    admin,
    attach,
    awakeable,
    call,
    post,
    send,
    until,
)

__all__ = ["CASES"]

_WAITING = until("suspended")


def _combinator(
    title: str,
    handler: str,
    *completions: tuple[int, str | None],
    sdks: tuple[str, ...] = (PY, TS),
    differs: Difference | None = None,
) -> Case:
    """Suspended on awakeables, which are completed in turn; None rejects. In between it sleeps again, or ends."""
    steps: list[Step] = [send(f"Waits/{handler}", "{key}"), _WAITING]
    for place, (number, value) in enumerate(completions):
        verb = "reject" if value is None else "resolve"
        steps.append(awakeable(number, verb, b"no" if value is None else value))
        if place + 1 < len(completions):
            steps.append(until("suspended", journal_size=_SIZES[handler] + place + 1))
    return Case(title, (*steps, attach()), sdks=sdks, differs=differs)


#: Entries of a handler's journal when it first waits.
_SIZES = dict.fromkeys(("gathers", "as_they_come", "one_then_the_rest", "nests", "all", "any", "mapped"), 4)
_SIZES["of_every_kind"] = 11

_AWAKEABLES: tuple[Case, ...] = (
    Case("an awakeable is resolved", (send("Waits/awakeable", "{key}"), awakeable(0, "resolve", {"a": 1}), attach())),
    Case(
        "an awakeable is rejected",
        (send("Waits/awakeable", "{key}"), awakeable(0, "reject", b"from outside"), attach()),
    ),
    Case(
        "an awakeable is resolved while its handler is suspended",
        (send("Waits/awakeable", "{key}"), _WAITING, awakeable(0, "resolve", "late"), attach()),
    ),
    Case(
        "an awakeable is completed twice, from outside",
        (
            send("Waits/awakeable", "{key}"),
            _WAITING,
            awakeable(0, "reject", b"first"),
            attach(),
            awakeable(0, "resolve", "second"),
        ),
    ),
    Case("awakeables are completed by a handler", (call("Waits/own_awakeables"),)),
    Case(
        "an awakeable is completed twice, by its handler",
        (call("Waits/resolved_twice"),),
        differs=Difference(
            "the first completion counts, for good",
            theirs=("journal_size = 8", "Notification: Signal .*second"),
            ours=("journal_size = 7",),
        ),
    ),
    Case(
        "awakeables that are none",
        (
            post("/restate/awakeables/nonsense/resolve", "x"),
            post("/restate/awakeables/sign_1AY2ZO0Vsz0wBAAAAAAAAAAAAAAAAAAAAAAAAEQ/resolve", "x"),
            call("Helper/resolves", ["sign_1AY2ZO0Vsz0wBAAAAAAAAAAAAAAAAAAAAAAAAEQ", 1]),
        ),
    ),
    Case(
        "an awakeable of an ill-formed id is resolved by a handler",
        (call("Helper/resolves", ["nonsense", 1]),),
        differs=ILL_FORMED,
    ),
)

_NO_SPIN = Difference(
    "a signal that the handler has heard wakes it no more",
    theirs=("saw .*false", "Command: Output .*false"),
    ours=("saw .*true", "Command: Output .*true"),
)
_SIGNALS: tuple[Case, ...] = (
    Case(
        "a signal is resolved",
        (send("Waits/signal"), _WAITING, call("Helper/signals", ["{it}", "go", [1]], name="second"), attach()),
    ),
    Case(
        "a signal is rejected",
        (
            send("Waits/signal"),
            _WAITING,
            call("Helper/rejects_signal", ["{it}", "go", "stop", 418], name="second"),
            attach(),
        ),
    ),
    Case("signals before and after they are awaited", (call("Waits/own_signals"),), ignore=LATE),
    # The SDK of TypeScript forgets the first of two that come before it awaits them.
    Case("one signal twice", (call("Waits/same_signal_twice"),), sdks=(PY,)),
    Case(
        "two signals in one combinator, one by one",
        (
            send("Waits/both_signals"),
            _WAITING,
            call("Helper/signals", ["{it}", "b", 2], name="second"),
            until("suspended", journal_size=2),
            admin("resume"),
            call("Helper/signals", ["{it}", "a", 1], name="third"),
            attach(),
        ),
    ),
    Case(
        "one signal twice, and the second one is late",
        (
            send("Waits/awaits_a_name_twice"),
            _WAITING,
            call("Helper/signals", ["{it}", "go", 1], name="second"),
            send("Helper/signals", ["{it}", "go", 2], name="third", query="?delay=800ms"),
            attach(),
        ),
        differs=_NO_SPIN,
    ),
    Case(
        "cancelled, it waits for something else",
        (
            send("Waits/waits_on_after_cancel"),
            _WAITING,
            admin("cancel"),
            send("Helper/signals", ["{it}", "go", 1], name="second", query="?delay=800ms"),
            attach(),
        ),
        differs=_NO_SPIN,
    ),
    Case(
        "a signal that nobody awaits wakes nobody",
        (
            send("Waits/signal"),
            _WAITING,
            call("Helper/signals", ["{it}", "other", 1], name="second"),
            until("suspended", journal_size=2),
            call("Helper/signals", ["{it}", "go", 2], name="third"),
            attach(),
        ),
    ),
    Case(
        "a signal to an invocation that has ended",
        (call("Callee/echo", 1), call("Helper/signals", ["{it}", "go", 1], name="second")),
    ),
)

_COMBINATORS: tuple[Case, ...] = (
    _combinator("all are awaited: in reverse", "gathers", (1, "b"), (0, "a")),
    _combinator("all are awaited: one fails", "gathers", (0, None), (1, "b")),
    _combinator("the first of several, or a timer", "selects", (1, "b")),
    _combinator("the first of several fails", "selects", (0, None)),
    Case("a timer before an awakeable", (call("Waits/select_times_out", "{key}"),)),
    _combinator("as they come", "as_they_come", (1, "b"), (0, None), sdks=(PY,)),
    _combinator("one, then the rest", "one_then_the_rest", (0, "a"), (1, "b"), sdks=(PY,)),
    _combinator("a race in a gather", "nests", (1, "b"), (2, "c"), sdks=(TS,)),
    _combinator("a select, then a gather", "nests", (0, "a"), (2, "c"), sdks=(PY,)),
    _combinator("all: in turn", "all", (0, "a"), (1, "b"), sdks=(TS,)),
    _combinator("all: a failure ends it", "all", (1, None), sdks=(TS,)),
    _combinator("any: a failure, then a success", "any", (0, None), (1, "b"), sdks=(TS,)),
    _combinator(
        "any: only failures", "any", (1, None), (0, None), sdks=(TS,), differs=replace(NO_TRACE, sometimes=True)
    ),
    _combinator("race: a success", "race", (1, "b"), sdks=(TS,)),
    _combinator("race: a failure", "race", (0, None), sdks=(TS,)),
    _combinator("mapped: a failure and a success", "mapped", (1, None), (0, "a"), sdks=(TS,)),
    _combinator("in time for a time-out", "in_time", (0, "a"), sdks=(TS,)),
    Case("promises that are settled at once", (call("Waits/settled_at_once"),), sdks=(TS,)),
    Case(
        "a call, a run, a timer, an awakeable and a signal at once",
        (
            send("Waits/of_every_kind", "{key}"),
            awakeable(0, "resolve", "a"),
            call("Helper/signals", ["{it}", "go", "g"], name="second"),
            attach(),
        ),
    ),
)


def _cancelled(title: str, handler: str, *body: str, sdks: tuple[str, ...] = (PY, TS)) -> Case:
    # An awakeable's id is brought to a box first.
    waiting = until("suspended", journal_size=4) if handler == "Waits/awakeable" else _WAITING
    return Case(title, (send(handler, *body), waiting, admin("cancel"), attach()), sdks=sdks)


_CANCELLED: tuple[Case, ...] = (
    _cancelled("cancelled while it sleeps", "Waits/for_ever"),
    _cancelled("cancelled, it cleans up", "Waits/cleans_up", "{key}"),
    _cancelled("cancelled, it goes on", "Waits/goes_on_after_cancel"),
    _cancelled("cancelled in a call", "Waits/cancelled_in_a_call"),
    _cancelled("cancelled in a combinator", "Waits/cancelled_in_a_gather"),
    _cancelled("cancelled while it awaits an awakeable", "Waits/awakeable", "{key}"),
    _cancelled("explicit cancellation is seen", "Explicit/sees_it", sdks=(TS,)),
    _cancelled("explicit cancellation is passed on", "Explicit/passes_it_on", sdks=(TS,)),
    Case(
        "explicit cancellation, twice",
        (
            send("Explicit/is_cancelled_twice"),
            _WAITING,
            admin("cancel"),
            until("", journal_size=2),
            admin("cancel"),
            attach(),
        ),
        sdks=(TS,),
    ),
)

CASES = (*_AWAKEABLES, *_SIGNALS, *_COMBINATORS, *_CANCELLED)
