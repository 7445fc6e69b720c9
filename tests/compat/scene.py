"""Carries out cases on one runtime. Owns: the HTTP session, and the queries that watch for a status."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp

from tests.compat.case import NOTHING, Admin, Awakeable, Case, Family, Http, Look, Step, Until
from tests.compat.masks import masked

__all__ = ["Run", "Scene", "Side"]

_REQUEST_S = 30.0
_WAIT_S = 25.0
_POLL_S = 0.05
_SAME_HEADERS = ("content-type", "x-restate-error-source")
_KEPT_HEADER = "idempotency-expires"
_TOLD_HEADERS = ("x-restate-id", _KEPT_HEADER)


class Run:
    """One case in one mode by one SDK."""

    def __init__(self, case: Case, sdk: str, mode: str, number: int) -> None:
        self.case, self.sdk, self.mode = case, sdk, mode
        self.key = f"k{number}"

    @property
    def name(self) -> str:
        return f"{self.case.title} [{self.sdk} {self.mode}]"


class Side:
    """One runtime: `ingress` and `admin` are base URLs."""

    def __init__(self, name: str, ingress: str, admin: str, session: aiohttp.ClientSession) -> None:
        self.name, self.ingress, self.admin, self.session = name, ingress, admin, session
        self._watched: dict[str, int] = {}
        self._rows: dict[str, dict[str, Any]] = {}
        self._asked = 0
        self._watcher: asyncio.Task[None] | None = None

    async def request(
        self, method: str, url: str, body: Any = NOTHING, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """-> (status, body, headers). A body of bytes goes as it is, anything else as JSON."""
        told = dict(headers or {})
        data: bytes | None = None
        if isinstance(body, bytes):
            data = body
        elif body is not NOTHING:
            data = json.dumps(body).encode()
            told.setdefault("content-type", "application/json")
        skip = () if "content-type" in told else ("content-type",)
        timeout = aiohttp.ClientTimeout(total=_REQUEST_S)
        sent = self.session.request(method, url, data=data, headers=told, skip_auto_headers=skip, timeout=timeout)
        async with sent as reply:
            return reply.status, await reply.read(), reply.headers

    async def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows of its SQL; AssertionError with what it says instead."""
        asked = {"accept": "application/json"}
        status, body, _ = await self.request("POST", f"{self.admin}/query", {"query": sql}, asked)
        assert status == 200, f"{self.name}: {sql}: {body!r}"
        rows: list[dict[str, Any]] = json.loads(body)["rows"]
        return rows

    async def row(self, invocation: str, accepts: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        """Its first row that is accepted; None when there is none in time. One query serves all that wait."""
        deadline = time.monotonic() + _WAIT_S
        self._watched[invocation] = self._watched.get(invocation, 0) + 1
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch())
        try:
            since = self._asked
            while time.monotonic() < deadline:
                await asyncio.sleep(_POLL_S)
                # A row that was asked for before we began to wait may be of the past.
                if self._asked > since + 1 and accepts(self._rows.get(invocation, {})):
                    return self._rows[invocation]
            return None
        finally:
            self._watched[invocation] -= 1

    async def _watch(self) -> None:
        while True:
            wanted = [name for name, waiting in self._watched.items() if waiting]
            if wanted:
                listed = ", ".join(f"'{name}'" for name in wanted)
                rows = await self.query(f"select * from sys_invocation where id in ({listed})")
                self._rows = {row["id"]: row for row in rows}
            self._asked += 1
            await asyncio.sleep(_POLL_S)

    async def stop(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)


