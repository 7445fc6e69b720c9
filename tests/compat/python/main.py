"""The Python service of the differential suite: `python -m tests.compat.python.main PORT`.

Served under `/<side>/<mode>/`: `e` is Everlog, `o` the oracle; a mode is `b` (both ways) or `r` (request-response)
and the one protocol version that its discovery admits. Owns: the HTTP server.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import hypercorn.asyncio
import hypercorn.config
import restate

from tests.compat.modes import MODES
from tests.compat.python import calls, errors, flow, lives, state, steps, waits  # noqa: F401 - each declares services
from tests.compat.python.declare import MODE, SIDE, build

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

_APPS: dict[str, Any] = {mode: restate.app(build(mode)) for mode in MODES}


async def app(scope: Any, receive: Receive, send: Send) -> None:
    """Takes side and mode off the path, and narrows what discovery says."""
    if scope["type"] == "lifespan":
        raise NotImplementedError
    _, side, mode, *rest = scope["path"].split("/")
    SIDE.set(side)
    MODE.set(mode)
    inner = {**scope, "path": "/" + "/".join(rest), "raw_path": ("/" + "/".join(rest)).encode()}
    await _APPS[mode](inner, receive, _Narrowed(send, mode) if rest == ["discover"] else send)


class _Narrowed:
    """Sends a discovery's answer with the mode's only protocol version and its way of talking."""

    def __init__(self, send: Send, mode: str) -> None:
        self._send, self._mode = send, mode
        self._body = b""

    async def __call__(self, event: Any) -> None:
        if event["type"] == "http.response.body":
            self._body += event.get("body", b"")
            if event.get("more_body"):
                return
            event = {"type": "http.response.body", "body": self._narrow(self._body)}
        await self._send(event)

    def _narrow(self, body: bytes) -> bytes:
        manifest = json.loads(body)
        mode = MODES[self._mode]
        manifest["minProtocolVersion"] = manifest["maxProtocolVersion"] = mode.version
        manifest["protocolMode"] = "BIDI_STREAM" if mode.both_ways else "REQUEST_RESPONSE"
        return json.dumps(manifest).encode()


def main() -> None:
    """Serve HTTP/1.1 and, by prior knowledge, HTTP/2, until SIGTERM."""
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{sys.argv[1]}"]
    config.graceful_timeout = 0.5
    config.keep_alive_max_requests = 1_000_000
    asyncio.run(hypercorn.asyncio.serve(app, config))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
