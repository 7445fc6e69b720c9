"""What the suites say to the runtime under test: calls through the ingress, verbs of the admin API, SQL."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from tests.conftest import eventually

__all__ = ["Answer", "Client", "Sent", "fresh", "until"]

T = TypeVar("T")
_UNTIL_S = 30.0


def fresh() -> str:
    """A key that nobody has used."""
    return str(uuid.uuid4())


def until(condition: Callable[[], T], *, what: str = "", timeout: float = _UNTIL_S) -> T:
    """The first true value of `condition`; an answer that is an error counts as not yet."""

    def asked() -> T | None:
        try:
            return condition()
        except (AssertionError, OSError):
            return None

    return eventually(asked, timeout, what=what)  # type: ignore[return-value]


class Answer:
    """Status, headers by small letters, and body of one response."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None

    @property
    def message(self) -> str:
        """An error's text."""
        found: str = self.json["message"]
        return found

    def result(self) -> Any:
        """The JSON of a success; AssertionError for anything else."""
        assert 200 <= self.status < 300, f"{self.status} {self.body!r}"
        return self.json


class Sent:
    """An invocation that was sent, not called."""

    def __init__(self, client: Client, answer: Answer) -> None:
        self._client = client
        self.id: str = answer.result()["invocationId"]
        self.status: str = answer.json["status"]

    def attach(self) -> Answer:
        """Wait for its end."""
        return self._client.get(f"/restate/invocation/{self.id}/attach")

    def output(self) -> Answer:
        """Its result if it has one; 470 before."""
        return self._client.get(f"/restate/invocation/{self.id}/output")


class Client:
    """Calls carry an idempotency key unless a test gives its own or none, as the suites' own client does."""

    def __init__(self, ingress: str, admin: str) -> None:
        self.ingress = ingress
        self.admin = admin

    def call(self, path: str, body: Any = None, *, key: str | None = "", raw: bytes | None = None) -> Answer:
        """POST /path. `body` None is none at all; `key` None sends no idempotency key."""
        headers = {} if key is None else {"idempotency-key": key or fresh()}
        if raw is not None:
            return self.request(
                "POST", self.ingress + path, raw, {**headers, "content-type": "application/octet-stream"}
            )
        return self.request("POST", self.ingress + path, body, headers)

    def send(self, path: str, body: Any = None, *, key: str | None = "") -> Sent:
        """POST /path/send."""
        return Sent(self, self.call(f"{path}/send", body, key=key))

    def get(self, path: str) -> Answer:
        return self.request("GET", self.ingress + path)

    def administer(self, method: str, path: str, body: Any = None) -> Answer:
        return self.request(method, self.admin + path, body)

    def verb(self, invocation_id: str, verb: str, query: str = "") -> Answer:
        """PATCH of an invocation: cancel, kill, pause, resume, restart-as-new, purge."""
        return self.administer("PATCH", f"/invocations/{invocation_id}/{verb}{query}")

    def sql(self, query: str) -> list[dict[str, Any]]:
        """Rows of a query."""
        answer = self.request("POST", f"{self.admin}/query", {"query": query}, {"accept": "application/json"})
        rows: list[dict[str, Any]] = answer.result()["rows"]
        return rows

    def invocation(self, invocation_id: str) -> dict[str, Any]:
        """Its row of sys_invocation; empty when there is none."""
        rows = self.sql(f"select * from sys_invocation where id = '{invocation_id}'")
        return rows[0] if rows else {}

    def journal(self, invocation_id: str) -> list[str]:
        """Entry types by index."""
        rows = self.sql(f"select \"index\", entry_type from sys_journal where id = '{invocation_id}'")
        return [row["entry_type"] for row in sorted(rows, key=lambda row: row["index"])]

    def request(self, method: str, url: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """`body`: bytes as they are, anything else as JSON, None: none."""
        named = dict(headers or {})
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if data is not None:
            named.setdefault("content-type", "application/json")
        request = urllib.request.Request(url, data=data, headers=named, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return Answer(response.status, _lower(response.headers), response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _lower(error.headers), error.read())


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
