"""Cases of what operators do with invocations, in each status. Pure: no I/O."""

from __future__ import annotations

from dataclasses import replace

from tests.compat.case import (
    PY,
    Admin,
    Case,
    Difference,
    Family,
    Step,
    admin,
    attach,
    call,
    get,
    look,
    output,
    send,
    until,
)
from tests.compat.modes import FEW

__all__ = ["CASES"]

#: Of each status, the steps that bring `it` there.
_STATUSES: dict[str, tuple[Step, ...]] = {
    "scheduled": (send("Life/ends", 1, query="?delay=1h"), until("scheduled")),
    "inboxed": (
        send("Lock/{key}/holds", name="holder"),
        until("suspended", "holder"),
        send("Lock/{key}/takes", 1),
        until("pending"),
    ),
    "running": (send("Busy/works"), until("running", journal_size=3)),
    "suspended": (send("Life/waits"), until("suspended")),
    # The oracle calls it ready while its delay is long: with its virtual queues, nothing is kept of the failed attempt.
    "backing off": (send("Failing/once"), until("backing-off|ready", journal_size=3)),
    "paused": (send("Pausing/never"), until("paused")),
    "succeeded": (send("Life/ends", 1), until("completed")),
    "failed": (send("Life/fails"), until("completed")),
}

#: Of each verb, what is done after it to see its effect.
_VERBS = ("cancel", "kill", "purge", "purge-journal", "pause", "resume", "restart-as-new")

_LOOK = look("it", "status", "completion_result", "completion_failure", "journal_size")
#: What these pairs end in; of any other one the status stays, or is decided at once.
_AFTERWARDS: dict[tuple[str, str], tuple[Step, ...]] = {
    ("suspended", "cancel"): (until("completed"),),
    ("suspended", "pause"): (until("paused"),),
    ("suspended", "resume"): (until("suspended"),),
    ("running", "pause"): (until("paused"),),
    ("backing off", "pause"): (until("paused"),),
    ("backing off", "resume"): (until("completed"),),
    ("paused", "cancel"): (until("paused", journal_size=2),),
    ("paused", "resume"): (until("paused"),),
}
_STILL_BACKING_OFF = Difference(
    "it is shown to back off, with its failure, however long the delay",
    theirs=('saw .*"(ready|running)"', "status = ready", "has .*'running_at'"),
    ours=('saw .*"backing-off"', "status = backing-off", "retry_count = 1", "last_failure", "has .*'next_retry_at'"),
)
_TELLS_WHY = Difference(
    "a pause tells the failure before it",
    theirs=('event Paused .*{"ty": "Paused"}',),
    ours=("event (Paused|TransientError)",),
)
_KILLED_BEFORE_IT_TOLD = Difference(
    "the oracle shows `ready` a moment before it stores the failure, and a kill in that moment comes first",
    ours=("event TransientError",),
    sometimes=True,
)
_DIFFERENCES = {
    ("backing off", verb): _STILL_BACKING_OFF for verb in ("cancel", "purge", "purge-journal", "restart-as-new")
} | {("backing off", "pause"): _TELLS_WHY, ("backing off", "kill"): _KILLED_BEFORE_IT_TOLD}


def _in_status(status: str, verb: str) -> Case:
    steps = (*_STATUSES[status], admin(verb, new="new"), *_AFTERWARDS.get((status, verb), ()), _LOOK)
    if status == "inboxed":
        # The key is free for whoever is next.
        steps = (*steps, admin("kill", "holder"), call("Lock/{key}/takes", 2, name="next"))
    return Case(
        f"{verb} of one that is {status}",
        steps,
        sdks=(PY,),
        modes=FEW if status != "running" else ("b7",),
        differs=_DIFFERENCES.get((status, verb)),
    )


_PAIRS = tuple(_in_status(status, verb) for status in _STATUSES for verb in _VERBS)

_UNKNOWN = "inv_1lgAm7zJ2c8B2ZQdOieDK1VMblfj6jU52h"
_NOBODY = tuple(
    Case(
        f"{verb} of one that nobody knows, and of no id",
        (Admin("PATCH", f"/invocations/{_UNKNOWN}/{verb}"), Admin("PATCH", f"/invocations/nonsense/{verb}")),
        sdks=(PY,),
        modes=("b7",),
    )
    for verb in _VERBS
)

_TREES = (
    Case(
        "kill ends the whole tree of callees",
        (
            send("Calls/has_children"),
            Family("it", (2, 2, 3)),
            admin("kill"),
            attach(),
        ),
    ),
)

