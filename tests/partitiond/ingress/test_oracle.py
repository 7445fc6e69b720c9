"""The same requests to the ingress and to the oracle: same status, same headers, same errors, same ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import uvloop

from shared.api.partition import InvokeRequest
from shared.durations import parse_duration
from shared.ids import encode_invocation_id
from shared.protocol.input import input_headers, input_payload
from shared.wal.commands import Failure, Invoke, Result
from tests.fakes.partition_worker import canned_result
from tests.partitiond.ingress.catalogs import discovered
from tests.partitiond.ingress.harness import Ingress, Reply, fetch
from tests.partitiond.ingress.oracle import Oracle, running_oracle
from tests.partitiond.ingress.oracle_requests import REQUESTS, Request
from tests.shared.test_durations import BAD, GOOD

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

SAME_HEADERS = (
    "content-type",
    "x-restate-error-source",
    "vary",
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-allow-methods",
    "access-control-allow-headers",
)


def _result(invoke: Invoke) -> Result:
    """What the handlers of `oracle_services` answer."""
    match invoke.target.handler:
        case "fail":
            return Failure(int(input_payload(invoke.input)), "failed on purpose")
        case "silent":
            return b""
        case "raw" | "anything":
            return input_payload(invoke.input)
        case _:
            return b'"done"'


def _differences(request: Request, ours: Reply, theirs: Reply) -> list[str]:
    found = []
    if ours.status != theirs.status:
        found.append("status")
    is_error = "x-restate-error-source" in theirs.headers
    found += [name for name in SAME_HEADERS if ours.headers.get(name) != theirs.headers.get(name)]
    told = ("x-restate-id", "idempotency-expires")
    found += [name for name in told if (name in ours.headers) != (name in theirs.headers)]
    if _has_fixed_id(request) and ours.headers.get("x-restate-id") != theirs.headers.get("x-restate-id"):
        found.append("id")
    if is_error and request.method != "HEAD":
        mine, other = _json(ours.body), _json(theirs.body)
        if not request.words:
            mine["message"] = mine["message"].partition(":")[0]
            other["message"] = other["message"].partition(":")[0]
        if mine != other:
            found.append("error")
    elif theirs.status == 202 or "/lookup" in request.path:
        found += _told_differently(request, ours.body, theirs.body)
    return found


def _told_differently(request: Request, ours: bytes, theirs: bytes) -> list[str]:
    if not theirs:
        return ["body"] if ours else []
    mine, other = json.loads(ours), json.loads(theirs)
    if mine.keys() != other.keys() or mine.get("status") != other.get("status"):
        return ["body"]
    if (_has_fixed_id(request) or "lookup" in request.path) and mine["invocationId"] != other["invocationId"]:
        return ["body's id"]
    return []


def _json(body: bytes) -> dict[str, Any]:
    try:
        fields: dict[str, Any] = json.loads(body)
    except ValueError:
        return {"message": f"not JSON: {body!r}"}
    return fields


def _has_fixed_id(request: Request) -> bool:
    made_up = "/call/" in request.path or "/send/" in request.path
    return (
        "idempotency-key" in request.headers or "/run" in request.path or ("/restate/" in request.path and not made_up)
    )


def test_ingress_is_as_the_oracles(tmp_path: Path) -> None:
    """One test, since starting the oracle is what takes the time."""

    async def main(oracle: Oracle) -> None:
        answer = canned_result(_result)
        async with Ingress(tmp_path / "ours", catalog=discovered(oracle.manifest), answer=answer) as ingress:
            await _check_answers(oracle, ingress)
            _check_retention(oracle, ingress)
            await _check_headers(oracle, ingress)
            await _check_delays(oracle, ingress)

    (tmp_path / "ours").mkdir()
    (tmp_path / "oracle").mkdir()
    with running_oracle(tmp_path / "oracle") as oracle:
        uvloop.run(main(oracle))


async def _check_answers(oracle: Oracle, ingress: Ingress) -> None:
    differing = []
    for request in REQUESTS:
        sent = (request.method, request.path, request.headers, request.body)
        theirs = await fetch(ingress.client, oracle.ingress, *sent)
        ours = await ingress.request(*sent)
        differences = _differences(request, ours, theirs)
        if differences:
            differing.append(f"{request}: {differences}\n   ours   {ours}\n   theirs {theirs}")
    assert not differing, f"{len(differing)} of {len(REQUESTS)}:\n" + "\n".join(differing)


def _check_retention(oracle: Oracle, ingress: Ingress) -> None:
    """What we tell the partition about an invocation is what the oracle keeps of the one of the same id."""
    told = {}
    for request in ingress.worker.requests:
        if isinstance(request, InvokeRequest):
            invoke = request.invoke
            kept = (invoke.idempotency_key, invoke.completion_retention_ms, invoke.journal_retention_ms)
            scoped = (invoke.target.scope, invoke.limit_key)
            told.setdefault(encode_invocation_id(invoke.id), (str(invoke.target), *scoped, *kept))
    rows = oracle.query(
        "select id, target, scope, limit_key, idempotency_key, completion_retention, journal_retention "
        "from sys_invocation"
    )
    known = {
        row["id"]: (
            row["target"],
            row.get("scope"),
            row.get("limit_key") or None,
            row.get("idempotency_key"),
            parse_duration(row["completion_retention"]),
            parse_duration(row["journal_retention"]),
        )
        for row in rows
        if row["id"] in told
    }
    assert len(known) >= 45
    assert known == {name: told[name] for name in known}


async def _check_headers(oracle: Oracle, ingress: Ingress) -> None:
    """The handler is given the same."""
    sent = {
        "X-Thing": "a",
        "idempotency-expires": "z",
        "cookie": "c",
        "te": "trailers",
        "x-restate-foo": "1",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    }
    for path in ("/IngSvc/headers", "/IngSvc/headers/?x=%20y&z", "/restate/call/IngSvc/headers"):
        theirs = await fetch(ingress.client, oracle.ingress, "GET", path, sent | {"idempotency-key": path})
        await ingress.request("GET", path, sent | {"idempotency-key": path})
        invoke = ingress.worker.requests[-1].invoke
        assert [list(pair) for pair in input_headers(invoke.input)] == json.loads(theirs.body)
        assert invoke.traceparent == sent["traceparent"]


async def _check_delays(oracle: Oracle, ingress: Ingress) -> None:
    differing = []
    for text in [*GOOD, *BAD]:
        path = "/IngSvc/nothing/send?delay=" + "".join(f"%{byte:02X}" for byte in text.encode())
        theirs = await fetch(ingress.client, oracle.ingress, "GET", path)
        ours = await ingress.request("GET", path)
        if ours.status != theirs.status:
            differing.append(f"{text!r}: ours {ours} theirs {theirs}")
    assert not differing, "\n".join(differing)
