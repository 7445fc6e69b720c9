"""Services declared once and built for each mode. Owns: the services built, and how often a step was tried.

A service `Box` of mode `b7` is registered as `b7PyBox`, so that the deployments of all modes live side by side.
"""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

import restate

__all__ = [
    "FEW",
    "MODE",
    "SIDE",
    "Declared",
    "attempts",
    "build",
    "name_of",
    "object_",
    "service",
    "target",
    "workflow",
]

#: Of the request at hand, as its path says: which runtime asks, and in which mode.
SIDE: ContextVar[str] = ContextVar("SIDE")
MODE: ContextVar[str] = ContextVar("MODE")

#: For what is to fail soon.
FEW = restate.InvocationRetryPolicy(initial_interval=timedelta(milliseconds=10), max_attempts=3, on_max_attempts="kill")

_KINDS: dict[str, Callable[..., Any]] = {
    "service": restate.Service,
    "object": restate.VirtualObject,
    "workflow": restate.Workflow,
}
_declared: list[Declared] = []
_targets: dict[tuple[str, str], Any] = {}
_tried: Counter[tuple[str, str, str]] = Counter()


class Declared:
    """`options` are the SDK's, of the service and of each handler."""

    def __init__(self, kind: str, name: str, **options: Any) -> None:
        self.kind, self.name, self.options = kind, name, options
        self.handlers: list[tuple[str, Any, dict[str, Any]]] = []
        _declared.append(self)

    def handler(self, verb: str = "handler", **options: Any) -> Callable[[Any], Any]:
        """Decorator: `verb` is the SDK's own, `handler` or `main`."""

        def keep(function: Any) -> Any:
            self.handlers.append((verb, function, options))
            return function

        return keep


def service(name: str, **options: Any) -> Declared:
    return Declared("service", name, **options)


def object_(name: str, **options: Any) -> Declared:
    return Declared("object", name, **options)


def workflow(name: str, **options: Any) -> Declared:
    return Declared("workflow", name, **options)


def name_of(service: str) -> str:
    """The registered name in the mode of the request at hand."""
    return f"{MODE.get()}Py{service}"


def build(mode: str) -> list[Any]:
    """All declared services under the names of a mode."""
    built = []
    for declared in _declared:
        made = _KINDS[declared.kind](f"{mode}Py{declared.name}", **declared.options)
        for verb, function, options in declared.handlers:
            wrapped = getattr(made, verb)(**options)(_copied(function))
            _targets[mode, f"{declared.name}.{function.__name__}"] = wrapped
        built.append(made)
    return built


def _copied(function: Any) -> Any:
    """The SDK keeps what it knows of a handler on its function, so each mode needs one of its own."""
    parts = (function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__)
    copy = types.FunctionType(*parts)
    copy.__doc__, copy.__annotations__ = function.__doc__, function.__annotations__
    return copy


def target(name: str) -> Any:
    """What the SDK's typed calls take: `Box.put` of the mode of the request at hand."""
    return _targets[MODE.get(), name]


def attempts(ctx: restate.Context, step: str = "") -> int:
    """How often this was asked for the invocation at hand, this time included."""
    key = (SIDE.get(), ctx.request().id, step)
    _tried[key] += 1
    return _tried[key]
