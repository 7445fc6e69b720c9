"""Method and path -> route. Pure: no I/O.

A path is cut at its slashes before anything is decoded. Only object keys, workflow keys and scopes are
percent-decoded; service and handler names and idempotency keys stand as they are written. Which parts a
path has depends on its service: an object's path names the key as well.
"""

from __future__ import annotations

from dataclasses import dataclass

from partitiond.ingress import errors
from partitiond.ingress.directory import Directory, HandlerEntry, ServiceEntry
from partitiond.ingress.names import (
    decode_key,
    idempotent_invocation_id,
    parse_awakeable_id,
    parse_invocation_id,
    workflow_invocation_id,
)

__all__ = [
    "AwakeableRoute",
    "BodyRoute",
    "CallRoute",
    "HealthRoute",
    "ResultRoute",
    "Route",
    "RouteTable",
    "parse",
    "split_target",
]

_SLASHES_MIN, _SLASHES_MAX = 2, 7
#: Of a `RouteTable`: 4 MB at most.
_KNOWN_MAX = 4096
_KNOWN_CHARS_MAX = 256


@dataclass(frozen=True, slots=True)
class CallRoute:
    """Invoke a handler. `send`: do not wait for its end. The method is checked later (`requests.check_call`)."""

    entry: HandlerEntry
    key: str | None
    send: bool
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class ResultRoute:
    """The result of an invocation. `wait`: attach to it; else only if it is there.

    `entry` is its handler, where the path or body tells it.
    """

    invocation_id: bytes
    wait: bool
    entry: HandlerEntry | None = None


@dataclass(frozen=True, slots=True)
class BodyRoute:
    """The target stands in the JSON body: `attach`, `output` or `lookup`."""

    action: str


@dataclass(frozen=True, slots=True)
class AwakeableRoute:
    """Complete an awakeable. `signal` None: an id of an old protocol, which nobody waits for."""

    signal: tuple[bytes, int] | None
    resolve: bool


@dataclass(frozen=True, slots=True)
class HealthRoute:
    """Which services can be called."""


Route = CallRoute | ResultRoute | BodyRoute | AwakeableRoute | HealthRoute


def split_target(target: str) -> tuple[str, str]:
    """Request target -> (path without slashes doubled at its ends, query without `?`)."""
    path, _, query = target.partition("?")
    if path[-1:] == "/" or path[:2] == "//":
        path = "/" + path.strip("/")
    return path, query


def parse(method: str, path: str, directory: Directory) -> Route:
    """`path` as `split_target` gives it. Raises IngressError for a path that leads nowhere."""
    segments = path.split("/")
    if not _SLASHES_MIN < len(segments) <= _SLASHES_MAX + 1:
        raise errors.bad_path(path)
    first = segments[1]
    service = directory.services.get(first)
    if service is not None:
        return _call(service, segments[2:], errors.EXPECTED_LEGACY, suffix=True)
    if first == "restate":
        return _reserved(method, segments[2:], directory)
    if first == "openapi":
        raise errors.not_found()
    raise errors.service_not_found(first)


class RouteTable:
    """Of one catalog. Paths that were asked for before are looked up: clients have few, or few objects at a time."""

    def __init__(self, directory: Directory, *, known_max: int = _KNOWN_MAX) -> None:
        self.directory = directory
        self._known_max = known_max
        self._known: dict[tuple[str, str], Route] = {}

    def find(self, method: str, path: str) -> Route:
        """As `parse`."""
        route = self._known.get((method, path))
        if route is None:
            route = parse(method, path, self.directory)
            if len(path) <= _KNOWN_CHARS_MAX:
                if len(self._known) >= self._known_max:
                    self._known.clear()
                self._known[method, path] = route
        return route


def _call(
    service: ServiceEntry,
    parts: list[str],
    expected: str,
    *,
    suffix: bool = False,
    send: bool = False,
    scope: str | None = None,
) -> CallRoute:
    wanted = 2 if service.keyed else 1
    if suffix and len(parts) == wanted + 1 and parts[-1] == "send":
        send = True
    elif len(parts) != wanted:
        raise errors.unexpected_path(expected)
    key = decode_key(parts[0]) if service.keyed else None
    name = parts[wanted - 1]
    entry = service.handlers.get(name)
    if entry is None:
        raise errors.handler_not_found(service.name, name)
    return CallRoute(entry, key, send, scope)


