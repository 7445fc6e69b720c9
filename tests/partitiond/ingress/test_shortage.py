"""An ingress on a full disk, and one that has no descriptors left for clients."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import uvloop

from shared import descriptors, disk, refusal
from shared.ids import awakeable_id
from tests.partitiond.ingress.harness import Ingress

_INVOCATION = bytes(8) + b"i" * 16


def test_a_full_disk_refuses_new_work_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 1 << 30
    monkeypatch.setattr(disk, "_LOOK_EVERY_S", 0.002)
    monkeypatch.setattr(
        os,
        "statvfs",
        lambda path: SimpleNamespace(f_bavail=free, f_frsize=1, f_flag=0, f_files=9, f_favail=9),
    )

    async def main() -> None:
        nonlocal free
        async with Ingress(tmp_path, disk_reserve_bytes=1000) as ingress:
            assert (await ingress.post_json("/Greeter/greet")).status == 200
            free = 999
            await asyncio.sleep(0.05)
            asked = len(ingress.worker.requests)
            for path in ("/Greeter/greet", "/Greeter/greet/send", "/restate/call/Counter/k/add"):
                reply = await ingress.post_json(path)
                assert (reply.status, reply.headers["retry-after"]) == (503, "5"), path
                body = json.loads(reply.body)
                assert (body["code"], body["source"]) == (503, "ingress")
                assert body["message"].startswith(f"disk full: {tmp_path}, free 999 bytes")
            assert len(ingress.worker.requests) == asked
            resolved = await ingress.post_json(f"/restate/awakeables/{awakeable_id(_INVOCATION, 1)}/resolve")
            assert resolved.status == 202, "it lets work end that is there"
            free = 1 << 30
            await asyncio.sleep(0.05)
            assert (await ingress.post_json("/Greeter/greet")).status == 200

    uvloop.run(main())


def test_clients_beyond_the_descriptors_are_told_to_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the sockets to the workers could not be made anew, and nobody would be served."""
    monkeypatch.setattr(descriptors, "descriptors_max", lambda: 64 + 2 + 20)
    monkeypatch.setattr(refusal, "_WITHIN_S", 0.05)
    request = b"POST /Greeter/none HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n"

    async def main() -> None:
        async with Ingress(tmp_path) as ingress:
            port = ingress.settings.ingress_port
            # The harness keeps one open.
            kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(19)]
            for reader, writer in kept:
                writer.write(request)
                assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nretry-after: 1\r\n" in head
            assert "too many connections" in json.loads(body)["message"]
            writer.close()
            silent, writer = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.suppress(ConnectionResetError):
                assert not await silent.read(), "who says nothing does not stay"
            writer.close()
            kept.pop()[1].close()

            async def accepted() -> bool:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(request)
                line = await reader.readline()
                writer.close()
                return line.startswith(b"HTTP/1.1 200")

            async with asyncio.timeout(10):
                while not await accepted():  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            for _, writer in kept:
                writer.close()

    uvloop.run(main())
