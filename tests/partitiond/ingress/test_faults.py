"""Workers that move, go away and come back; a metad that is late; a process that drains."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from shared.api.partition import AttachRequest, AwakeableReply, InvokeReply, InvokeRequest, Moved, ResultReply
from shared.config import Settings, write_settings
from shared.wal.commands import Failure
from tests.conftest import eventually, free_ports
from tests.fakes.partition_worker import canned_result
from tests.partitiond.ingress.catalogs import catalog_of, example
from tests.partitiond.ingress.harness import Ingress, Reply, until

RESULT = ResultReply(0, b'"late"', 1_800_000_000_123)


def first(reply: Any, then: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """One reply of this kind to the first InvokeRequest; the others as `then` says."""
    seen = []

    def answer(request: Any) -> Any:
        if isinstance(request, InvokeRequest) and not seen:
            seen.append(request)
            return reply
        return then(request)

    return answer


def test_moved_request_is_sent_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path, answer=first(Moved(0, "not here"), lambda request: RESULT)) as ingress:
            reply = await ingress.post_json("/Greeter/greet")
            assert (reply.status, reply.body) == (200, b'"late"')
            # It ended before the second request, but for the client this is the first.
            assert "idempotency-expires" not in reply.headers
            one, two = ingress.worker.requests
            assert one.invoke == two.invoke
            assert one.request_id != two.request_id

    uvloop.run(main())


def test_worker_killed_during_a_call_is_asked_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path, answer=lambda request: None) as ingress:
            called = asyncio.create_task(ingress.post_json("/Counter/k/add", idempotency_key="i"))
            sent = asyncio.create_task(ingress.post_json("/Greeter/greet/send"))
            await until(lambda: len(ingress.worker.requests) == 2)
            before = {request.invoke.id: request.invoke for request in ingress.worker.requests}
            await ingress.worker.stop()
            ingress.worker.requests.clear()
            ingress.worker.answer = lambda request: RESULT if request.wait else InvokeReply(0, True)
            await ingress.worker.start()
            assert (await called).body == b'"late"'
            assert (await called).headers["idempotency-expires"]
            assert json.loads((await sent).body)["status"] == "Accepted"
            assert {request.invoke.id: request.invoke for request in ingress.worker.requests} == before

    uvloop.run(main())


def test_worker_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path, worker=False) as ingress:
            called = asyncio.create_task(ingress.post_json("/Greeter/greet"))
            done, _ = await asyncio.wait([called], timeout=0.1)
            assert not done
            await ingress.worker.start()
            assert (await called).status == 200
            await ingress.worker.stop()

    uvloop.run(main())


UNKEPT = "/Greeter/unkept"


@pytest.mark.parametrize("path", [UNKEPT, f"{UNKEPT}/send"])
def test_unkept_invocation_is_never_started_twice(tmp_path: Path, path: str) -> None:
    """Its leader goes away: it may have run and be forgotten already, so starting it again could run it twice."""

    def gone(request: Any) -> Any:
        assert isinstance(request, AttachRequest), "only asked for, not started again"
        return ResultReply(0, None, found=False)

    async def main() -> None:
        async with Ingress(tmp_path, answer=first(Moved(0, "no more"), gone)) as ingress:
            reply = await ingress.request("POST", path)
            assert reply.status == 503
            assert json.loads(reply.body)["source"] == "ingress"
            kinds = [type(request) for request in ingress.worker.requests]
            assert kinds == [AttachRequest, InvokeRequest, AttachRequest]

    uvloop.run(main())


@pytest.mark.parametrize(
    ("path", "found", "status"),
    [
        (UNKEPT, ResultReply(0, b'"late"'), 200),
        (UNKEPT, ResultReply(0, Failure(418, "tea")), 418),
        (f"{UNKEPT}/send", ResultReply(0, None, ready=False), 202),
    ],
)
def test_unkept_invocation_that_still_runs_is_found(tmp_path: Path, path: str, found: Any, status: int) -> None:
    async def main() -> None:
        async with Ingress(tmp_path, answer=first(Moved(0, "no more"), lambda request: found)) as ingress:
            assert (await ingress.request("POST", path)).status == status

    uvloop.run(main())


def test_unkept_invocation_waits_for_a_leader_first(tmp_path: Path) -> None:
    """While nobody leads, nothing is sent that could be applied: then waiting is safe."""
    left = 2

    def answer(request: Any) -> Any:
        nonlocal left
        if left:
            assert isinstance(request, AttachRequest)
            left -= 1
            return Moved(0, "not yet")
        return canned_result()(request)

    async def main() -> None:
        async with Ingress(tmp_path, answer=answer) as ingress:
            assert (await ingress.request("POST", UNKEPT)).status == 200

    uvloop.run(main())


def test_other_requests_are_repeated_too(tmp_path: Path) -> None:
    moved: set[type] = set()

    def answer(request: Any) -> Any:
        if type(request) not in moved:
            moved.add(type(request))
            return Moved(0, "not here")
        return RESULT if isinstance(request, AttachRequest) else AwakeableReply(0)

    async def main() -> None:
        async with Ingress(tmp_path, answer=answer) as ingress:
            attached = await ingress.request("GET", "/restate/workflow/Signup/k/attach")
            assert attached.body == b'"late"'
            path = "/restate/awakeables/sign_1AY2ZO0Vsz0wBAAAAAAAAAAAAAAAAAAAAAAAAEQ/resolve"
            assert (await ingress.request("POST", path)).status == 202
            assert len(ingress.worker.requests) == 4

    uvloop.run(main())


def test_without_a_catalog_everything_is_503(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path, metad=False) as ingress:
            for path in ("/Greeter/greet", "/restate/health", "/nope"):
                reply = await ingress.request("GET", path)
                assert reply.status == 503
                assert json.loads(reply.body)["source"] == "ingress"
            await ingress.metad.start()
            await _eventually_ok(ingress)
            await ingress.metad.close()

    uvloop.run(main())


def test_last_catalog_stays_while_metad_is_away(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path) as ingress:
            await ingress.metad.close()
            await until(lambda: not ingress.metad.subscribers)
            assert (await ingress.post_json("/Greeter/greet")).status == 200

    uvloop.run(main())


def test_newer_catalog_takes_effect(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path, catalog=catalog_of()) as ingress:
            assert (await ingress.post_json("/Greeter/greet")).status == 404
            services = example().services.values()
            ingress.metad.push(catalog_of(*services, version=2))
            await _eventually_ok(ingress)
            ingress.metad.push(catalog_of(version=1))
            assert (await ingress.post_json("/Greeter/greet")).status == 200

    uvloop.run(main())


async def _eventually_ok(ingress: Ingress) -> None:
    async with asyncio.timeout(10):
        # Each try is a round trip: no need to wait in between.
        while (await ingress.post_json("/Greeter/greet")).status != 200:
            pass


def test_request_in_flight_is_answered_while_draining(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path, answer=lambda request: None) as ingress:
            waiting = asyncio.create_task(ingress.post_json("/Greeter/greet"))
            request = await until(lambda: ingress.worker.requests and ingress.worker.requests[0])
            ingress.stopping.set()
            await ingress.refuses_connections()
            ingress.worker.connections[0].send(ResultReply(request.request_id, b'"in time"'))
            assert (await waiting).body == b'"in time"'
            await ingress.stopped()
            assert not ingress.settings.socket("ingress").exists()

    uvloop.run(main())


def test_request_without_a_leader_fails_while_draining(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path, answer=lambda request: Moved(0, "not here")) as ingress:
            waiting = asyncio.create_task(ingress.post_json("/Greeter/greet"))
            await until(lambda: ingress.worker.requests)
            ingress.stopping.set()
            assert (await waiting).status == 503
            await ingress.stopped()

    uvloop.run(main())


def test_slow_reader_of_a_large_answer_holds_up_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        big = b"x" * 8_000_000
        async with Ingress(tmp_path, answer=lambda request: ResultReply(0, big)) as ingress:
            reader, writer = await asyncio.open_connection("127.0.0.1", ingress.settings.ingress_port)
            writer.write(b"GET /Greeter/none HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: ingress.worker.requests)
            other: Reply = await ingress.request("GET", "/Greeter/none")
            assert other.body == big
            assert (await reader.readexactly(12)) == b"HTTP/1.1 200"
            writer.close()

    uvloop.run(main())


def _settings(path: Path, port: int) -> Settings:
    settings = Settings(data_dir=str(path), ingress_port=port, workers=1)
    settings.run_path.mkdir()
    write_settings(settings, settings.run_path / "settings.json")
    return settings


def _start(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "partitiond.ingress", "--data-dir", str(path)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


@pytest.mark.processes
def test_port_in_use_names_the_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        _settings(tmp_path, port)
        with _start(tmp_path) as process:
            _, text = process.communicate(timeout=20)
    assert process.returncode == 1
    assert f"ingress_port {port} on 127.0.0.1 is in use" in text
    assert "--ingress-port" in text
    assert "Traceback" not in text


@pytest.mark.processes
def test_sigterm_ends_the_process(tmp_path: Path) -> None:
    settings = _settings(tmp_path, free_ports(1)[0])
    with _start(tmp_path) as process:
        eventually(lambda: settings.socket("ingress").exists())
        os.kill(process.pid, signal.SIGTERM)
        _, text = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "ingress ends" in text
    assert not settings.socket("ingress").exists()
