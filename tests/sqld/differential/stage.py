"""Brings a runtime to the scene, and asks it. Owns: the process of the service, the HTTP session."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import orjson
import pyarrow as pa

from sqld.engine.json_values import json_values
from tests.compat.case import Case
from tests.compat.masks import masked, readable
from tests.compat.scene import Run, Scene, Side
from tests.conftest import eventually, free_ports
from tests.sqld.differential.queries import Query
from tests.sqld.differential.scene import MODE, SETTLED

__all__ = ["Answer", "Runtime", "opened", "running_service"]

_ROOT = Path(__file__).resolve().parents[3]
_SETTLE_S = 20.0
#: Ask for lines of JSON in all queries, not in those of whole tables alone.
_ALL_FORMATS = bool(os.environ.get("EVERLOG_ALL_FORMATS"))
#: Of messages, what is compared: what follows names each server's own version of a place, a list or a hint.
_MESSAGE_CHARACTERS = 40

#: Columns of bytes that may be a text with an id in it. In JSON they are hexadecimal.
_BYTES = ("value", "completion_success_value")


class Answer(NamedTuple):
    """What is compared: status; columns and their types; rows with ids and times hidden; or the first words of why
    there are none."""

    status: int
    columns: list[list[str]]
    rows: list[Any]
    message: str = ""

    def as_json(self) -> dict[str, Any]:
        shown = {"status": self.status, "columns": self.columns, "rows": self.rows, "message": self.message}
        return {name: value for name, value in shown.items() if value}


@contextlib.contextmanager
def running_service(folder: Path) -> Iterator[str]:
    """The Python service of `tests/compat`: its base URL."""
    (port,) = free_ports(1)
    environment = os.environ | {"PYTHONPATH": str(_ROOT), "RESTATE_LOGGING": "ERROR"}
    command = [sys.executable, "-m", "tests.compat.python.main", str(port)]
    with (
        (folder / "service.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=environment) as process,
    ):
        try:
            eventually(lambda: _listens(port), 60.0, what=f"the service of {folder / 'service.log'} listens")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.asynccontextmanager
async def opened(name: str, ingress: str, admin: str, service: str) -> AsyncIterator[Runtime]:
    """One runtime, with the service registered. `name`: `e` for Everlog, `o` for the oracle."""
    # Journals hold the headers of their calls: no version of a library among them.
    same = {"user-agent": "differential", "accept-encoding": "identity"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=same) as session:
        side = Side(name, ingress, admin, session)
        status, answer, _ = await side.request("POST", f"{admin}/deployments", {"uri": f"{service}/{name}/{MODE}"})
        assert status == 201, answer[:300]
        try:
            yield Runtime(side)
        finally:
            await side.stop()


class Runtime:
    """`ids`: of the invocations that the scene began, by `case` or `case.name`."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self.ids: dict[str, str] = {}

    async def play(self, cases: tuple[Case, ...]) -> None:
        """All at once, as none meets another. Raises AssertionError when one did not go as it should."""
        scenes = [Scene(self._side, Run(case, "Py", MODE, number)) for number, case in enumerate(cases)]
        await asyncio.gather(*(scene.play() for scene in scenes))
        for scene in scenes:
            failed = [
                seen for seen in scene.seen if seen[0] == "NEVER" or (isinstance(seen, str) and seen != "as awaited")
            ]
            assert not failed, f"{scene.run.name}: {failed}"
            for name, invocation in scene.invocations.items():
                self.ids[scene.run.case.title + ("" if name == "it" else f".{name}")] = invocation
        deadline = time.monotonic() + _SETTLE_S
        while (rows := await self._side.query(SETTLED)) != [{"n": 0}]:
            assert time.monotonic() < deadline, rows
            await asyncio.sleep(0.1)

    async def ask(self, query: Query) -> Answer:
        """The same question in all formats that the runtime has."""
        sql = query.sql
        for name, invocation in self.ids.items():
            sql = sql.replace(f"{{{name}}}", invocation)
        status, body = await self.body(sql, "application/json")
        if status != 200:
            return Answer(status, [], [], json.loads(body)["message"][:_MESSAGE_CHARACTERS])
        rows = json.loads(body)["rows"]
        status, arrow = await self.body(sql, "application/vnd.apache.arrow.stream")
        assert status == 200, f"{query.name}: as Arrow: {arrow[:300]!r}"
        table = pa.ipc.open_stream(io.BytesIO(arrow)).read_all()
        columns = [[field.name, str(field.type)] for field in table.schema]
        seen = _compared(rows, query)
        assert len({name for name, _ in columns}) < len(columns) or _compared(_rows_of(table), query) == seen, (
            f"{query.name}: Arrow and JSON differ"
        )
        # Of the oracle there are none. One query of a table is as good as the next.
        if self._side.name == "e" and (_ALL_FORMATS or ":" not in query.name):
            _, lines = await self.body(sql, "application/x-ndjson")
            assert _compared([json.loads(line) for line in lines.splitlines()], query) == seen, f"{query.name}: lines"
        return Answer(status, columns, seen)

    async def body(self, sql: str, accept: str) -> tuple[int, bytes]:
        """Status and body, as they come."""
        headers = {"accept": accept}
        status, body, _ = await self._side.request("POST", f"{self._side.admin}/query", {"query": sql}, headers)
        return status, body


def _rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """An Arrow answer as the JSON answer has it."""
    rows: list[dict[str, Any]] = []
    for batch in table.to_batches():
        columns = [json_values(column) for column in batch.columns]
        rows += [
            {name: value for name, value in zip(batch.schema.names, row, strict=True) if value is not None}
            for row in zip(*columns, strict=True)
        ]
    return json.loads(orjson.dumps(rows))  # type: ignore[no-any-return]


def _compared(rows: list[dict[str, Any]], query: Query) -> list[Any]:
    """Without what differs on purpose; sorted, unless the query says in which order they come."""
    seen = [{name: _shown(name, value) for name, value in row.items() if name not in query.ignored} for row in rows]
    return seen if query.ordered else sorted(seen, key=lambda row: json.dumps(row, sort_keys=True))


def _shown(name: str, value: Any) -> Any:
    """Ids and times hidden, in bytes too."""
    if name in _BYTES and isinstance(value, str):
        value = bytes.fromhex(value).decode("utf-8", "backslashreplace")
    return _without_traces(masked(readable(value)))


def _without_traces(value: Any) -> Any:
    """How a service's event loop came to a failure, and where its files are, is another matter at each place."""
    if isinstance(value, str):
        return value.partition("\nTraceback ")[0]
    if isinstance(value, list):
        return [_without_traces(each) for each in value]
    return {name: _without_traces(each) for name, each in value.items()} if isinstance(value, dict) else value
