"""What a worker says of an operator's request -> status and text. Pure: no I/O."""

from __future__ import annotations

__all__ = ["refusal", "success"]

_SUCCESS = {"done": 200, "paused": 200, "appended": 202, "pausing": 202}

_REFUSALS = {
    "not_found": (404, "there is no invocation '{}'"),
    "completed": (409, "invocation '{}' has ended before"),
    "not_completed": (409, "invocation '{}' has not ended yet: cancel or kill it first"),
    "not_running": (409, "invocation '{}' is not running, so that it cannot be paused"),
    "not_begun": (425, "invocation '{}' has not begun yet: it is scheduled, or waits for its object or scope"),
    "deployment_unknown": (400, "query parameter 'deployment': no such deployment for invocation '{}'"),
    "deployment_fixed": (
        409,
        "invocation '{}' runs now, or is not pinned to a deployment yet: its deployment cannot be changed",
    ),
    "incompatible": (
        400,
        "query parameter 'deployment': invocation '{}' began with a service protocol version that this deployment "
        "does not speak",
    ),
    "old_protocol": (422, "invocation '{}' was run by service protocol 5: it can be restarted from its input only"),
    "unsupported": (422, "invocation '{}' is of a workflow, which runs once: it cannot be restarted"),
    "input_gone": (410, "invocation '{}' cannot be restarted: its journal, and the input with it, was not kept"),
    "bad_prefix": (
        400,
        "query parameter 'from': the journal of '{}' is shorter, or has commands up to there that were never completed",
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
