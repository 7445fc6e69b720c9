"""Carries out cases on one runtime. Owns: the HTTP session, and what serves the manifests."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterable, Mapping
from typing import Any

import aiohttp
import yarl

from tests.compat.admin.case import NOTHING, Ask, Case, Ingress, Raw, Seen, Serve, Step, Until, filled
from tests.metad.harness import Deployments

__all__ = ["Side", "play"]

_REQUEST_S = 30.0
_WAIT_S = 20.0


class Side:
    """One runtime: `admin`, `ingress` are base URLs; `known`: names that all cases may use."""

    def __init__(self, admin: str, ingress: str, deployments: Deployments, known: Mapping[str, str]) -> None:
        self.admin, self.ingress, self.deployments, self.known = admin, ingress, deployments, known


async def play(side: Side, cases: Iterable[Case]) -> dict[str, list[str]]:
    """All cases, one after the other. -> what is seen, a line for each request, by the case's title."""
    skipped = ("User-Agent", "Accept-Encoding", "Accept", "Content-Type")
    timeout = aiohttp.ClientTimeout(total=_REQUEST_S)
    async with aiohttp.ClientSession(skip_auto_headers=skipped, timeout=timeout, auto_decompress=False) as session:
        return {case.title: await _Scene(side, case, session).play() for case in cases}


class _Scene:
    """One case on one side."""

    def __init__(self, side: Side, case: Case, session: aiohttp.ClientSession) -> None:
        self._side, self._case, self._session = side, case, session
        self._known = {"t": case.token, "nobody": "http://127.0.0.1:1/", **side.known}

    async def play(self) -> list[str]:
        lines = []
        for step in self._case.steps:
            line = await self._carry_out(step)
            if line:
                lines.append(line)
        return lines

    async def _carry_out(self, step: Step) -> str:
        match step:
            case Ask():
                return await self._ask(step)
            case Raw():
                return (await self._raw(step)).line(f"{step.data[:60]!r}", self._case, own=False, shape=False)
            case Ingress():
                await self._begin(step)
                return ""
            case Until():
                return await self._until(step)
            case Serve():
                self._serve(step)
                return ""

    async def _ask(self, step: Ask) -> str:
        seen = await self._request(
            step.method, self._side.admin + filled(step.path, self._known), step.body, step.headers
        )
        if step.name and seen.status < 300 and seen.body:
            value = json.loads(seen.body)
            found = value.get("id") or value.get("new_invocation_id")
            self._known[f"{step.name}_id"] = found
        what = f"{step.method} {step.path}"
        return seen.line(what, self._case, own=step.own, shape=step.shape)

    async def _request(self, method: str, url: str, body: Any, headers: Mapping[str, str]) -> Seen:
        told = filled(dict(headers), self._known)
        data: bytes | None = None
        if isinstance(body, bytes):
            data = body
        elif body is not NOTHING:
            data = json.dumps(filled(body, self._known)).encode()
        if data is not None:
            told.setdefault("content-type", "application/json")
        async with self._session.request(
            method, yarl.URL(url, encoded=True), data=data, headers=told, allow_redirects=False
        ) as reply:
            lower = {name.lower(): value for name, value in reply.headers.items()}
            return Seen(reply.status, lower, await reply.read())

    async def _raw(self, step: Raw) -> Seen:
        url = yarl.URL(self._side.admin)
        assert url.host is not None
        assert url.port is not None
        head = (await asyncio.to_thread(_head_of_the_answer, url.host, url.port, step.data)).decode("latin-1")
        if not head:
            return Seen(0, {}, b"")
        lines = head.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        return Seen(int(lines[0].split()[1]), {name: headers[name] for name in ("allow",) if name in headers}, b"")

    async def _begin(self, step: Ingress) -> None:
        seen = await self._request("POST", self._side.ingress + filled(step.path, self._known), step.body, step.headers)
        assert seen.status < 300, (self._case.title, seen)
        self._known[f"{step.name}_id"] = seen.headers["x-restate-id"]

    async def _until(self, step: Until) -> str:
        invocation = self._known[f"{step.name}_id"]
        sql = {"query": f"select status from sys_invocation where id = '{invocation}'"}
        status = None
        async with asyncio.timeout(_WAIT_S):
            while status not in step.status.split("|"):
                seen = await self._request("POST", f"{self._side.admin}/query", sql, {"accept": "application/json"})
                rows = json.loads(seen.body)["rows"]
                status = rows[0]["status"] if rows else "gone"
                await asyncio.sleep(0.02)
        return ""

    def _serve(self, step: Serve) -> None:
        place = f"{self._case.token}-{step.name}"
        self._known[step.name] = self._side.deployments.put(
            place,
            filled(step.manifest, self._known),
            status=step.status,
            content_type=step.content_type,
            headers=dict(step.headers),
        )


def _head_of_the_answer(host: str, port: int, data: bytes) -> bytes:
    """A server may answer before it has read all, and close."""
    head = b""
    with socket.create_connection((host, port), timeout=_REQUEST_S) as connection, contextlib.suppress(OSError):
        with contextlib.suppress(OSError):
            connection.sendall(data)
        while b"\r\n\r\n" not in head:
            got = connection.recv(65536)
            if not got:
                break
            head += got
    return head.partition(b"\r\n\r\n")[0]
