"""A case of the admin API: requests that both runtimes get. Pure: no I/O (`play.py` carries it out).

In paths, bodies and headers, `$t` is a text of this case alone (its services' names begin with it), `$<name>` the URI
of what the case serves under that name, and `$<name>_id` the id in the answer to the request that was given the name.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.compat.case import NOTHING
from tests.compat.masks import masked

__all__ = ["NOTHING", "Ask", "Case", "Ingress", "Raw", "Seen", "Serve", "Step", "Until", "each", "filled"]

#: Headers that clients go by. The rest is the server's own affair (date, server, content-length).
_LOOKED_AT = ("content-type", "location", "content-encoding", "retry-after")
#: Of an OpenAPI document: texts for people, and what differs by the port.
_OURS_TO_WORD = {"description", "externalDocs", "example", "servers"}


@dataclass(frozen=True)
class Ask:
    """One request to the admin API. A body of bytes is sent as it is, anything else as JSON.

    `name`: what is called so is in the answer (a deployment, an invocation). `own`: of lists in the answer, only what
    has the case's text in it. `shape`: the types of values are looked at instead of the values.
    """

    method: str
    path: str
    body: Any = NOTHING
    headers: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    own: bool = False
    shape: bool = False


@dataclass(frozen=True)
class Raw:
    """Bytes on a connection of their own; seen is the status of the first answer."""

    data: bytes


@dataclass(frozen=True)
class Ingress:
    """A request that makes an invocation, called `name`. Nothing is seen."""

    path: str
    body: Any
    name: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Until:
    """Wait until the invocation is `status` (`a|b`: either). Nothing is seen, but that it never was so."""

    name: str
    status: str


@dataclass(frozen=True)
class Serve:
    """From now on, this manifest (bytes as they are) is served under the name."""

    name: str
    manifest: Any
    status: int = 200
    content_type: str | None = "application/vnd.restate.endpointmanifest.v4+json"
    headers: Mapping[str, str] = field(default_factory=dict)


Step = Ask | Raw | Ingress | Until | Serve


@dataclass(frozen=True)
class Case:
    """Where Everlog is not as the oracle, on purpose, `differences.py` says so by the title."""

    title: str
    steps: tuple[Step, ...]

    @property
    def token(self) -> str:
        return f"T{zlib.crc32(self.title.encode()):08x}"


@dataclass(frozen=True)
class Seen:
    """An answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def line(self, what: str, case: Case, *, own: bool, shape: bool) -> str:
        """What must be the same, as a line: ids, times and the wording of messages are hidden."""
        headers = {name: self.headers[name] for name in _LOOKED_AT if name in self.headers}
        if "content-type" in headers:
            headers["content-type"] = headers["content-type"].partition(";")[0]
        if "allow" in self.headers:
            headers["allow"] = ",".join(sorted(each.strip() for each in self.headers["allow"].split(",")))
        told = json.dumps(masked(headers), sort_keys=True)
        body = self._body(case, own=own, shape=shape)
        return f"{what} -> {self.status} {told} {body}".replace(case.token, "<t>")

    def _body(self, case: Case, *, own: bool, shape: bool) -> str:
        if not self.body:
            return "nothing"
        if "content-encoding" in self.headers:
            return "<compressed>"
        if not self.headers.get("content-type", "").startswith("application/json"):
            return "<text>"
        value = json.loads(self.body)
        if own:
            value = {name: [each for each in listed if case.token in str(each)] for name, listed in value.items()}
        return json.dumps(_comparable(_shape(value) if shape else value), sort_keys=True, ensure_ascii=False)


def each(title: str, *requests: tuple[str, str, Any]) -> tuple[Case, ...]:
    """A case for each request that stands alone."""
    return tuple(
        Case(
            f"{title}: {method} {path}{'' if body is NOTHING else f' {str(body)[:80]}'}",
            (Ask(method, path, body),),
        )
        for method, path, body in requests
    )


def filled(value: Any, known: Mapping[str, str]) -> Any:
    """`value` with the names that are known in its texts replaced."""
    if isinstance(value, str):
        return re.sub(r"\$(\w+?)(?=\b|[A-Z])", lambda match: known.get(match[1], match[0]), value)
    if isinstance(value, dict):
        return {filled(name, known): filled(each, known) for name, each in value.items()}
    return [filled(each, known) for each in value] if isinstance(value, list) else value


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_shape(each) for each in value]
    return type(value).__name__


def _comparable(value: Any) -> Any:
    """Lists of named things by name: neither side promises an order."""
    if isinstance(value, dict):
        return {
            name: "<message>" if name in ("message", "error") and isinstance(each, str) else _comparable(each)
            for name, each in masked(value).items()
            if name not in _OURS_TO_WORD
        }
    if isinstance(value, list):
        return sorted((_comparable(each) for each in value), key=lambda each: json.dumps(each, sort_keys=True))
    return masked(value)
