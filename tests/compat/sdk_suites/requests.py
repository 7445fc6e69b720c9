"""Requests of the contracts that all SDKs' test services implement. Pure: no I/O."""

from __future__ import annotations

import json
from typing import Any

__all__ = [
    "awaitable",
    "create_awakeable",
    "create_signal",
    "interpret",
    "proxied",
    "run_returns",
    "run_throws",
    "sleeps",
]


def proxied(service: str, handler: str, message: Any, *, key: str | None = None, **fields: Any) -> dict[str, Any]:
    """Proxy's request: the message is JSON as a list of byte values."""
    request = {
        "serviceName": service,
        "handlerName": handler,
        "message": list(json.dumps(message).encode()),
        "virtualObjectKey": key,
        **fields,
    }
    return {name: value for name, value in request.items() if value is not None}


def interpret(*commands: dict[str, Any]) -> dict[str, Any]:
    """VirtualObjectCommandInterpreter/interpretCommands."""
    return {"commands": list(commands)}


def awaitable(kind: str, *commands: dict[str, Any]) -> dict[str, Any]:
    """A command that waits for several: awaitAny, awaitAllCompleted, …"""
    return {"type": kind, "commands": list(commands)}


def create_awakeable(name: str) -> dict[str, Any]:
    return {"type": "createAwakeable", "awakeableKey": name}


def create_signal(name: str) -> dict[str, Any]:
    return {"type": "createSignal", "signalName": name}


def run_returns(value: str) -> dict[str, Any]:
    return {"type": "runReturns", "value": value}


def run_throws(reason: str) -> dict[str, Any]:
    return {"type": "runThrowTerminalException", "reason": reason}


def sleeps(millis: int) -> dict[str, Any]:
    return {"type": "sleep", "timeoutMillis": millis}
