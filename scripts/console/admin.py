"""Questions to the admin API, and its refusals as one line. Owns: nothing; each is a connection of its own."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from scripts.console.failures import RefusedError
from scripts.console.http import Response, exchange, read_all

__all__ = ["Admin", "part", "refusal"]

#: Longest silence. A registration asks the service first.
_WITHIN_S = 60.0


def part(text: str) -> str:
    """As a segment of a path."""
    return quote(text, safe="")


class Admin:
    """The admin API at one URL. All raise UnreachableError, and RefusedError for a status of 400 or more."""

    def __init__(self, url: str, *, within_s: float = _WITHIN_S) -> None:
        self.url = url
        self._within_s = within_s

    def get(self, path: str) -> Any:
        """Decoded JSON."""
        return self.call("GET", path)[1]

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """(status, decoded JSON; None for an empty body)."""
        with self._open(method, path, body) as response:
            text = read_all(response)
            if response.status >= 400:
                raise RefusedError(response.status, refusal(response, text))
        return response.status, _decoded(text, self.url)

    def ask(self, method: str, path: str) -> tuple[int, Any]:
        """As `call`, but a refusal is an answer like any other."""
        with self._open(method, path, None) as response:
            return response.status, _decoded(read_all(response), self.url)

    def _open(self, method: str, path: str, body: Any) -> contextlib.AbstractContextManager[Response]:
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {"Accept": "application/json"} | ({} if data is None else {"Content-Type": "application/json"})
        return exchange(self.url, method, path, body=data, headers=headers, within_s=self._within_s)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a query whose answer is small. A column that is null is not in its row."""
        answer = self.call("POST", "/query", {"query": sql})[1]
        rows: list[dict[str, Any]] = answer["rows"]
        return rows

    @contextlib.contextmanager
    def arrow(self, sql: str) -> Iterator[Response]:
        """The answer as an Arrow stream, unread; the node ends the query when this ends."""
        body = json.dumps({"query": sql}, ensure_ascii=False).encode()
        headers = {"Accept": "application/vnd.apache.arrow.stream", "Content-Type": "application/json"}
        with exchange(self.url, "POST", "/query", body=body, headers=headers) as response:
            if response.status >= 400:
                raise RefusedError(response.status, refusal(response, read_all(response)))
            yield response


def _decoded(text: bytes, url: str) -> Any:
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise RefusedError(200, f"{url} answered something that is no JSON: is it an admin API?") from error


def refusal(response: Response, text: bytes) -> str:
    """What the node says, in one line; it may be JSON with a message, plain text or nothing."""
    with contextlib.suppress(ValueError):
        found = json.loads(text)
        if isinstance(found, dict) and isinstance(found.get("message"), str):
            return " ".join(found["message"].split())
    words = " ".join(text.decode(errors="replace").split())
    return words[:500] or f"HTTP {response.status} {response.reason}".rstrip()
