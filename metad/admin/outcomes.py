"""What a worker says of an operator's request -> status and text. Pure: no I/O."""

from __future__ import annotations

__all__ = ["refusal", "success"]

_SUCCESS = {"done": 200, "paused": 200, "appended": 202, "pausing": 202}

_REFUSALS = {
    "not_found": (
        404,
        "there is no invocation '{}': it was purged, its retention is over, or it never was (SQL: sys_invocation)",
    ),
    "completed": (409, "invocation '{}' has ended before: purge it to forget it, restart it as new to do it again"),
    "not_completed": (409, "invocation '{}' has not ended yet: cancel or kill it first"),
    "not_running": (409, "invocation '{}' is not running, so that it cannot be paused: cancel it if it has not begun"),
    "not_begun": (
        425,
        "invocation '{}' has not begun yet: it is scheduled, or waits for its object or scope; ask again when it runs",
    ),
    "deployment_unknown": (
        400,
        "query parameter 'deployment': no such deployment for invocation '{}', GET /deployments lists what there is",
    ),
    "deployment_fixed": (
        409,
        "query parameter 'deployment': invocation '{}' runs now, or is not pinned to a deployment yet, so that its "
        "deployment cannot be changed: pause it first, or leave the parameter out",
    ),
    "incompatible": (
        400,
        "query parameter 'deployment': invocation '{}' began with a service protocol version that this deployment "
        "does not speak: choose one that does, GET /deployments tells their versions",
    ),
    "old_protocol": (
        422,
        "query parameter 'from': invocation '{}' was run by service protocol 5 and can be restarted from its input "
        "only: leave the parameter out",
    ),
    "unsupported": (422, "invocation '{}' is of a workflow, which runs once: start it with another key"),
    "input_gone": (
        410,
        "invocation '{}' cannot be restarted: its journal, and the input with it, was not kept; call it anew",
    ),
    "bad_prefix": (
        400,
        "query parameter 'from': the journal of '{}' is shorter, or has commands up to there that were never completed"
        ": choose an earlier entry (SQL: sys_journal)",
    ),
}


def success(outcome: str) -> int | None:
    """The status, when the request was carried out."""
    return _SUCCESS.get(outcome)


def refusal(outcome: str, invocation: str) -> tuple[int, str]:
    """Status and message."""
    assert outcome in _REFUSALS, f"a worker answered {outcome!r} to a request of an operator"
    status, text = _REFUSALS[outcome]
    return status, text.format(invocation)
