"""Requests over HTTP against a whole ingress with a fake worker behind it."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvloop

from partitiond.ingress.names import idempotent_invocation_id, workflow_invocation_id
from shared.api.partition import AwakeableRequest, InvokeRequest, ResultReply
from shared.ids import awakeable_id, decode_invocation_id, encode_invocation_id
from shared.protocol.input import input_headers, input_payload
from shared.wal.commands import Failure
from tests.fakes.partition_worker import canned_result
from tests.partitiond.ingress.harness import Ingress, until

CORS = {
    "vary": "origin, access-control-request-method, access-control-request-headers",
    "access-control-allow-credentials": "true",
}


def test_call_answers_with_the_result_and_its_id(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path) as ingress:
            reply = await ingress.post_json("/Greeter/greet")
            assert (reply.status, reply.body) == (200, b'"done"')
            assert reply.headers["content-type"] == "application/json"
            assert CORS.items() <= reply.headers.items()
            assert "server" not in reply.headers
            [request] = [r for r in ingress.worker.requests if isinstance(r, InvokeRequest)]
            assert reply.headers["x-restate-id"] == encode_invocation_id(request.invoke.id)
            assert input_payload(request.invoke.input) == b'"x"'
            assert input_headers(request.invoke.input)[0] == ("x-restate-ingress-path", "/Greeter/greet")
            assert "idempotency-expires" not in reply.headers

    uvloop.run(main())


def test_trace_state_in_several_fields_is_one_list(tmp_path: Path) -> None:
    """Proxies may cut it (W3C Trace Context, section 3.3.1.1). Of other fields the first counts."""

    async def main() -> None:
        async with Ingress(tmp_path) as ingress:
            parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
            fields = ["traceparent: " + parent, "tracestate: a=1", "x-a: 1", "tracestate: b=2", "x-a: 2"]
            lines = ["GET /Greeter/none HTTP/1.1", "host: h", *fields, "connection: close", "", ""]
            reader, writer = await asyncio.open_connection("127.0.0.1", ingress.settings.ingress_port)
            writer.write("\r\n".join(lines).encode())
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()
            [request] = [r for r in ingress.worker.requests if isinstance(r, InvokeRequest)]
            assert (request.invoke.traceparent, request.invoke.tracestate) == (parent, "a=1,b=2")
            assert ("x-a", "1") in input_headers(request.invoke.input)

    uvloop.run(main())


def test_same_key_finds_the_same_invocation(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path) as ingress:
            first = await ingress.post_json("/Counter/k/add", idempotency_key="i")
            second = await ingress.post_json("/Counter/k/add", idempotency_key="i")
            assert first.headers["x-restate-id"] == second.headers["x-restate-id"]
            assert second.headers["idempotency-expires"] == "2027-01-15T08:00:00.123+00:00"
            expected = idempotent_invocation_id("Counter", "k", "add", "i")
            assert decode_invocation_id(first.headers["x-restate-id"]) == expected
            sent = await ingress.post_json("/Counter/k/add/send", idempotency_key="i")
            assert json.loads(sent.body)["status"] == "PreviouslyAccepted"
            attached = await ingress.request("GET", "/restate/invocation/Counter/k/add/i/attach")
            assert (attached.status, attached.body) == (200, b'"done"')

    uvloop.run(main())


def test_send_answers_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path) as ingress:
            reply = await ingress.post_json("/Greeter/greet/send")
            assert reply.status == 202
            assert json.loads(reply.body) == {"invocationId": reply.headers["x-restate-id"], "status": "Accepted"}
            delayed = await ingress.post_json("/restate/send/Greeter/greet?delay=1h")
            assert set(json.loads(delayed.body)) == {"invocationId", "executionTime", "status"}
            output = await ingress.request("GET", f"/restate/output/{delayed.headers['x-restate-id']}")
            assert output.status == 470

    uvloop.run(main())


def test_second_run_of_a_workflow_is_a_conflict(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path) as ingress:
            assert (await ingress.post_json("/Signup/k/run")).status == 200
            second = await ingress.post_json("/Signup/k/run")
            assert second.status == 409
            assert second.headers["x-restate-error-source"] == "invocation"
            assert second.headers["x-restate-id"] == encode_invocation_id(workflow_invocation_id("Signup", "k"))
            output = await ingress.request("GET", "/restate/workflow/Signup/k/output")
            assert (output.status, output.body) == (200, b'"done"')

    uvloop.run(main())


def test_failure_of_an_invocation_is_told_with_its_code(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path, answer=canned_result(Failure(418, "tea", [("a", "b")]))) as ingress:
            reply = await ingress.post_json("/Greeter/greet")
            assert reply.status == 418
            told = {"code": 418, "message": "tea", "metadata": {"a": "b"}, "source": "invocation"}
            assert json.loads(reply.body) == told

    uvloop.run(main())


def test_awakeables_are_resolved_and_rejected(tmp_path: Path) -> None:
    async def main() -> None:
        invocation_id = bytes(range(24))
        name = awakeable_id(invocation_id, 17)
        async with Ingress(tmp_path) as ingress:
            resolved = await ingress.request("POST", f"/restate/awakeables/{name}/resolve", body=b"1")
            rejected = await ingress.request("POST", f"/restate/a/{name}/reject", body=b"no\xff")
            assert (resolved.status, resolved.body, rejected.status) == (202, b"", 202)
            results = [r for r in ingress.worker.requests if isinstance(r, AwakeableRequest)]
            assert [(r.invocation_id, r.signal, r.result) for r in results] == [
                (invocation_id, 17, b"1"),
                (invocation_id, 17, Failure(500, "no\ufffd")),
            ]

    uvloop.run(main())


def test_a_rejection_that_would_grow_past_a_record_is_refused(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 become three each: of 12 MB of them comes a batch that logd refuses, of 25 MB a frame
    that ends the connection to the worker, with all requests on it; and the ingress sends it again, for ever."""

    async def main() -> None:
        async with Ingress(tmp_path) as ingress:
            path = f"/restate/a/{awakeable_id(bytes(24), 17)}/reject"
            text = "\u20ac" * 200_000
            assert (await ingress.request("POST", path, body=b"\xff" * 600_000)).status == 400
            assert (await ingress.request("POST", path, body=text.encode())).status == 202
            results = [r.result for r in ingress.worker.requests if isinstance(r, AwakeableRequest)]
            assert results == [Failure(500, text)]

    uvloop.run(main())


