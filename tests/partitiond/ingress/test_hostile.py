"""Bytes that are no HTTP, or nearly: the listener serves on, and keeps nothing of who sent them.

`EVERLOG_TEST_HOSTILE=20000` sends so many instead of a few hundred, `EVERLOG_TEST_SEED=17` repeats a run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from pathlib import Path

import pytest
import uvloop

from partitiond.invoker.http2 import frames as f
from tests.partitiond.ingress import cases_raw
from tests.partitiond.ingress.harness import Ingress, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

_COUNT = int(os.environ.get("EVERLOG_TEST_HOSTILE", "400"))
_AT_ONCE = 50
#: GET, http, /, without and with the end of the stream.
_HEAD = b"\x82\x86\x84\x41\x01a"
_HTTP2 = (
    f.PREFACE
    + f.settings({4: 100_000})
    + f.frame(f.HEADERS, f.END_HEADERS | f.END_STREAM, 1, _HEAD)
    + f.frame(f.HEADERS, f.END_HEADERS, 3, _HEAD)
    + f.frame(f.DATA, f.END_STREAM, 3, b"abc")
    + f.window_update(0, 1000)
    + f.frame(f.PING, 0, 0, bytes(8))
    + f.frame(f.RST_STREAM, 0, 3, bytes(4))
)
_WORDS = (
    b"\r\n",
    b"\n",
    b"\0",
    b": ",
    b" ",
    b"%",
    b"\xff",
    b"0",
    b"chunked",
    b"Content-Length: 9\r\n",
    b"HTTP/1.1",
    b"/",
)


_HTTP1 = [case.data for case in cases_raw.CASES if len(case.data) < 2000]


def _spoiled(dice: random.Random) -> bytes:
    """A request with some bytes of it changed, lost, doubled or put in."""
    data = bytearray(_HTTP2 if dice.random() < 0.4 else dice.choice(_HTTP1))
    for _ in range(dice.randrange(4)):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(5):
            case 0:
                data[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                del data[at : at + dice.randrange(1, 20)]
            case 2:
                data[at:at] = data[at : at + dice.randrange(1, 40)]
            case 3:
                data[at:at] = dice.choice(_WORDS)
            case _:
                data[at:at] = dice.randbytes(dice.randrange(1, 20))
    return bytes(data)


async def _throw(port: int, dice: random.Random) -> None:
    """One connection: some of it at once, some in pieces; read or not, ended in one way or the other."""
    data = _spoiled(dice)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    # uvloop raises RuntimeError when it has closed the socket already.
    with contextlib.suppress(ConnectionError, TimeoutError, RuntimeError):
        cut = dice.randrange(1, len(data) + 2)
        for at in range(0, len(data), cut):
            writer.write(data[at : at + cut])
            await asyncio.sleep(0)
        if dice.random() < 0.5:
            async with asyncio.timeout(0.02):
                await reader.read(1 << 16)
    if dice.random() < 0.5:
        writer.transport.abort()
    else:
        writer.close()
    with contextlib.suppress(OSError, RuntimeError):
        await writer.wait_closed()


def test_noise_neither_ends_the_ingress_nor_stays_with_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    seed = int(os.environ.get("EVERLOG_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
    print(f"EVERLOG_TEST_HOSTILE={_COUNT} EVERLOG_TEST_SEED={seed}")
    dice = random.Random(seed)

    async def main() -> None:
        async with Ingress(tmp_path) as ingress:
            port = ingress.settings.ingress_port
            await asyncio.gather(asyncio.sleep(0))
            tasks = len(asyncio.all_tasks())
            opened = _sockets()
            for _ in range(0, _COUNT, _AT_ONCE):
                await asyncio.gather(*(_throw(port, random.Random(dice.randrange(1 << 32))) for _ in range(_AT_ONCE)))
                assert (await ingress.request("GET", "/restate/health")).status == 200
            await until(lambda: _sockets() <= opened)
            await until(lambda: len(asyncio.all_tasks()) <= tasks)

    uvloop.run(main())
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def _sockets() -> int:
    """That this process has open."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            count += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return count
