"""What both runtimes are brought to before they are asked: invocations in every status, journals of every kind of
entry, states, promises, an inbox, failures with retries. Pure: no I/O (`stage.py` carries it out).

Each case has a name, by which queries find the invocations that it began: `{busy}`, `{lock.holder}`.
"""

from __future__ import annotations

from typing import Any

from tests.compat.case import NOTHING, Admin, Case, Http, Step, admin, attach, call, send, until

__all__ = ["MODE", "PLAIN", "SCOPED", "SETTLED", "service"]

#: The way of `tests/compat` in which services are registered.
MODE = "b7"
_TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def service(name: str) -> str:
    """The registered name of a service of `tests/compat/python`."""
    return f"{MODE}Py{name}"


def _case(title: str, *steps: Step) -> Case:
    return Case(title, steps, modes=(MODE,))


def _in_scope(verb: str, path: str, body: Any = NOTHING, *, name: str = "it", **headers: str) -> Http:
    """Within the scope `tenant`."""
    owner, _, handler = path.partition("/")
    return Http("POST", f"/restate/scope/tenant/{verb}/{{service:{owner}}}/{handler}", body, headers, name)


PLAIN: tuple[Case, ...] = (
    # Statuses.
    _case("succeeded", call("Life/ends", "kept", idempotency_key="one", traceparent=_TRACE)),
    _case("failed", call("Life/fails")),
    _case("told_apart", call("Errors/with_metadata")),
    _case("killed", send("Life/waits"), until("suspended"), admin("kill"), until("completed")),
    _case("cancelled", send("Life/waits"), until("suspended"), admin("cancel"), until("completed")),
    _case("purged_journal", call("Life/ends", 2), admin("purge-journal")),
    _case("restarted", call("Life/ends", 3), admin("restart-as-new", new="again"), until("completed", "again")),
    _case("busy", send("Busy/works"), until("running", journal_size=3)),
    _case("failing", send("Failing/once"), until("backing-off", journal_size=3)),
    _case("paused", send("Pausing/never"), until("paused")),
    _case("exhausted", call("Errors/always")),
    _case("scheduled", send("Life/ends", 1, query="?delay=1h")),
    _case("suspended", send("Life/waits"), until("suspended")),
    _case(
        "lock",
        send("Lock/locked/holds", name="holder"),
        until("suspended", "holder"),
        send("Lock/locked/takes", 1, name="first"),
        until("pending", "first"),
        send("Lock/locked/takes", 2, name="second"),
        until("pending", "second"),
    ),
    # State.
    _case("state", call("Box/full/tour"), call("Box/full/serdes"), call("Box/full/nothing_much")),
    _case("lazy_state", call("Lazy/lazy/tour")),
    # Journals.
    _case("steps", call("Steps/terminal_is_caught")),
    _case("naps", call("Steps/sleeps")),
    _case("calls", call("Calls/sends", "called")),
    _case("caught", call("Calls/caught_failure")),
    _case("cancels", call("Calls/cancels_its_send")),
    _case("idempotent", call("Calls/idempotent_calls", "twice")),
    _case("awakeables", call("Waits/own_awakeables")),
    _case("signals", call("Waits/own_signals")),
    _case("nested", send("Waits/nests", "nest"), until("suspended")),
    # Workflows.
    _case("flow", send("Flow/open/run", "in"), until("suspended")),
    _case("promises", call("Flow/promises/raw_promise"), call("Flow/promises/rejected_promise", name="rejected")),
    _case("flow_done", call("Flow/done/opens", "early"), call("Flow/done/run", "x", name="run"), attach("run")),
)

#: With flow control: a scope, a limit key, rules.
SCOPED: tuple[Case, ...] = (
    _case(
        "tenant",
        Admin("PUT", "/limits/rules", [{"pattern": "tenant", "limits": {"concurrency": 1}, "description": "one"}]),
        Admin("PUT", "/limits/rules", [{"pattern": "*", "limits": {}, "disabled": True}]),
        _in_scope("call", "Life/ends", 1, name="ends"),
        _in_scope("call", "Life/fails", name="fails"),
        _in_scope("send", "Busy/works", name="holds"),
        until("running", "holds"),
        _in_scope("send", "Life/ends", 2, name="waits", **{"x-restate-limit-key": "a"}),
        until("pending", "waits"),
    ),
)

#: True of a runtime, by its SQL, once everything has been done that is to be done.
SETTLED = (
    "SELECT count(*) AS n FROM sys_invocation WHERE status IN ('running', 'ready', 'backing-off') "
    f"AND target_service_name NOT IN ('{service('Busy')}', '{service('Failing')}')"
)
