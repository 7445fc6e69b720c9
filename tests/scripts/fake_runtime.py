"""A runtime for the tests of `scripts/bench`: `fake_runtime.py PORT FILE MODE`.

It takes /deployments and answers every other POST with "Hello", after a sync of FILE. MODE: `fails` answers each
hundredth call with 500, `lies` gives a wrong answer, `unsynced` does not sync, `good` none of these.
"""

from __future__ import annotations

import asyncio
import os
import sys


class _Runtime:
    def __init__(self, path: str, mode: str) -> None:
        self._descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self._mode = mode
        self._calls = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = next(line for line in head.splitlines() if line.startswith("content-length:"))
                await reader.readexactly(int(length.partition(":")[2]))
                status, body = (201, b"{}") if "/deployments" in head else self._call()
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _call(self) -> tuple[int, bytes]:
        self._calls += 1
        if self._mode != "unsynced":
            os.write(self._descriptor, b"x")
            os.fdatasync(self._descriptor)
        if self._mode == "fails" and self._calls % 100 == 0:
            return 500, b"{}"
        return 200, b'"Bye"' if self._mode == "lies" else b'"Hello"'


async def _main(port: int, path: str, mode: str) -> None:
    async with await asyncio.start_server(_Runtime(path, mode).serve, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
