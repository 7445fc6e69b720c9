"""POST /query: streams, errors, and an sqld that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import uvloop

from shared.api.sql import CancelQuery, QueryChunk, QueryEnd, QueryError, QueryRequest, SqlRequest
from tests.metad.harness import FakePeer, Node, Reply, new_settings, until

Answer = Callable[[Any], list[msgspec.Struct] | None]


def _query(tmp_path: Path, answer: Answer, **call: Any) -> tuple[Reply, list[Any]]:
    async def main() -> tuple[Reply, list[Any]]:
        settings = new_settings(tmp_path)
        async with Node(settings) as node, FakePeer(settings.socket("sqld"), SqlRequest, answer) as sqld:
            return await node.call(
                "POST", "/query", call.get("body", {"query": "select 1"}), headers=call.get("headers")
            ), sqld.requests

    return uvloop.run(main())


def _rows(request: Any) -> list[msgspec.Struct]:
    return [QueryChunk(1, b'{"rows":['), QueryChunk(1, b"]}"), QueryEnd(1)]


@pytest.mark.parametrize(
    ("accept", "wanted", "content_type"),
    [
        ("application/json", "json", "application/json"),
        ("application/x-ndjson", "jsonl", "application/x-ndjson"),
        ("application/jsonl", "jsonl", "application/jsonl"),
        ("*/*", "arrow", "application/vnd.apache.arrow.stream"),
        ("application/json, */*", "arrow", "application/vnd.apache.arrow.stream"),
    ],
)
def test_answer_is_streamed_in_the_format_asked_for(
    tmp_path: Path, accept: str, wanted: str, content_type: str
) -> None:
    reply, requests = _query(tmp_path, _rows, headers={"Accept": accept})
    assert (reply.status, reply.body, reply.headers["Content-Type"]) == (200, b'{"rows":[]}', content_type)
    assert requests == [QueryRequest(1, "select 1", wanted)]


def test_errors_of_sqld_keep_their_status(tmp_path: Path) -> None:
    reply, _ = _query(tmp_path, lambda request: [QueryError(1, 400, "no such table")])
    assert (reply.status, reply.json) == (400, {"message": "no such table"})


def test_an_answer_that_breaks_off_is_not_mistaken_for_a_whole_one(tmp_path: Path) -> None:
    for last in (QueryError(1, 500, "memory"), None):

        def answer(request: Any, last: msgspec.Struct | None = last) -> list[msgspec.Struct] | None:
            return [QueryChunk(1, b"part")] + ([last] if last else [QueryError(1, 503, "away")])

        with pytest.raises(aiohttp.ClientPayloadError):
            _query(tmp_path, answer)


def test_sqld_that_goes_away_before_it_answers_is_503(tmp_path: Path) -> None:
    reply, _ = _query(tmp_path, lambda request: None)
    assert (reply.status, list(reply.json)) == (503, ["message"])


def test_sqld_that_is_away_is_503(tmp_path: Path) -> None:
    async def main() -> None:
        async with Node(new_settings(tmp_path)) as node:
            reply = await node.call("POST", "/v2/query", {"query": "select 1"})
            assert (reply.status, list(reply.json)) == (503, ["message"])

    uvloop.run(main())


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), ({}, 422), ({"query": 1}, 422), ([], 422)])
def test_bodies_that_do_not_fit(tmp_path: Path, body: Any, status: int) -> None:
    reply, requests = _query(tmp_path, _rows, body=body)
    assert reply.status == status
    assert not requests


def test_a_client_that_goes_away_cancels_the_query(tmp_path: Path) -> None:
    async def main() -> None:
        settings = new_settings(tmp_path)

        def answer(request: Any) -> list[msgspec.Struct]:
            return [QueryChunk(1, b"x" * 100_000)] * 100 if isinstance(request, QueryRequest) else []

        async with Node(settings) as node, FakePeer(settings.socket("sqld"), SqlRequest, answer) as sqld:
            reader, writer = await asyncio.open_connection("127.0.0.1", settings.admin_port)
            body = b'{"query":"select 1"}'
            head = "POST /query HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
            head += f"Content-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await reader.readexactly(1000)
            writer.transport.abort()
            await until(lambda: CancelQuery(1) in sqld.requests)
            assert (await node.call("GET", "/version")).status == 200

    uvloop.run(main())


def test_a_client_that_goes_away_before_the_answer_cancels_the_query(tmp_path: Path) -> None:
    """A query may run for a minute before its first row: that there is nothing to write must not hide who left."""

    async def main() -> None:
        settings = new_settings(tmp_path)
        async with Node(settings), FakePeer(settings.socket("sqld"), SqlRequest, lambda request: []) as sqld:
            _, writer = await asyncio.open_connection("127.0.0.1", settings.admin_port)
            body = b'{"query":"select 1"}'
            head = "POST /query HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            await until(lambda: sqld.requests)
            writer.transport.abort()
            await until(lambda: CancelQuery(1) in sqld.requests)

    uvloop.run(main())


def test_the_connection_to_sqld_is_kept_for_the_next_query(tmp_path: Path) -> None:
    """Not one that is lost, and not one on which more may come."""

    async def main() -> None:
        settings = new_settings(tmp_path)
        query = {"query": "select 1"}
        async with Node(settings) as node:
            async with FakePeer(settings.socket("sqld"), SqlRequest, _rows) as sqld:
                for _ in range(3):
                    assert (await node.call("POST", "/query", query)).body == b'{"rows":[]}'
                assert len(sqld.connections) == 1
                replies = await asyncio.gather(*(node.call("POST", "/query", query) for _ in range(9)))
                assert {reply.body for reply in replies} == {b'{"rows":[]}'}
                await until(lambda: len(sqld.connections) <= 4)
            cut = [QueryChunk(1, b"part"), QueryError(1, 500, "memory")]
            async with FakePeer(settings.socket("sqld"), SqlRequest, lambda request: cut) as sqld:
                with pytest.raises(aiohttp.ClientPayloadError):
                    await node.call("POST", "/query", query)
            async with FakePeer(settings.socket("sqld"), SqlRequest, _rows) as sqld:
                assert (await node.call("POST", "/query", query)).status == 200
        await until(lambda: not sqld.connections)

    uvloop.run(main())


def test_a_small_answer_is_not_chunked_and_a_large_one_is(tmp_path: Path) -> None:
    large = [QueryChunk(1, b"x" * 100_000)] * 50 + [QueryEnd(1)]
    for answer, chunked in ((_rows(None), False), (large, True)):
        reply, _ = _query(tmp_path, lambda request, answer=answer: answer, headers={"Accept-Encoding": "gzip"})
        assert ("Transfer-Encoding" in reply.headers, "Content-Encoding" in reply.headers) == (chunked, False)
        assert reply.body == b"".join(each.data for each in answer if isinstance(each, QueryChunk))