def _reserved(method: str, parts: list[str], directory: Directory) -> Route:
    kind, rest = parts[0], parts[1:]
    if kind in ("call", "send"):
        return _new_call(kind, rest, directory, None)
    if kind == "scope":
        if len(rest) < 3 or rest[1] not in ("call", "send"):
            raise errors.unexpected_path(errors.EXPECTED_NEW)
        return _new_call(rest[1], rest[2:], directory, decode_key(rest[0]))
    if kind in ("attach", "output", "lookup"):
        return _by_id_or_body(method, kind, rest)
    if kind in ("awakeables", "a"):
        return _awakeable(method, rest)
    if kind == "invocation":
        return _invocation(method, rest, directory)
    if kind == "workflow":
        return _workflow(method, rest, directory)
    if kind == "health":
        _allow(method, "GET")
        return HealthRoute()
    raise errors.not_found()


def _new_call(kind: str, parts: list[str], directory: Directory, scope: str | None) -> CallRoute:
    if not parts:
        raise errors.unexpected_path(errors.EXPECTED_NEW)
    service = directory.services.get(parts[0])
    if service is None:
        raise errors.service_not_found(parts[0])
    return _call(service, parts[1:], errors.EXPECTED_NEW, send=kind == "send", scope=scope)


def _by_id_or_body(method: str, kind: str, rest: list[str]) -> Route:
    if not rest:
        _allow(method, "POST")
        return BodyRoute(kind)
    if len(rest) > 1 or kind == "lookup":
        raise errors.unexpected_path(errors.EXPECTED_NEW)
    invocation_id = parse_invocation_id(rest[0])
    _allow(method, "GET")
    return ResultRoute(invocation_id, kind == "attach")


def _awakeable(method: str, rest: list[str]) -> AwakeableRoute:
    if len(rest) < 2:
        raise errors.unexpected_path(errors.EXPECTED_AWAKEABLE)
    if rest[1] not in ("resolve", "reject"):
        raise errors.not_found()
    _allow(method, "POST")
    return AwakeableRoute(parse_awakeable_id(rest[0]), rest[1] == "resolve")


def _invocation(method: str, rest: list[str], directory: Directory) -> ResultRoute:
    if len(rest) < 2:
        raise errors.unexpected_path(errors.EXPECTED_INVOCATION)
    if len(rest) == 2:
        wait = _waits(rest[1])
        invocation_id = parse_invocation_id(rest[0])
        _allow(method, "GET")
        return ResultRoute(invocation_id, wait)
    service = directory.services.get(rest[0])
    if service is None:
        raise errors.service_not_found(rest[0])
    key = decode_key(rest[1]) if service.keyed else None
    parts = rest[2:] if service.keyed else rest[1:]
    if len(parts) < 3:
        raise errors.unexpected_path(errors.EXPECTED_INVOCATION)
    handler, idempotency_key, action = parts[:3]
    wait = _waits(action)
    _allow(method, "GET")
    invocation_id = idempotent_invocation_id(service.name, key, handler, idempotency_key)
    return ResultRoute(invocation_id, wait, service.handlers.get(handler))


def _workflow(method: str, rest: list[str], directory: Directory) -> ResultRoute:
    if len(rest) < 3:
        raise errors.unexpected_path(errors.EXPECTED_WORKFLOW)
    name, key, wait = rest[0], decode_key(rest[1]), _waits(rest[2])
    _allow(method, "GET")
    service = directory.services.get(name)
    return ResultRoute(workflow_invocation_id(name, key), wait, service.run if service else None)


def _waits(action: str) -> bool:
    if action not in ("attach", "output"):
        raise errors.not_found()
    return action == "attach"


def _allow(method: str, allowed: str) -> None:
    if method != allowed:
        raise errors.method_not_allowed(allowed)
