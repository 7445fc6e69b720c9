"""Services of every kind of handler, for the comparison with the oracle. Run: `python oracle_services.py PORT`."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import timedelta
from typing import Any

import restate
from restate.serde import BytesSerde

_BYTES = BytesSerde()

service = restate.Service("IngSvc")
hidden = restate.Service("IngHidden", ingress_private=True)
keyed = restate.VirtualObject("IngObj")
flow = restate.Workflow("IngFlow")


@service.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    return f"Hello {name}"


@service.handler()
async def optional(ctx: restate.Context, name: str | None) -> str:
    return f"Hello {name}"


@service.handler()
async def nothing(ctx: restate.Context) -> str:
    return "done"


@service.handler()
async def silent(ctx: restate.Context, name: str) -> None:
    return None


@service.handler(
    accept="application/octet-stream",
    content_type="application/octet-stream",
    input_serde=_BYTES,
    output_serde=_BYTES,
)
async def raw(ctx: restate.Context, data: bytes) -> bytes:
    return data


@service.handler(accept="*/*", content_type="text/plain", input_serde=_BYTES, output_serde=_BYTES)
async def anything(ctx: restate.Context, data: bytes) -> bytes:
    return data


@service.handler(accept="text/*", input_serde=_BYTES)
async def text(ctx: restate.Context, data: bytes) -> str:
    return data.decode()


@service.handler(accept="application/vnd.thing+json", input_serde=_BYTES)
async def vendor(ctx: restate.Context, data: bytes) -> str:
    return data.decode()


@service.handler()
async def fail(ctx: restate.Context, code: int) -> str:
    raise restate.TerminalError("failed on purpose", status_code=code)


@service.handler()
async def headers(ctx: restate.Context) -> list[list[str]]:
    return [[name, value] for name, value in ctx.request().headers.items()]


@service.handler(
    idempotency_retention=timedelta(hours=2),
    journal_retention=timedelta(hours=3),
)
async def kept(ctx: restate.Context) -> str:
    return "kept"


@service.handler(ingress_private=True)
async def secret(ctx: restate.Context) -> str:
    return "secret"


@service.handler()
async def slow(ctx: restate.Context, seconds: int) -> str:
    await ctx.sleep(timedelta(seconds=seconds))
    return "slow"


@service.handler()
async def awake(ctx: restate.Context) -> str:
    name, _promise = ctx.awakeable(type_hint=str)
    return name


@hidden.handler("greet")
async def hidden_greet(ctx: restate.Context, name: str) -> str:
    return name


@keyed.handler()
async def add(ctx: restate.ObjectContext, amount: int) -> str:
    return f"{ctx.key()}+{amount}"


@keyed.handler()
async def hold(ctx: restate.ObjectContext, seconds: int) -> str:
    await ctx.sleep(timedelta(seconds=seconds))
    return "held"


@keyed.handler("peek", kind="shared")
async def peek(ctx: restate.ObjectSharedContext) -> str:
    return ctx.key()


@flow.main()
async def run(ctx: restate.WorkflowContext, name: str) -> str:
    return f"{ctx.key()} {name}"


@flow.handler()
async def status(ctx: restate.WorkflowSharedContext) -> str:
    return ctx.key()


_HOUR = timedelta(hours=1)
_ZERO = timedelta(0)
kept_flow = restate.Workflow("IngKept")


@kept_flow.main(workflow_retention=_HOUR, journal_retention=3 * _HOUR)
async def kept_run(ctx: restate.WorkflowContext) -> str:
    return "kept"


@kept_flow.handler(journal_retention=2 * _HOUR, idempotency_retention=_HOUR)
async def two_hours(ctx: restate.WorkflowSharedContext) -> str:
    return "kept"


@kept_flow.handler(journal_retention=_ZERO)
async def no_journal(ctx: restate.WorkflowSharedContext) -> str:
    return "kept"


@service.handler(idempotency_retention=_ZERO)
async def unkept(ctx: restate.Context) -> str:
    return "unkept"


@service.handler(journal_retention=_ZERO)
async def unjournaled(ctx: restate.Context) -> str:
    return "unjournaled"


@service.handler()
async def must(ctx: restate.Context, name: str) -> str:
    return f"Hello {name}"


@service.handler(accept="*/*", input_serde=_BYTES)
async def must_any(ctx: restate.Context, data: bytes) -> str:
    return data.decode()


_inner = restate.app([service, hidden, keyed, flow, kept_flow])


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The SDK's app, with `required` set on some inputs: the SDK itself never says so, others do."""
    if scope["type"] != "http" or scope["path"] != "/discover":
        await _inner(scope, receive, send)
        return
    messages: list[Any] = []

    async def collect(message: Any) -> None:
        messages.append(message)

    await _inner(scope, receive, collect)
    body = b"".join(message.get("body", b"") for message in messages)
    manifest = json.loads(body)
    for declared in manifest["services"]:
        for handler in declared["handlers"]:
            if handler["name"].startswith("must"):
                handler["input"]["required"] = True
    start = messages[0]
    start["headers"] = [pair for pair in start["headers"] if pair[0].lower() != b"content-length"]
    await send(start)
    await send({"type": "http.response.body", "body": json.dumps(manifest).encode(), "more_body": False})


def main(port: int) -> None:
    """Serve over h2c, as the oracle calls it."""
    import hypercorn.asyncio
    import hypercorn.config

    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.errorlog = None
    asyncio.run(hypercorn.asyncio.serve(app, config))  # type: ignore[arg-type]


if __name__ == "__main__":
    main(int(sys.argv[1]))
