"""Cases of invocations in each status: every verb alone and in a batch. They need a whole node. Pure: no I/O.

What becomes of the invocations is compared in `tests/compat/cases_lives.py`; here it is what operators are answered.
"""

from __future__ import annotations

from tests.compat.admin.case import NOTHING, Ask, Case, Ingress, Step, Until, each

__all__ = ["CASES"]

_BATCH = "/internal/invocations_batch_operations"
_NOBODY_ID = "inv_1dceKvwtEc2n6bqpHd0j9orRaNoWIcqk2l"
_VERBS = ("cancel", "kill", "purge", "purge-journal", "pause", "resume", "restart-as-new")
#: Of each status, what brings an invocation there. Each verb gets one of its own.
_STATUSES: dict[str, tuple[Step, ...]] = {
    "scheduled": (Ingress("/Greeter/greet/send?delay=1h", "you", "it"), Until("it", "scheduled")),
    "suspended": (Ingress("/Greeter/wait/send", "you", "it"), Until("it", "suspended")),
    "completed": (
        Ingress("/Greeter/greet/send", "you", "it", {"idempotency-key": "$tIt"}),
        Until("it", "completed"),
    ),
}


def _verbs(status: str) -> Case:
    steps: list[Step] = []
    for verb in _VERBS:
        fresh = [_fresh(step, verb) for step in _STATUSES[status]]
        steps += [*fresh, Ask("PATCH", f"/invocations/$it_id/{verb}", name="new")]
    return Case(f"verbs of what is {status}", tuple(steps))


def _batches(status: str) -> Case:
    steps: list[Step] = []
    for verb in _VERBS:
        fresh = [_fresh(step, f"b{verb}") for step in _STATUSES[status]]
        steps += [*fresh, Ask("POST", f"{_BATCH}/{verb}", {"invocation_ids": ["$it_id", _NOBODY_ID]})]
    return Case(f"batches of what is {status}", tuple(steps))


def _fresh(step: Step, verb: str) -> Step:
    if isinstance(step, Ingress) and step.headers:
        return Ingress(step.path, step.body, step.name, {"idempotency-key": f"$tIt{verb}"})
    return step


CASES = (
    # The deployment of the SDK, which these cases call.
    Case(
        "the SDK's services are there", (Ask("POST", "/deployments", {"uri": "$sdk", "use_http_11": True}, name="sdk"),)
    ),
    *(_verbs(status) for status in _STATUSES),
    *(_batches(status) for status in _STATUSES),
    *each(
        "nobody's",
        *(("PATCH", f"/invocations/{_NOBODY_ID}/{verb}", NOTHING) for verb in _VERBS),
        *(("DELETE", f"/invocations/{_NOBODY_ID}{mode}", NOTHING) for mode in ("", "?mode=kill", "?mode=Purge")),
    ),
    Case(
        "a completed one by its parameters",
        (
            Ingress("/Greeter/greet/send", "you", "it", {"idempotency-key": "$tIt"}),
            Until("it", "completed"),
            *(
                Ask("PATCH", f"/v3/invocations/$it_id/restart-as-new?{query}")
                for query in (
                    "from=99",
                    "from=0&deployment=Keep",
                    "deployment=Latest",
                    "deployment=dp_10000000000000000000000",
                    "deployment=nope",
                )
            ),
            Ask("PATCH", "/invocations/$it_id/resume?deployment=latest"),
            Ask("DELETE", "/invocations/$it_id?mode=purge"),
        ),
    ),
    Case(
        "a run of a workflow is not restarted",
        (
            Ingress("/Signup/$tKey/run/send", "you", "it"),
            Until("it", "completed"),
            Ask("PATCH", "/invocations/$it_id/restart-as-new"),
            Ask("PATCH", "/invocations/$it_id/purge-journal"),
            Ask("PATCH", "/invocations/$it_id/restart-as-new"),
            Ask("PATCH", "/invocations/$it_id/purge"),
            Ask("PATCH", "/invocations/$it_id/purge"),
        ),
    ),
    Case(
        "queries",
        (
            Ask("POST", "/query", {"query": "select 1 as a"}, {"accept": "application/json"}),
            Ask("POST", "/query", {"query": "select 1 as a"}),
            Ask("POST", "/v2/query", {"query": "select nope from sys_invocation"}, {"accept": "application/json"}),
            Ask("POST", "/query", {"query": "selec"}, {"accept": "application/json"}),
            Ask("POST", "/query", {"query": ""}, {"accept": "application/json"}),
            Ask("POST", "/query", {"query": "drop table sys_invocation"}, {"accept": "application/json"}),
        ),
    ),
)
