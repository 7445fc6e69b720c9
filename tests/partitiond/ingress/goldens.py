"""What the oracle answered to the tables of requests, so that a run without it compares too.

`oracle_answers.json` holds facts, not texts: status, the headers that matter, and the shape of the body, in a line for
each request. Ids are there where they follow from the request. Make it anew, with the oracle at hand:
`python -m tests.partitiond.ingress.goldens`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.partitiond.ingress import cases_raw
from tests.partitiond.ingress.harness import Reply, fetch
from tests.partitiond.ingress.oracle import Oracle, running_oracle
from tests.partitiond.ingress.oracle_requests import REQUESTS, Request
from tests.partitiond.ingress.raw import tell

__all__ = ["Goldens", "essence", "fixed_id", "read_goldens", "record", "tell_all"]

_FILE = Path(__file__).with_name("oracle_answers.json")
_VARY = "origin, access-control-request-method, access-control-request-headers"
_SEEN = ("access-control-allow-origin", "access-control-allow-methods", "access-control-allow-headers", "retry-after")


class Goldens(NamedTuple):
    """`manifest`: what our services say at discovery. The others: a line each, by what `label` and `RawCase` say."""

    manifest: Any
    requests: dict[str, str]
    raw: dict[str, str]


def label(number: int, request: Request) -> str:
    """One request of the table: several differ only in what comes before them."""
    return f"{number:03} {request.method} {request.path}"


def fixed_id(request: Request) -> bool:
    """Whether the id of the invocation follows from the request."""
    made_up = "/call/" in request.path or "/send/" in request.path
    return (
        "idempotency-key" in request.headers or "/run" in request.path or ("/restate/" in request.path and not made_up)
    )


def essence(request: Request, reply: Reply) -> str:
    """What of an answer is a fact: `400 application/json ingress code,message,source`, say."""
    headers = reply.headers
    words = [str(reply.status), headers.get("content-type", "-")]
    if source := headers.get("x-restate-error-source"):
        words.append(source)
    if (told := headers.get("x-restate-id")) is not None:
        words.append(told if fixed_id(request) else "id")
    if "idempotency-expires" in headers:
        words.append("expires")
    if headers.get("vary") != _VARY or headers.get("access-control-allow-credentials") != "true":
        words.append("no-cors")
    words += [f"{name}={headers[name]}" for name in _SEEN if name in headers]
    if request.method != "HEAD":
        words.append(_shape(request, reply))
    return " ".join(word for word in words if word)


def _shape(request: Request, reply: Reply) -> str:
    """Of the body. What a handler answers is its own affair."""
    if not reply.body:
        return "empty"
    told = "x-restate-error-source" in reply.headers or reply.status == 202 or "/lookup" in request.path
    if not told:
        return ""
    try:
        fields = json.loads(reply.body)
    except ValueError:
        return "no-json"
    exact = {"code", "source", "status"} | ({"invocationId"} if fixed_id(request) else set())
    return ",".join(f"{name}={value}" if name in exact else name for name, value in fields.items())


async def ask_all(base: str) -> list[Reply]:
    """All requests of the table in order: later ones find what earlier ones began."""
    skipped = ["content-type", "user-agent", "accept", "accept-encoding"]
    async with aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=skipped) as client:
        return [await fetch(client, base, each.method, each.path, each.headers, each.body) for each in REQUESTS]


async def tell_all(base: str, cases: Sequence[cases_raw.RawCase] = cases_raw.CASES) -> dict[str, str]:
    """All raw cases, at once: they have nothing to do with one another."""
    port = urlsplit(base).port
    assert port is not None
    told = await asyncio.gather(*(tell(port, case) for case in cases))
    return {case.name: line for case, line in zip(cases, told, strict=True)}


def record(oracle: Oracle) -> tuple[Goldens, list[Reply]]:
    """What the oracle answers now; the whole replies too."""

    async def main() -> tuple[list[Reply], dict[str, str]]:
        return await ask_all(oracle.ingress), await tell_all(oracle.ingress)

    replies, raw = asyncio.run(main())
    lines = {
        label(number, request): essence(request, reply)
        for number, (request, reply) in enumerate(zip(REQUESTS, replies, strict=True))
    }
    return Goldens(json.loads(oracle.manifest), lines, raw), replies


def read_goldens() -> Goldens:
    """What stands in the file."""
    return Goldens(**json.loads(_FILE.read_text()))


def main() -> None:
    """Make the file anew."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        try:
            oracle = stack.enter_context(running_oracle(Path(folder)))
        except pytest.skip.Exception as reason:
            raise SystemExit(str(reason)) from None
        goldens, _ = record(oracle)
    _FILE.write_text(json.dumps(goldens._asdict(), indent=1) + "\n")


if __name__ == "__main__":
    main()