def test_target_in_the_body(tmp_path: Path) -> None:
    async def main() -> None:
        target = b'{"target":"idempotentInvocation","service":"Greeter","handler":"greet","idempotencyKey":"i"}'
        async with Ingress(tmp_path) as ingress:
            assert (await ingress.request("POST", "/restate/output", body=target)).status == 404
            called = await ingress.post_json("/Greeter/greet", idempotency_key="i")
            looked_up = await ingress.request("POST", "/restate/lookup", body=target)
            assert json.loads(looked_up.body) == {"invocationId": called.headers["x-restate-id"]}
            for action in ("attach", "output"):
                reply = await ingress.request("POST", f"/restate/{action}", body=target)
                assert (reply.status, reply.body) == (200, b'"done"')
            assert (await ingress.request("POST", "/restate/attach", body=b"{")).status == 500

    uvloop.run(main())


def test_attach_to_an_unknown_invocation_is_its_failure(tmp_path: Path) -> None:
    async def main() -> None:
        unknown = encode_invocation_id(bytes(24))
        async with Ingress(tmp_path) as ingress:
            attached = await ingress.request("GET", f"/restate/invocation/{unknown}/attach")
            assert attached.headers["x-restate-error-source"] == "invocation"
            assert json.loads(attached.body) == {"code": 404, "message": "not found", "source": "invocation"}
            output = await ingress.request("GET", f"/restate/invocation/{unknown}/output")
            assert output.headers["x-restate-error-source"] == "ingress"
            assert output.status == 404

    uvloop.run(main())


def test_preflight_allows_everything(tmp_path: Path) -> None:
    async def main() -> None:
        headers = {
            "origin": "http://a.b",
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type,x",
        }
        async with Ingress(tmp_path) as ingress:
            reply = await ingress.request("OPTIONS", "/nope", headers)
            told = {
                **CORS,
                "access-control-allow-origin": "http://a.b",
                "access-control-allow-methods": "POST",
                "access-control-allow-headers": "content-type,x",
            }
            assert (reply.status, reply.body) == (200, b"")
            assert told.items() <= reply.headers.items()

    uvloop.run(main())


@pytest.mark.parametrize("chunked", [False, True])
def test_body_over_the_limit_is_refused(tmp_path: Path, chunked: bool) -> None:
    async def main() -> None:
        async with Ingress(tmp_path, request_bytes_limit=100_000) as ingress:

            async def chunks() -> Any:
                for _ in range(3):
                    yield b"x" * 50_000

            body: Any = chunks() if chunked else b"x" * 150_000
            reply = await ingress.request("POST", "/Greeter/any", {"content-type": "a/b"}, body)
            assert reply.status == 413
            assert ("vary" in reply.headers) == chunked
            fits = await ingress.request("POST", "/Greeter/any", {"content-type": "a/b"}, b"x" * 100_000)
            assert fits.status == 200

    uvloop.run(main())


