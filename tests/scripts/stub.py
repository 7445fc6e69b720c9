"""A program that only listens: what a node's programs look like from outside.

`stub.py NAME [MODE] --data-dir D`; MODE: `dies` ends at once with a message, `dies-late` after a while, `deaf` does
not end on SIGTERM, `spawns` keeps a child process that would outlive it; `damaged`: metad says that a partition is.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from shared.config import Settings, read_settings


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _respond(reader, writer, "200 OK", '{"ready": true }')


async def _answer_damaged(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    texts = '["partition 1: its log is gone"]'
    await _respond(reader, writer, "503 No", f'{{"not_ready": {texts}, "damaged": {texts}}}')


async def _respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: str, body: str) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
    await writer.drain()
    writer.close()


async def _hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _serve(name: str, mode: str, settings: Settings) -> None:
    names = [f"partitiond-{n}" for n in range(settings.worker_count)] if name == "partitiond" else [name]
    for path in map(settings.socket, names):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        await asyncio.start_unix_server(_hang_up, str(path))
    if name == "metad":
        answer = _answer_damaged if mode == "damaged" else _answer
        await asyncio.start_server(answer, settings.bind, settings.admin_port, reuse_address=True)
    print(f"{name} stub listens", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("mode", nargs="?", default="")
    parser.add_argument("--data-dir", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.mode == "dies":
        sys.exit(f"{arguments.name}: cannot go on, on purpose")
    if arguments.mode == "dies-late":
        time.sleep(1.3)
        sys.exit(f"{arguments.name}: cannot go on, on purpose")
    if arguments.mode == "spawns":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)", "left-behind"])
    stops = signal.SIG_IGN if arguments.mode == "deaf" else lambda *_: os._exit(0)
    signal.signal(signal.SIGTERM, stops)
    asyncio.run(_serve(arguments.name, arguments.mode, read_settings(arguments.data_dir / "run" / "settings.json")))


if __name__ == "__main__":
    main()
