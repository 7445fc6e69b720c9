"""Sends the bytes of `cases_raw`, and tells what came back in a line."""

from __future__ import annotations

import asyncio
import contextlib
import json

from tests.partitiond.ingress.cases_raw import RawCase

__all__ = ["tell"]

#: Who is waiting for more of a request says nothing: told as `silent`.
_DEADLINE_S = 3.0
_PROBE = b"GET /restate/health HTTP/1.1\r\nHost: x\r\n\r\n"


async def tell(port: int, case: RawCase) -> str:
    """`200 application/json; open`, say: each answer, and whether the connection is still good for a request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    told: list[str] = []
    try:
        async with asyncio.timeout(_DEADLINE_S):
            writer.write(case.data)
            while len(told) < case.answers:
                told.append(await _answer(reader, head=case.head))
            if case.probe:
                writer.write(_PROBE)
                answer = await _answer(reader, head=False)
                told.append("open" if answer.startswith("200 ") else f"then {answer}")
    except (ConnectionError, asyncio.IncompleteReadError):
        told.append("closed")
    except TimeoutError:
        told.append("silent")
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return "; ".join(told)


async def _answer(reader: asyncio.StreamReader, *, head: bool) -> str:
    words: list[str] = []
    while True:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:-2])}
        words.append(lines[0].split(" ")[1])
        if words[-1] != "100":
            break
    body = b"" if head else await reader.readexactly(int(headers.get("content-length", "0")))
    words.append(headers.get("content-type", "-"))
    if "x-restate-error-source" in headers:
        words.append(headers["x-restate-error-source"])
        if not head:
            words.append(",".join(json.loads(body)))
    if "x-restate-id" in headers:
        words.append("id")
    return " ".join(words)
