"""The service under which a node is loaded: `python -m scripts.burden.service PORT`. Owns: its listening socket.

Each handler does one thing that is hard on a runtime. It speaks the service protocol itself, as no SDK would let it:
it floods, does not read, reads a byte a second, or fills a journal with 50,000 entries in a second. Each attempt goes
on where the journal of the one before ends. An argument is a JSON object of numbers.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop

from scripts.burden.wire import Exchange, ServerConnection, message
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as T

__all__ = ["SIGNAL", "main"]

#: What `wait`, `journal` and others wait for: an awakeable's signal.
SIGNAL = 17
_HELD: set[asyncio.Event] = set()


class Call:
    """One attempt, as its handler sees it."""

    def __init__(self, exchange: Exchange, start: pb.Start, argument: dict[str, int], known: list[int]) -> None:
        self.exchange = exchange
        self.start = start
        self.argument = argument
        #: Types of the replayed messages behind the input.
        self.known = known

    async def send(self, kind: int, command: Any = None) -> None:
        await self.exchange.write(message(kind, b"" if command is None else command.SerializeToString()))

    async def finish(self, value: object) -> None:
        output = pb.OutputCommand(value=pb.Value(content=json.dumps(value).encode()))
        await self.send(T.OUTPUT, output)
        await self.exchange.write(message(T.END), end=True)

    async def suspend(self, *, completions: tuple[int, ...] = (), signals: tuple[int, ...] = ()) -> None:
        raw = pb.Suspension(waiting_completions=completions, waiting_signals=signals).SerializeToString()
        await self.exchange.write(message(T.SUSPENSION, raw), end=True)

    async def step(self, number: int, value: bytes) -> None:
        """A `run` and its result, two entries. Nothing is waited for."""
        await self.send(T.RUN, pb.RunCommand(result_completion_id=number))
        await self.send(T.PROPOSE_RUN_COMPLETION, pb.ProposeRunCompletion(result_completion_id=number, value=value))

    @property
    def woken(self) -> bool:
        """The signal is in the journal."""
        return T.SIGNAL in self.known


async def echo(call: Call) -> None:
    await call.finish(call.argument)


async def hold(call: Call) -> None:
    """Run until `release` is called."""
    event = asyncio.Event()
    _HELD.add(event)
    try:
        await event.wait()
    finally:
        _HELD.discard(event)
    await call.finish("held")


async def held(call: Call) -> None:
    """How many `hold` run now."""
    await call.finish(len(_HELD))


async def release(call: Call) -> None:
    for event in list(_HELD):
        event.set()
    await call.finish("released")


async def wait(call: Call) -> None:
    """Suspend until the awakeable is resolved."""
    await (call.finish("woken") if call.woken else call.suspend(signals=(SIGNAL,)))


async def nap(call: Call) -> None:
    """Sleep until `until_ms`."""
    if T.SLEEP_COMPLETION in call.known:
        await call.finish("slept")
        return
    if not call.known:
        await call.send(T.SLEEP, pb.SleepCommand(wake_up_time=call.argument["until_ms"], result_completion_id=1))
    await call.suspend(completions=(1,))


async def journal(call: Call) -> None:
    """Make a journal of `entries` entries, then suspend until the awakeable is resolved."""
    value = b"x" * call.argument.get("bytes", 20)
    if call.woken:
        await call.finish(len(call.known))
        return
    for number in range(len(call.known) // 2 + 1, call.argument["entries"] // 2 + 1):
        await call.step(number, value)
    await call.suspend(signals=(SIGNAL,))


async def flood(call: Call) -> None:
    """`values` results of `bytes` bytes as fast as the runtime takes them."""
    value = b"x" * call.argument["bytes"]
    for number in range(call.known.count(T.RUN_COMPLETION) + 1, call.argument["values"] + 1):
        await call.step(number, value)
    await call.finish("flooded")


async def deaf(call: Call) -> None:
    """The same, but reads nothing any more: each result comes back as a notification. Then it stays until `release`."""
    value = b"x" * call.argument["bytes"]
    for number in range(call.known.count(T.RUN_COMPLETION) + 1, call.argument["values"] + 1):
        await call.step(number, value)
    await hold(call)


async def fill(call: Call) -> None:
    """Set `values` state values of `bytes` bytes, which cannot be compressed."""
    value = random.Random(0).randbytes(call.argument["bytes"])
    for number in range(len(call.known), call.argument["values"]):
        await call.send(T.SET_STATE, pb.SetStateCommand(key=b"%08d" % number, value=pb.Value(content=value)))
    await call.finish("filled")


async def look(call: Call) -> None:
    """Read them back: those that came along, and the others one after the other. [bytes, how many were asked for]."""
    eager = {entry.key: len(entry.value) for entry in call.start.state_map}
    total, asked = sum(eager.values()), 0
    for number in range(call.argument["values"]):
        name = b"%08d" % number
        if name in eager:
            continue
        asked += 1
        await call.send(T.GET_LAZY_STATE, pb.GetLazyStateCommand(key=name, result_completion_id=asked))
        found = await call.exchange.read()
        assert found is not None
        total += len(pb.Notification.FromString(found[1]).value.content)
    await call.finish([total, asked])


async def greedy(call: Call) -> None:
    """Ask for all values at once and read none of them, until `release`."""
    for number in range(call.argument["values"]):
        command = pb.GetLazyStateCommand(key=b"%08d" % number, result_completion_id=number + 1)
        await call.send(T.GET_LAZY_STATE, command)
    await hold(call)


async def clear(call: Call) -> None:
    if not call.known:
        await call.send(T.CLEAR_ALL_STATE, pb.ClearAllStateCommand())
    await call.finish("cleared")


_HANDLERS: dict[str, Callable[[Call], Awaitable[None]]] = {
    f"/invoke/{service}/{handler.__name__}": handler
    for service, handlers in (
        ("Burden", (echo, hold, held, release, wait, nap, journal, flood, deaf)),
        ("Slow", (echo, wait)),
        ("Store", (fill, look, greedy, clear)),
    )
    for handler in handlers
}


def _manifest() -> bytes:
    services: dict[str, dict[str, Any]] = {}
    for path in _HANDLERS:
        _, _, name, handler = path.split("/")
        kind = "VIRTUAL_OBJECT" if name == "Store" else "SERVICE"
        made = services.setdefault(name, {"name": name, "ty": kind, "handlers": []})
        made["handlers"].append({"name": handler})
    content = {
        "protocolMode": "BIDI_STREAM",
        "minProtocolVersion": 5,
        "maxProtocolVersion": 6,
        "services": list(services.values()),
    }
    return json.dumps(content).encode()


async def serve(exchange: Exchange) -> None:
    """One request."""
    if exchange.path == "/discover":
        exchange.content_type = "application/vnd.restate.endpointmanifest.v1+json"
        exchange.respond()
        await exchange.write(_manifest(), end=True)
        return
    exchange.respond()
    if exchange.path.startswith("/invoke/Slow/"):
        exchange.credit = False
        trickle = asyncio.get_running_loop().create_task(_trickle(exchange))
        try:
            await _invoke(exchange)
        finally:
            trickle.cancel()
    else:
        await _invoke(exchange)


async def _trickle(exchange: Exchange) -> None:
    """Read a byte a second."""
    while True:
        await asyncio.sleep(1.0)
        exchange.give_back(1)


async def _invoke(exchange: Exchange) -> None:
    first = await exchange.read()
    assert first is not None
    start = pb.Start.FromString(first[1])
    known: list[int] = []
    argument: dict[str, int] = {}
    for number in range(start.known_entries):
        found = await exchange.read()
        if found is None:
            return
        if number == 0:
            argument = json.loads(pb.InputCommand.FromString(found[1]).value.content or b"{}")
        else:
            known.append(found[0])
    if exchange.path.endswith(("/deaf", "/greedy")):
        exchange.credit = False
    await _HANDLERS[exchange.path](Call(exchange, start, argument, known))


async def _main(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: ServerConnection(serve), "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    """Serve until killed."""
    uvloop.run(_main(int(sys.argv[1])))


if __name__ == "__main__":
    main()
