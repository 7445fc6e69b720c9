"""Cases of workflows and their promises. Pure: no I/O."""

from __future__ import annotations

from tests.compat.case import PY, Case, Difference, call, get, send, until

__all__ = ["CASES"]

_ATTACH = get("/restate/workflow/{service:Flow}/{key}/attach")
_OUTPUT = get("/restate/workflow/{service:Flow}/{key}/output")

CASES: tuple[Case, ...] = (
    Case(
        "a workflow waits for its promise",
        (
            send("Flow/{key}/run", "hello"),
            until("suspended"),
            _OUTPUT,
            call("Flow/{key}/peeks", name="second"),
            call("Flow/{key}/simple", 1, name="third"),
            call("Flow/{key}/opens", "sesame", name="fourth"),
            _ATTACH,
            _OUTPUT,
            call("Flow/{key}/peeks", name="fifth"),
        ),
    ),
    Case(
        "a promise is resolved before its workflow runs",
        (call("Flow/{key}/opens", [1]), call("Flow/{key}/run", "x", name="second")),
    ),
    Case(
        "a workflow's promise is rejected",
        (
            send("Flow/{key}/run", "x"),
            until("suspended"),
            call("Flow/{key}/shuts", ["no", 418], name="second"),
            _ATTACH,
        ),
    ),
    Case(
        "a workflow is started twice",
        (
            send("Flow/{key}/run", "first"),
            until("suspended"),
            send("Flow/{key}/run", "second"),
            call("Flow/{key}/run", "third"),
            call("Flow/{key}/opens", 1, name="second"),
            _ATTACH,
            call("Flow/{key}/run", "fourth"),
            send("Flow/{key}/run", "fifth"),
        ),
    ),
    Case("a workflow with an idempotency key", (call("Flow/{key}/run", "x", idempotency_key="{key}"),)),
    Case(
        "two handlers await one promise",
        (
            send("Flow/{key}/awaits"),
            send("Flow/{key}/awaits", name="second"),
            until("suspended"),
            until("suspended", "second"),
            call("Flow/{key}/opens", "both", name="third"),
            until("completed"),
            until("completed", "second"),
        ),
    ),
    Case("a promise is completed twice", (call("Flow/{key}/completes_twice"),)),
    Case("a promise of bytes", (call("Flow/{key}/raw_promise"),)),
    Case("a promise that was rejected", (call("Flow/{key}/rejected_promise"),)),
    Case("a promise beside a timer", (call("Flow/{key}/selects_a_promise"),)),
    Case("a workflow that nobody started", (_ATTACH, _OUTPUT)),
    Case(
        "a workflow that is not kept",
        (
            call("Brief/{key}/run", "first"),
            get("/restate/workflow/{service:Brief}/{key}/output"),
            call("Brief/{key}/run", "second", name="second"),
        ),
        differs=Difference("its state is forgotten with it", theirs=("state \\w+Brief 'word'",)),
    ),
    Case("a delayed workflow", (send("Quick/{key}/run", "late", query="?delay=400ms"), until("completed")), sdks=(PY,)),
)
