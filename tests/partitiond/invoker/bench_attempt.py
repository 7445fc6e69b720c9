"""CPU of one trivial call in the invoker, from `start` to `propose`, without network and store.

Run: `python -m tests.partitiond.invoker.bench_attempt [calls] [--keyed] [--sign KEY.pem] [--profile]`. `--keyed` calls
another object each time, so that no signature is used twice.
"""

from __future__ import annotations

import asyncio
import cProfile
import os
import sys
import time
from collections.abc import Callable, Iterable

import uvloop

from partitiond.invoker.http2.message import Headers
from partitiond.invoker.http2.request import RequestHead
from partitiond.invoker.http2.stream import StreamHandler
from partitiond.invoker.invoker import Invoker
from shared.clock import SystemClock
from shared.config import Settings
from shared.storage.values import InvocationRow
from shared.wal.commands import InvokerEffects, ResumeInvocation, Target
from tests.fakes.invoker_host import MemoryCatalog
from tests.fakes.service_endpoint import join
from tests.partitiond.invoker.builders import END, OUTPUT, catalog, row

_RESPONSE = join(OUTPUT, END)
_HEADERS = Headers(
    [("content-type", "application/vnd.restate.invocation.v7"), ("x-restate-server", "restate-sdk-python/1.3.0")]
)
_INPUT = [(0x0400, b"\x72\x07\x0a\x05hello")]


class _Host:
    """Takes everything."""

    def __init__(self) -> None:
        self.proposed = 0

    def load(self, invocation_id: bytes) -> InvocationRow | None:
        raise NotImplementedError

    def read_entry(self, invocation_id: bytes, index: int) -> tuple[int, bytes]:
        return _INPUT[index]

    def read_state(self, target: Target, *, value_bytes_limit: int) -> Iterable[tuple[bytes, bytes | None]]:
        return []

    def propose(self, effects: InvokerEffects | ResumeInvocation) -> None:
        self.proposed += len(effects.effects)

    def flush(self) -> None: ...

    def when_applied(self, callback: Callable[[], None]) -> None:
        callback()


class _Stream:
    """Sends nothing."""

    auto_consume = True
    writable = True
    waiting_bytes = 0

    def send(self, data: bytes, *, end: bool = False) -> bool:
        return True

    def close_request(self) -> None: ...

    def reset(self) -> None: ...

    def consumed(self, n: int) -> None: ...

    def widen(self, n: int) -> None: ...


class _Endpoint:
    """Remembers the last handler."""

    def __init__(self) -> None:
        self.handlers: list[StreamHandler] = []

    def request(self, head: RequestHead, handler: StreamHandler, body: bytes = b"", *, end: bool = False) -> _Stream:
        self.handlers.append(handler)
        return _Stream()

    async def close(self) -> None: ...


async def _run(calls: int, batch: int = 16, *, keyed: bool = False, key_file: str = "") -> float:
    endpoint = _Endpoint()
    host = _Host()
    invoker = Invoker(
        catalog=MemoryCatalog(catalog()),
        settings=Settings(request_identity_private_key_file=key_file),
        clock=SystemClock(),
        make_endpoint=lambda key: endpoint,
    )
    ids = [os.urandom(24) for _ in range(calls)]
    rows = [row(f"Counter/{n}/get") for n in range(calls)] if keyed else [row()] * calls
    began = time.process_time()
    for at in range(0, calls, batch):
        for invocation_id, stored in zip(ids[at : at + batch], rows[at : at + batch], strict=True):
            invoker.start(host, invocation_id, stored)
        await asyncio.sleep(0)
        handlers, endpoint.handlers = endpoint.handlers, []
        for handler in handlers:
            handler.on_response(200, _HEADERS)
            handler.on_data(_RESPONSE)
            handler.on_end()
    spent = time.process_time() - began
    assert host.proposed == 3 * calls, host.proposed
    await invoker.close()
    return spent / calls * 1e6


def main() -> None:
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    calls = numbers[0] if numbers else 50_000
    keyed = "--keyed" in sys.argv
    key_file = sys.argv[sys.argv.index("--sign") + 1] if "--sign" in sys.argv else ""

    def run() -> float:
        return uvloop.run(_run(calls, keyed=keyed, key_file=key_file))

    if "--profile" in sys.argv:
        profile = cProfile.Profile()
        profile.runcall(run)
        profile.print_stats("tottime")
        return
    rounds = sorted(run() for _ in range(5))
    print(
        f"{calls} calls, 5 rounds: median {rounds[2]:.1f} us CPU a call (best {rounds[0]:.1f}, worst {rounds[4]:.1f})"
    )


if __name__ == "__main__":
    main()