def test_head_over_the_limit_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path) as ingress:
            for path, headers in (
                (f"/Counter/{'x' * 30_000}/add", {}),
                ("/Greeter/none", {f"x-{number}": "y" * 4000 for number in range(15)}),
            ):
                reply = await ingress.request("GET", path, headers)
                assert reply.status == 431
            fits = await ingress.request("GET", "/Greeter/none", {"cookie": "y" * 50_000})
            assert fits.status == 200

    uvloop.run(main())


def test_client_that_waits_for_leave_to_send_its_body_gets_it(tmp_path: Path) -> None:
    async def main() -> None:
        head = b" HTTP/1.1\r\nHost: x\r\nContent-Type: a/b\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        async with Ingress(tmp_path) as ingress:
            reader, writer = await asyncio.open_connection("127.0.0.1", ingress.settings.ingress_port)
            writer.write(b"POST /Greeter/any" + head)
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"abc")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            assert input_payload(ingress.worker.requests[-1].invoke.input) == b"abc"
            await reader.readexactly(6)
            writer.write(b"POST /Nope/any" + head)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 404")
            writer.close()

    uvloop.run(main())


def test_compressed_bodies_pass_as_they_are(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path) as ingress:
            headers = {"content-type": "a/b", "content-encoding": "gzip"}
            reply = await ingress.request("POST", "/Greeter/any", headers, b"no gzip at all")
            assert reply.status == 200
            assert input_payload(ingress.worker.requests[-1].invoke.input) == b"no gzip at all"

    uvloop.run(main())


def test_client_that_goes_away_is_forgotten(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path, answer=lambda request: None) as ingress:
            waiting = asyncio.create_task(ingress.post_json("/Greeter/greet"))
            request = await until(lambda: ingress.worker.requests and ingress.worker.requests[0])
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await until(lambda: ingress.worker.forgotten() == [request.request_id])

    uvloop.run(main())


def test_connection_stays_open_between_requests(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path) as ingress:
            reader, writer = await asyncio.open_connection("127.0.0.1", ingress.settings.ingress_port)
            request = b"GET http://x/Greeter/none?a HTTP/1.1\r\nHost: x\r\n\r\n"
            # Two at once: the second waits in the buffer while the first is answered.
            writer.write(request * 2)
            for _ in range(2):
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200 OK\r\n")
                assert await reader.readexactly(6) == b'"done"'
            assert input_headers(ingress.worker.requests[-1].invoke.input)[0] == (
                "x-restate-ingress-path",
                "/Greeter/none?a",
            )
            writer.write(b"GET /Greeter/none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
            assert b"\r\nconnection: close\r\n" in answer
            writer.write(b"")
            writer.close()
            await writer.wait_closed()

    uvloop.run(main())


def test_only_the_first_of_repeated_headers_is_given_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path) as ingress:
            reader, writer = await asyncio.open_connection("127.0.0.1", ingress.settings.ingress_port)
            writer.write(
                b"GET /Greeter/none HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nx-a: 2\r\n"
                b"Connection: close\r\nIdempotency-Expires: z\r\n\r\n"
            )
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
            given = input_headers(ingress.worker.requests[-1].invoke.input)
            assert given == [("x-restate-ingress-path", "/Greeter/none"), ("x-a", "1")]
            writer.close()
            await writer.wait_closed()

    uvloop.run(main())


def test_head_has_no_body(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path) as ingress:
            reply = await ingress.request("HEAD", "/Greeter/none")
            assert (reply.status, reply.body) == (405, b"")
            assert (await ingress.request("GET", "/Greeter/none")).status == 200

    uvloop.run(main())


def test_health_on_the_unix_socket(tmp_path: Path) -> None:
    async def main() -> None:
        async with Ingress(tmp_path) as ingress:
            path = ingress.settings.socket("ingress")
            assert path.stat().st_mode & 0o777 == 0o600
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as client,
                client.get("http://x/restate/health") as response,
            ):
                assert await response.json() == {"services": ["Greeter", "Counter", "Signup", "Hidden"]}

    uvloop.run(main())


def test_large_result_arrives_whole(tmp_path: Path) -> None:
    async def main() -> None:
        big = b"x" * 5_000_000
        async with Ingress(tmp_path, answer=lambda request: ResultReply(0, big)) as ingress:
            headers = {"content-type": "application/json"}
            reply = await ingress.request("POST", "/Greeter/greet", headers, io.BytesIO(big))
            assert reply.body == big

    uvloop.run(main())