#: Protocol 5 has no random seed to restart with.
_LIFE_MODES = ("b5", "b7", "r6")

_LIVES = (
    Case(
        "a workflow is killed, and its key is taken",
        (
            send("Flow/{key}/run", "x"),
            until("suspended"),
            admin("kill"),
            get("/restate/workflow/{service:Flow}/{key}/output"),
            call("Flow/{key}/run", "y"),
        ),
    ),
    Case(
        "a workflow is purged and runs again",
        (
            call("Quick/{key}/run", 1),
            admin("purge"),
            get("/restate/workflow/{service:Quick}/{key}/output"),
            call("Quick/{key}/run", 2, name="again"),
        ),
    ),
    Case(
        "an idempotent result is purged and computed anew",
        (
            call("Callee/echo", 1, idempotency_key="{key}-p"),
            admin("purge"),
            output(),
            call("Callee/echo", 2, idempotency_key="{key}-p", name="again"),
        ),
    ),
    Case(
        "restarted from its second entry",
        (
            call("Steps/three_in_turn", "x"),
            admin("restart-as-new?from=2", new="new"),
            until("completed", "new"),
            attach("new"),
        ),
    ),
    Case(
        "restarted from behind its end",
        (call("Steps/three_in_turn", "x"), admin("restart-as-new?from=99", new="new")),
    ),
    Case(
        "restarted with an idempotency key",
        (
            call("Callee/echo", "x", idempotency_key="{key}-r"),
            admin("restart-as-new", new="new"),
            until("completed", "new"),
        ),
    ),
    Case("a workflow is restarted", (call("Quick/{key}/run", 1), admin("restart-as-new", new="new"))),
    Case(
        "restarted on a deployment that nobody knows",
        (
            call("Callee/echo", 1),
            admin("restart-as-new?deployment=dp_1nosuch"),
            admin("restart-as-new?deployment=nonsense"),
        ),
    ),
    Case(
        "a purged journal leaves the result",
        (
            call("Steps/three_in_turn", "x"),
            admin("purge-journal"),
            output(),
            admin("restart-as-new"),
            admin("purge-journal"),
        ),
    ),
    Case(
        "neither result nor journal is kept",
        (call("Forgetful/ends", 2), output()),
        sdks=(PY,),
    ),
    Case(
        "an object's state outlives a kill",
        (
            send("Lock/{key}/holds"),
            until("suspended"),
            send("Lock/{key}/takes", 1, name="waiting"),
            until("pending", "waiting"),
            admin("kill"),
            attach("waiting"),
        ),
        sdks=(PY,),
    ),
    Case(
        "an object's holder is cancelled, and the next one runs",
        (
            send("Lock/{key}/holds"),
            until("suspended"),
            send("Lock/{key}/takes", 1, name="waiting"),
            until("pending", "waiting"),
            admin("cancel"),
            attach("waiting"),
            attach(),
        ),
        sdks=(PY,),
    ),
    Case(
        "paused, it keeps its object's lock",
        (
            send("Lock/{key}/holds"),
            until("suspended"),
            send("Lock/{key}/takes", 1, name="waiting"),
            until("pending", "waiting"),
            admin("pause"),
            until("paused"),
            look("waiting", "status"),
            call("Helper/signals", ["{it}", "let go", "now"], name="signal"),
            until("paused", journal_size=3),
            admin("resume"),
            attach(),
            attach("waiting"),
        ),
        sdks=(PY,),
    ),
    Case(
        "the older routes: cancel, kill and purge",
        (
            send("Life/ends", 1, query="?delay=1h"),
            Admin("DELETE", "/invocations/{it}"),
            look("it", "status", "completion_failure"),
            send("Life/ends", 1, query="?delay=1h", name="second"),
            Admin("DELETE", "/invocations/{second}?mode=kill"),
            Admin("DELETE", "/invocations/{second}?mode=purge"),
            look("second", "status"),
        ),
        sdks=(PY,),
    ),
    Case(
        "a service's retention is kept with its invocations",
        (
            call("Forgetful/ends", 1, idempotency_key="{key}-b"),
            call("Life/ends", 1, idempotency_key="{key}-l", name="second"),
        ),
        sdks=(PY,),
        ignore=frozenset({"status"}),
    ),
)

CASES = (*_PAIRS, *_NOBODY, *_TREES, *(replace(case, modes=_LIFE_MODES) for case in _LIVES))
