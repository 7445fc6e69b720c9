"""Services of every kind of handler, for the comparison with the oracle.

Run: `python oracle_services.py PORT` serves them; a second argument prints their discovery answer instead.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import timedelta
from typing import Any

import hypercorn.asyncio
import hypercorn.config
import restate
from restate.serde import BytesSerde

MANIFEST_TYPE = "application/vnd.restate.endpointmanifest.v4+json"
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


async def _manifest() -> bytes:
    """The SDK's discovery answer, with `required` set on some inputs: the SDK itself never says so, others do."""
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "http_version": "2",
        "method": "GET",
        "path": "/discover",
        "headers": [(b"accept", MANIFEST_TYPE.encode())],
    }
    await _inner(scope, receive, send)  # type: ignore[arg-type]
    manifest = json.loads(b"".join(message.get("body", b"") for message in messages))
    for declared in manifest["services"]:
        for handler in declared["handlers"]:
            if handler["name"].startswith("must"):
                handler["input"]["required"] = True
    return json.dumps(manifest).encode()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The SDK's app, with our discovery answer."""
    if scope["type"] != "http" or scope["path"] != "/discover":
        await _inner(scope, receive, send)
        return
    body = await _manifest()
    headers = [(b"content-type", MANIFEST_TYPE.encode()), (b"x-restate-server", b"restate-sdk-python")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def main(port: int) -> None:
    """Serve over h2c, as the oracle calls it."""
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.errorlog = None
    asyncio.run(hypercorn.asyncio.serve(app, config))


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.stdout.buffer.write(asyncio.run(_manifest()))
    else:
        main(int(sys.argv[1]))