class Scene:
    """One run on one side. `invocations`: ids by the names that the case gave them; `roots`: all that it began."""

    def __init__(self, side: Side, run: Run) -> None:
        self.side, self.run = side, run
        self.invocations: dict[str, str] = {}
        self.roots: list[str] = []
        self.seen: list[Any] = []

    async def play(self) -> None:
        """All steps in turn; what is seen of each goes to `seen`."""
        for step in self.run.case.steps:
            try:
                self.seen.append(await self._carry_out(step))
            except (TimeoutError, aiohttp.ClientError, KeyError) as error:
                self.seen.append(f"{type(error).__name__}: {error}")

    async def _carry_out(self, step: Step) -> Any:
        performers: dict[type, Callable[[Any], Awaitable[Any]]] = {
            Http: self._http,
            Admin: self._admin,
            Until: self._until,
            Family: self._family,
            Awakeable: self._awakeable,
            Look: self._look,
        }
        return await performers[type(step)](step)

    async def _http(self, step: Http) -> Any:
        if step.together > 1:
            answers = await asyncio.gather(*(self._http_once(step) for _ in range(step.together)))
            return sorted(answers, key=str)
        return await self._http_once(step)

    async def _http_once(self, step: Http) -> Any:
        path = self._filled(step.path)
        if not path.startswith("/"):
            path = f"/{self._service(path.split('/')[0])}{path[len(path.split('/')[0]) :]}"
        headers = {name: self._filled(value) for name, value in step.headers.items()}
        status, body, told = await self.side.request(
            step.method, self.side.ingress + path, self._body(step.body), headers
        )
        invocation = told.get("x-restate-id")
        if step.name and invocation:
            self.roots.append(invocation)
            self.invocations.setdefault(step.name, invocation)
        same = {name: told[name] for name in _SAME_HEADERS if name in told}
        present = [name for name in _TOLD_HEADERS if name in told and (step.kept or name != _KEPT_HEADER)]
        return masked([status, _read(body), same, present])

    async def _admin(self, step: Admin) -> Any:
        url = self.side.admin + self._filled(step.path)
        status, body, _ = await self.side.request(step.method, url, self._body(step.body))
        answer = _read(body)
        if step.name and isinstance(answer, dict) and "new_invocation_id" in answer:
            self.invocations[step.name] = answer["new_invocation_id"]
            self.roots.append(answer["new_invocation_id"])
        if isinstance(answer, dict) and "message" in answer:
            # Worded differently on purpose; what clients go by is the status.
            answer = {**answer, "message": "..."}
        return masked([status, answer])

    async def _until(self, step: Until) -> Any:
        def accepts(row: dict[str, Any]) -> bool:
            return all(str(row.get(name)) in str(value).split("|") for name, value in step.values.items())

        invocation = self.invocations[step.name]
        if await self.side.row(invocation, accepts) is not None:
            return "as awaited"
        rows = await self.side.query(f"select * from sys_invocation where id = '{invocation}'")
        return masked(["NEVER", dict(step.values), rows])

    async def _family(self, step: Family) -> Any:
        deadline = time.monotonic() + _WAIT_S
        sizes: list[int] = []
        while time.monotonic() < deadline:
            rows = await self.side.query("select id, invoked_by_id, journal_size from sys_invocation_status")
            ids = {self.invocations[step.name]}
            for _ in range(4):
                ids |= {row["id"] for row in rows if row.get("invoked_by_id") in ids}
            found = [row for row in rows if row["id"] in ids and row["id"] != self.invocations[step.name]]
            sizes = sorted(row.get("journal_size", 0) for row in found)
            if tuple(sizes) == step.journal_sizes:
                return "as awaited"
            await asyncio.sleep(4 * _POLL_S)
        return ["NEVER", sizes]

    async def _awakeable(self, step: Awakeable) -> Any:
        sql = (
            f"select value_utf8 from state where service_name = '{self._service('Box')}' "
            f"and service_key = '{self.run.key}' and key = 'awakeables'"
        )
        deadline = time.monotonic() + _WAIT_S
        while not (rows := await self.side.query(sql)):
            if time.monotonic() > deadline:
                return "no awakeable"
            await asyncio.sleep(_POLL_S)
        name = json.loads(rows[0]["value_utf8"])[step.number]
        url = f"{self.side.ingress}/restate/awakeables/{name}/{step.verb}"
        status, body, _ = await self.side.request("POST", url, self._body(step.body))
        return masked([status, _read(body)])

    async def _look(self, step: Look) -> Any:
        sql = f"select {', '.join(step.columns)} from sys_invocation where id = '{self.invocations[step.name]}'"
        return masked(await self.side.query(sql))

    def _service(self, name: str) -> str:
        return f"{self.run.mode}{self.run.sdk}{name}"

    def _filled(self, text: str) -> str:
        def found(match: re.Match[str]) -> str:
            word = match[1]
            if word == "key":
                return self.run.key
            return self._service(word[8:]) if word.startswith("service:") else self.invocations[word]

        return re.sub(r"\{([\w:]+)\}", found, text)

    def _body(self, body: Any) -> Any:
        if isinstance(body, str):
            return self._filled(body)
        if isinstance(body, dict):
            return {name: self._body(each) for name, each in body.items()}
        return [self._body(each) for each in body] if isinstance(body, list) else body


def _read(body: bytes) -> Any:
    """JSON, or text, or what it is."""
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "backslashreplace")
