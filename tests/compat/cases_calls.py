"""Cases of calls and sends between services, and by the ingress. Pure: no I/O."""

from __future__ import annotations

from dataclasses import replace

from tests.compat.case import ILL_FORMED, LATE, PY, TS, Case, attach, call, get, output, post, send, until
from tests.compat.modes import FEW, SINCE_V6

__all__ = ["CASES"]

_BETWEEN_SERVICES: tuple[Case, ...] = (
    Case("a call of a service", (call("Calls/service_call", {"a": 1}),)),
    Case("a call that passes nothing on", (call("Calls/service_call", None),)),
    Case("calls of an object, exclusive and shared", (call("Calls/object_call", "{key}"),)),
    Case("a call of a workflow's shared handler", (call("Calls/workflow_call", "{key}"),)),
    Case("a workflow is called twice", (call("Calls/workflow_run_twice", "{key}"),)),
    Case("headers of a call", (call("Calls/with_headers"),)),
    Case("two calls with one idempotency key", (call("Calls/idempotent_calls", "{key}"),)),
    Case("sends to a service, an object and a workflow, attached", (call("Calls/sends", "{key}"),)),
    Case("delayed sends of each kind", (call("Calls/delayed_sends", "{key}"),), ignore=LATE),
    Case("two sends with one idempotency key", (call("Calls/idempotent_sends", "{key}"),)),
    Case("generic calls and sends", (call("Calls/generic", "{key}"),)),
    Case("a call of a private handler", (call("Calls/private_call"), call("Hidden/answer", name="second"))),
    Case("a callee's failure is the caller's", (call("Calls/failing_call", 404),)),
    Case("a callee's failure of an odd code", (call("Calls/failing_call", 599),)),
    Case("a callee's failure with metadata is caught", (call("Calls/caught_failure"),), modes=SINCE_V6),
    Case("a callee's failure with metadata is passed on", (call("Calls/passed_on_failure"),), modes=SINCE_V6),
    Case("six calls at once", (call("Calls/many_at_once"),)),
    Case("it cancels its call", (call("Calls/cancels_its_call"),)),
    Case("it cancels its send", (call("Calls/cancels_its_send"),)),
    Case("it cancels what is scheduled", (call("Calls/cancels_what_is_scheduled"),)),
    Case("it attaches to a failure", (call("Calls/attaches_to_a_failure"),)),
    Case(
        "it attaches to an invocation by its id",
        (call("Callee/naps", 5), call("Calls/attaches", "{it}", name="second")),
    ),
    Case(
        "it attaches to an invocation that nobody knows",
        (call("Calls/attaches", "inv_1lgAm7zJ2c8B2ZQdOieDK1VMblfj6jU52h"),),
    ),
    Case("it attaches to something that is no id", (call("Calls/attaches", "nonsense"),), differs=ILL_FORMED),
    Case(
        "it cancels an invocation by its id",
        (
            send("Callee/sleeps_long"),
            until("suspended"),
            call("Calls/cancels", "{it}", name="second"),
            attach(),
        ),
    ),
    Case(
        "it cancels an invocation that has ended",
        (call("Callee/echo", 1), call("Calls/cancels", "{it}", name="second")),
    ),
    Case(
        "it cancels an invocation that nobody knows",
        (call("Calls/cancels", "inv_1lgAm7zJ2c8B2ZQdOieDK1VMblfj6jU52h"),),
    ),
    Case("a chain of calls of itself", (call("Calls/deep", 4),)),
    Case("bytes are passed on", (call("Calls/passes_bytes"),), sdks=(PY,)),
    Case("a handler of another name", (call("Calls/renamed_call"),), sdks=(PY,)),
    Case("clients of descriptors", (call("Calls/descriptors", "{key}"),), sdks=(TS,)),
    Case("serdes of a call", (call("Calls/serdes"),), sdks=(TS,)),
    Case("a call without body and answer", (call("Calls/empty_call"),), sdks=(TS,)),
)

_BY_THE_INGRESS: tuple[Case, ...] = (
    Case("bytes in and out", (post("Callee/raw", b"\x00\x01\xff", content_type="application/octet-stream"),)),
    Case("an answer of nothing", (call("Callee/nothing"),), sdks=(TS,)),
    Case("no body for a handler that wants one", (call("Callee/echo"),)),
    Case("a body for a handler that wants none", (call("Steps/sleeps", 1),)),
    Case("JSON that is none", (post("Callee/echo", b"{nonsense", content_type="application/json"),)),
    Case("another content type than JSON", (post("Callee/echo", b"x", content_type="text/plain"),)),
    Case("a service that is none", (get("/{service:Nobody}/echo"),)),
    Case("a handler that is none", (get("/{service:Callee}/nobody"),)),
    Case(
        "an idempotent call, again, attached and read",
        (
            call("Callee/echo", "first", idempotency_key="{key}-i"),
            call("Callee/echo", "second", idempotency_key="{key}-i", kept=True),
            get("/restate/invocation/{service:Callee}/echo/{key}-i/attach", kept=True),
            get("/restate/invocation/{service:Callee}/echo/{key}-i/output", kept=True),
            output(kept=True),
        ),
    ),
    Case(
        "an idempotent send, and a call that attaches to it",
        (
            send("Callee/naps", "first", idempotency_key="{key}-n"),
            send("Callee/naps", "second", idempotency_key="{key}-n"),
            call("Callee/naps", "third", idempotency_key="{key}-n"),
        ),
    ),
    Case(
        "an idempotent failure is kept",
        (
            call("Callee/fails", 418, idempotency_key="{key}-f"),
            call("Callee/fails", 404, idempotency_key="{key}-f", kept=True),
        ),
    ),
    Case("a delayed send", (send("Callee/echo", "late", query="?delay=500ms"), output(), attach())),
    Case("the result of an invocation that runs", (send("Waits/for_ever"), until("suspended"), output())),
    Case(
        "the result of an invocation that nobody knows",
        (get("/restate/invocation/inv_1lgAm7zJ2c8B2ZQdOieDK1VMblfj6jU52h/output"),),
    ),
    Case("headers of a request", (call("Callee/headers", x_test_one="1", cookie="c"),)),
    Case(
        "look-ups and calls by the newer routes",
        (
            post("/restate/call/{service:Callee}/echo", "x"),
            post("/restate/call/{service:Box}/{key}/put", ["x", 1]),
            post("/restate/lookup", {"target": "workflow", "workflowName": "b7PyFlow", "workflowKey": "k"}),
        ),
    ),
)

CASES = (*_BETWEEN_SERVICES, *(replace(case, modes=FEW) for case in _BY_THE_INGRESS))
