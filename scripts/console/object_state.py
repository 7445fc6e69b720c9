"""The state of one object or workflow: read it, write it whole, see that it took. Owns: nothing; asks SQL and the
admin API.

What is read has a version, a hash of it. What is written names the version that it follows: if a handler has changed
the state meanwhile, the node drops what is written, without a word, so that we look whether it came.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from scripts.console.admin import Admin, part
from scripts.console.failures import RefusedError, UsageError
from scripts.console.filters import literal

__all__ = ["Place", "from_shown", "read_state", "shown", "version_of", "write_state"]

_SEEN_WITHIN_S = 5.0
_LOOK_EVERY_S = 0.05
#: How a value that is no JSON stands in JSON.
_BINARY = "$base64"


class Place(NamedTuple):
    """Whose state."""

    service: str
    key: str
    scope: str | None = None

    def __str__(self) -> str:
        return f"{self.service}/{self.key}"


def read_state(admin: Admin, place: Place) -> dict[str, bytes]:
    """Name -> value, in the order of names."""
    scope = "scope is null" if place.scope is None else f"scope = {literal(place.scope)}"
    rows = admin.rows(
        f"select key, value from state where service_name = {literal(place.service)} "
        f"and service_key = {literal(place.key)} and {scope}"
    )
    found = {row["key"]: bytes.fromhex(row.get("value", "")) for row in rows}
    return dict(sorted(found.items()))


def version_of(values: Mapping[str, bytes]) -> str:
    """As the node computes it (admin_api.md, part A3)."""
    digest = hashlib.sha256()
    for index, (name, value) in enumerate(sorted((name.encode(), value) for name, value in values.items())):
        digest.update(index.to_bytes(8, "big") + b"\1" + name + b"\2" + value + b"\3")
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()


def write_state(admin: Admin, place: Place, *, before: Mapping[str, bytes], after: Mapping[str, bytes]) -> None:
    """In place of `before`, and wait until it is there. Raises RefusedError that says why it is not."""
    body: dict[str, Any] = {
        "version": version_of(before),
        "object_key": place.key,
        "new_state": {name: list(value) for name, value in after.items()},
    }
    if place.scope is not None:
        body["scope"] = place.scope
    admin.call("POST", f"/services/{part(place.service)}/state", body)
    deadline = time.monotonic() + _SEEN_WITHIN_S
    while (now := read_state(admin, place)) != after:
        if time.monotonic() > deadline:
            raise RefusedError(409, _why_not(place, now == before))
        time.sleep(_LOOK_EVERY_S)


def _why_not(place: Place, unchanged: bool) -> str:
    if unchanged:
        return (
            f"accepted, but {place} is busy: it is written when the handlers before it have ended, unless they change "
            f"the state; see: everlog invocations --service {place.service} --key {place.key}"
        )
    return f"the state of {place} has changed since it was read, so nothing was written: look at it and try again"


def shown(value: bytes) -> Any:
    """The JSON that it is; else `{"$base64": …}`."""
    try:
        found = json.loads(value)
    except ValueError:
        return {_BINARY: base64.b64encode(value).decode()}
    # What looks like our form for other bytes is shown in it, so that there is one way back.
    ambiguous = isinstance(found, dict) and set(found) == {_BINARY}
    return {_BINARY: base64.b64encode(value).decode()} if ambiguous else found


def from_shown(shown_values: Mapping[str, Any], before: Mapping[str, bytes]) -> dict[str, bytes]:
    """The way back. A value that is shown as before keeps its bytes. Raises UsageError."""
    return {
        name: before[name] if name in before and shown(before[name]) == value else _bytes(name, value)
        for name, value in shown_values.items()
    }


def _bytes(name: str, value: Any) -> bytes:
    if isinstance(value, dict) and set(value) == {_BINARY}:
        try:
            return base64.b64decode(value[_BINARY], validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise UsageError(f"{name}: {_BINARY} holds no base64: {error}") from error
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
