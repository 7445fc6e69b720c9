"""The official Python SDK, over real sockets: HTTP/2 bidi, HTTP/2 request-response, and HTTP/1.1."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from partitiond.invoker.invoker import Invoker
from shared.catalog.catalog import Catalog
from shared.catalog.deployments import ProtocolMode
from shared.catalog.services import RetryPolicy
from shared.clock import SystemClock
from shared.config import Settings
from shared.ids import decode_signal_id
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as T
from shared.storage.values import Status
from shared.wal.commands import CompleteAwakeable, Failed, Failure, Invoke, Result
from tests.fakes.invoker_host import MemoryCatalog, MemoryHost
from tests.partitiond.invoker.builders import catalog, deployment, invoke, value
from tests.partitiond.invoker.sdk import SdkServer
from tests.partitiond.invoker.stage import until

pytestmark = [pytest.mark.slow]

MODES: dict[str, dict[str, Any]] = {
    "bidi": {},
    "request-response": {"protocol_mode": ProtocolMode.REQUEST_RESPONSE},
    "http1": {"protocol_mode": ProtocolMode.REQUEST_RESPONSE, "http_version": "HTTP/1.1"},
}
ID = T.CALL_INVOCATION_ID_COMPLETION
RETRY = RetryPolicy(initial_interval_ms=50, max_interval_ms=200)


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SdkServer]:
    server = SdkServer(tmp_path_factory.mktemp("sdk"))
    yield server
    server.close()


class Runtime:
    """An invoker and the host in memory, against a server."""

    def __init__(self, known: Catalog) -> None:
        self.catalog = MemoryCatalog(known)
        self.host = MemoryHost()
        self.invoker = Invoker(catalog=self.catalog, settings=Settings(workers=1), clock=SystemClock(), tick_s=0.02)
        self.host.invoker = self.invoker

    async def result(self, call: Invoke) -> Result:
        await until(lambda: call.id in self.host.results, seconds=20)
        return self.host.results[call.id]

    async def call(self, path: str, argument: object) -> Any:
        """The JSON that the handler returned."""
        call = invoke(path, argument)
        self.host.invoke(call)
        result = await self.result(call)
        assert isinstance(result, bytes), result
        return json.loads(result)


def run(sdk: SdkServer, mode: str, scene: Callable[[Runtime], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        runtime = Runtime(catalog(deployment(sdk.uri, **MODES[mode]), **{"retry": RETRY, **options}))
        try:
            await scene(runtime)
        finally:
            await runtime.invoker.close()

    uvloop.run(main())


@pytest.mark.parametrize("mode", MODES)
def test_greet(sdk: SdkServer, mode: str) -> None:
    async def scene(runtime: Runtime) -> None:
        assert await runtime.call("Greeter/greet", "Bob") == "Hello Bob"

    run(sdk, mode, scene)


@pytest.mark.parametrize("mode", MODES)
def test_many_greets_at_once(sdk: SdkServer, mode: str) -> None:
    async def scene(runtime: Runtime) -> None:
        greetings = await asyncio.gather(*(runtime.call("Greeter/greet", f"{i}") for i in range(200)))
        assert greetings == [f"Hello {i}" for i in range(200)]

    run(sdk, mode, scene)


@pytest.mark.parametrize("mode", MODES)
def test_steps_run_once_each(sdk: SdkServer, mode: str) -> None:
    async def scene(runtime: Runtime) -> None:
        name = f"twice-{mode}"
        assert await runtime.call("Steps/run_twice", name) == [0, 0]
        assert (sdk.count(f"{name}-first"), sdk.count(f"{name}-second")) == (1, 1)

    run(sdk, mode, scene)


@pytest.mark.parametrize("mode", MODES)
def test_step_that_fails_is_retried(sdk: SdkServer, mode: str) -> None:
    async def scene(runtime: Runtime) -> None:
        assert await runtime.call("Steps/run_fails_once", f"flaky-{mode}") == 1

    run(sdk, mode, scene)


@pytest.mark.parametrize("mode", MODES)
def test_handler_that_fails_goes_on_from_its_journal(sdk: SdkServer, mode: str) -> None:
    async def scene(runtime: Runtime) -> None:
        name = f"fails-{mode}"
        assert await runtime.call("Steps/fails_once", name) == "done"
        assert sdk.count(f"{name}-step") == 1

    run(sdk, mode, scene)


@pytest.mark.parametrize("mode", MODES)
def test_terminal_error_is_a_result(sdk: SdkServer, mode: str) -> None:
    async def scene(runtime: Runtime) -> None:
        call = invoke("Steps/terminal", "tea")
        runtime.host.invoke(call)
        result = await runtime.result(call)
        assert isinstance(result, Failure)
        assert (result.code, result.message) == (418, "no tea")

    run(sdk, mode, scene)


@pytest.mark.parametrize("mode", MODES)
def test_sleep_suspends_and_comes_back(sdk: SdkServer, mode: str) -> None:
    async def scene(runtime: Runtime) -> None:
        call = invoke("Steps/sleep", 600)
        runtime.host.invoke(call)
        await until(lambda: runtime.host.status(call.id) == Status.SUSPENDED)
        assert await runtime.result(call) == value("slept")
        assert runtime.host.started.count(call.id) == 2

    run(sdk, mode, scene, inactivity_timeout_ms=100)


def test_short_sleep_stays_on_the_stream(sdk: SdkServer) -> None:
    async def scene(runtime: Runtime) -> None:
        call = invoke("Steps/sleep", 50)
        runtime.host.invoke(call)
        assert await runtime.result(call) == value("slept")
        assert runtime.host.started.count(call.id) == 1

    run(sdk, "bidi", scene)


@pytest.mark.parametrize("mode", MODES)
def test_awakeable(sdk: SdkServer, mode: str) -> None:
    async def scene(runtime: Runtime) -> None:
        name = f"awakeable-{mode}"
        call = invoke("Steps/await_awakeable", name)
        runtime.host.invoke(call)
        await until(lambda: sdk.count(name))
        invocation_id, signal = decode_signal_id((sdk.traces / name).read_text())
        assert invocation_id == call.id
        runtime.host.submit(CompleteAwakeable(invocation_id, signal, value("woken")))
        assert await runtime.result(call) == value("woken")

    run(sdk, mode, scene)


@pytest.mark.parametrize("mode", MODES)
def test_calls(sdk: SdkServer, mode: str) -> None:
    async def scene(runtime: Runtime) -> None:
        assert await runtime.call("Steps/call", "Eve") == "called: Hello Eve"
        count, flow = await runtime.call("Steps/call_all", f"key-{mode}")
        assert count in ("3", "7")
        assert flow == "wf"
        assert await runtime.call(f"Counter/key-{mode}/add", 0) == 7

    run(sdk, mode, scene)


def test_whom_it_called_it_is_told_when_it_asks(sdk: SdkServer) -> None:
    """Of many calls, once its SDK was heard to say what it waits for."""

    async def scene(runtime: Runtime) -> None:
        told = []
        for asks in (0, 0, 1, 1, 0, 0):
            call = invoke("Steps/call_many", [50, asks])
            runtime.host.invoke(call)
            result = await runtime.result(call)
            assert isinstance(result, bytes), result
            answers = json.loads(result)
            journal = runtime.host.journal(call.id)
            ids = [pb.Notification.FromString(raw).invocation_id for kind, raw in journal if kind == ID]
            assert len(set(ids)) == 50
            assert answers == [*[f"Hello {n}" for n in range(50)], *ids[49 : 49 + asks]]
            kinds = [kind for kind, _ in journal]
            # But for the last call: behind it are the ids that are asked for then.
            calls = [at for at, kind in enumerate(kinds) if kind == T.CALL][:-1]
            told.append(sum(kinds[at + 1] == ID for at in calls))
        assert told == [49, 32, 32, 49, 49, 32]

    run(sdk, "bidi", scene)


@pytest.mark.parametrize("mode", MODES)
def test_a_value_that_is_small_at_one_attempt_and_large_at_the_next(sdk: SdkServer, mode: str) -> None:
    """A read that the start of the attempt answered is replayed where the value is left for lazy reads, and back."""

    async def scene(runtime: Runtime) -> None:
        before, kinds = 0, []
        for size in (10, 200_000, 300_000, 5, 6):
            call = invoke(f"Counter/fill-{mode}/fill", size)
            runtime.host.invoke(call)
            assert await runtime.result(call) == value([before, size])
            before = size
            kinds.append(T.GET_LAZY_STATE in [entry for entry, _ in runtime.host.journal(call.id)])
        assert kinds == [False, False, mode == "bidi", mode == "bidi", False]

    run(sdk, mode, scene)


@pytest.mark.parametrize("mode", MODES)
def test_state_eager_and_lazy(sdk: SdkServer, mode: str) -> None:
    async def scene(runtime: Runtime) -> None:
        assert await runtime.call("Counter/c/add", 1) == 1
        eager, lazy = invoke("Counter/c/add", 2), invoke("Counter/c/add_lazily", 4)
        for call, expected, entry_type in ((eager, 3, T.GET_EAGER_STATE), (lazy, 7, T.GET_LAZY_STATE)):
            runtime.host.invoke(call)
            assert await runtime.result(call) == value(expected)
            assert entry_type in [entry for entry, _ in runtime.host.journal(call.id)]
        assert await runtime.call("Counter/c/get", None) == 7
        assert await runtime.call("Counter/c/forget", None) == ["value"]
        assert await runtime.call("Counter/c/get", None) == 0

    run(sdk, mode, scene)


@pytest.mark.parametrize("mode", MODES)
def test_killed_service_goes_on_from_the_journal(tmp_path: Path, mode: str) -> None:
    server = SdkServer(tmp_path)

    async def scene(runtime: Runtime) -> None:
        call = invoke("Steps/stop_in_the_middle", "k")
        runtime.host.invoke(call)
        await until(lambda: server.count("k-second"))
        await asyncio.to_thread(server.kill)
        await until(lambda: [s for s in runtime.invoker.states() if s.last_failure_error_code == "RT0010"])
        await asyncio.to_thread(server.start)
        result = await runtime.result(call)
        assert isinstance(result, bytes)
        assert json.loads(result) == "0 2"
        assert server.count("k-second") == 2

    try:
        run(server, mode, scene)
    finally:
        server.close()


def test_calls_on_connections_that_end_after_so_many_requests_are_made_again_at_once(tmp_path: Path) -> None:
    """Hypercorn by its default after 1000. It refuses what came behind, and leaves unanswered what it took."""
    server = SdkServer(tmp_path, keep_alive_max_requests=20)
    turns = asyncio.Semaphore(6)

    async def scene(runtime: Runtime) -> None:
        async def call(name: str) -> None:
            async with turns:
                await runtime.call("Steps/run_twice", name)
            # What it left it did begin, at most as often as it may leave it.
            assert server.count(f"{name}-first") <= 4

        await asyncio.gather(*(call(f"{number}") for number in range(150)))
        failed = [effect for p in runtime.host.proposed for effect in p.effects if isinstance(effect, Failed)]
        assert failed == []

    hour_ms = 3_600_000
    try:
        run(server, "bidi", scene, retry=RetryPolicy(initial_interval_ms=hour_ms, max_interval_ms=hour_ms))
    finally:
        server.close()


def test_server_and_failures_are_shown(sdk: SdkServer) -> None:
    async def scene(runtime: Runtime) -> None:
        runtime.host.invoke(invoke("Steps/await_awakeable", "shown"))
        await until(lambda: runtime.invoker.states() and runtime.invoker.states()[0].last_attempt_server)
        (state,) = runtime.invoker.states(runtime.host)
        assert state.in_flight
        assert str(state.last_attempt_server).startswith("restate-sdk-python/")
        assert state.last_attempt_deployment_id == "dp_1"

    run(sdk, "bidi", scene)


def test_nobody_listens(sdk: SdkServer) -> None:
    for mode in MODES:

        async def scene(runtime: Runtime) -> None:
            runtime.catalog.set(catalog(deployment("http://127.0.0.1:1", **MODES[mode]), retry=RETRY))  # noqa: B023
            runtime.host.invoke(invoke("Greeter/greet"))
            await until(lambda: [s for s in runtime.invoker.states() if s.last_failure_error_code == "RT0010"])

        run(sdk, mode, scene)
