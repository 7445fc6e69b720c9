"""The same requests to the ingress and to the oracle: same status, same headers, same errors, same ids.

Without the oracle, what it answered once is what we are compared with (`goldens`); with it, that is compared too, and
so are the words of errors. Over HTTP/2 the answers are those of HTTP/1.1.
"""

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
from tests.fakes.http2_client import Http2Client
from tests.fakes.partition_worker import canned_result
from tests.partitiond.ingress import cases_raw
from tests.partitiond.ingress.catalogs import discovered
from tests.partitiond.ingress.goldens import Goldens, ask_all, essence, label, read_goldens, record, tell_all
from tests.partitiond.ingress.harness import Ingress, Reply, fetch
from tests.partitiond.ingress.oracle import Oracle, running_oracle
from tests.partitiond.ingress.oracle_requests import REQUESTS, Request
from tests.shared.test_durations import BAD, GOOD

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

_REFUSED = "application/json ingress code,message,source"


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


def _ingress(path: Path, manifest: Any) -> Ingress:
    return Ingress(path, catalog=discovered(json.dumps(manifest).encode()), answer=canned_result(_result))


def _differing(goldens: Goldens, replies: list[Reply]) -> list[str]:
    """Answers of ours that are not what the oracle's were."""
    found = []
    for number, (request, reply) in enumerate(zip(REQUESTS, replies, strict=True)):
        ours, theirs = essence(request, reply), goldens.requests[label(number, request)]
        if ours != theirs:
            found.append(f"{number} {request}\n   ours   {ours}\n   theirs {theirs}\n   {reply}")
    return found


def _raw_differing(goldens: Goldens, told: dict[str, str]) -> list[str]:
    found = []
    for case in cases_raw.CASES:
        # What is no HTTP gets a body from us, and none from the oracle.
        ours, theirs = told[case.name], goldens.raw[case.name].replace(" -; closed", f" {_REFUSED}; closed")
        theirs = theirs.replace("then 400 -", f"then 400 {_REFUSED}")
        wanted, _why = cases_raw.OURS.get(case.name, (theirs, ""))
        if ours != wanted:
            found.append(f"{case.name}\n   ours   {ours}\n   theirs {theirs}")
        elif case.name in cases_raw.OURS and ours == theirs:
            found.append(f"{case.name}: we answer as the oracle does, it need not stand in OURS")
    return found


def _assert_none(differing: list[str]) -> None:
    assert not differing, f"{len(differing)} differ:\n" + "\n".join(differing)


def test_answers_are_those_that_the_oracle_gave(tmp_path: Path) -> None:
    goldens = read_goldens()

    async def main() -> None:
        async with _ingress(tmp_path, goldens.manifest) as ingress:
            base = f"http://127.0.0.1:{ingress.settings.ingress_port}"
            _assert_none(_differing(goldens, await ask_all(base)))
            _assert_none(_raw_differing(goldens, await tell_all(base)))

    uvloop.run(main())


def test_answers_are_the_same_over_http2(tmp_path: Path) -> None:
    goldens = read_goldens()

    async def main() -> None:
        async with (
            _ingress(tmp_path, goldens.manifest) as ingress,
            Http2Client(ingress.settings.ingress_port) as client,
        ):
            replies = []
            for each in REQUESTS:
                answer = await client.request(each.method, each.path, each.headers, each.body)
                replies.append(Reply(answer.status, answer.headers, answer.body))
            _assert_none(_differing(goldens, replies))
            assert not client.goaways

    uvloop.run(main())


def test_the_oracle_answers_as_it_did(tmp_path: Path) -> None:
    """One test, since starting the oracle is what takes the time."""

    async def main(oracle: Oracle, theirs: list[Reply]) -> None:
        async with _ingress(tmp_path / "ours", json.loads(oracle.manifest)) as ingress:
            ours = await ask_all(f"http://127.0.0.1:{ingress.settings.ingress_port}")
            _check_words(ours, theirs)
            _check_retention(oracle, ingress)
            await _check_headers(oracle, ingress)
            await _check_delays(oracle, ingress)

    (tmp_path / "ours").mkdir()
    (tmp_path / "oracle").mkdir()
    with running_oracle(tmp_path / "oracle") as oracle:
        goldens, theirs = record(oracle)
        stored = read_goldens()
        assert goldens.manifest == stored.manifest
        _assert_none([f"{name}: {stored.requests.get(name)} -> {now}" for name, now in goldens.requests.items()
                      if stored.requests.get(name) != now])  # fmt: skip
        _assert_none([f"{name}: {stored.raw.get(name)} -> {now}" for name, now in goldens.raw.items()
                      if stored.raw.get(name) != now])  # fmt: skip
        uvloop.run(main(oracle, theirs))


def _check_words(ours: list[Reply], theirs: list[Reply]) -> None:
    differing = []
    for request, mine, other in zip(REQUESTS, ours, theirs, strict=True):
        if "x-restate-error-source" not in other.headers or request.method == "HEAD":
            continue
        one, two = _words(request, mine), _words(request, other)
        if one != two:
            differing.append(f"{request}\n   ours   {one}\n   theirs {two}")
    _assert_none(differing)


def _words(request: Request, reply: Reply) -> Any:
    try:
        fields = json.loads(reply.body)
    except ValueError:
        return reply.body
    if not request.words:
        fields["message"] = fields["message"].partition(":")[0]
    return fields


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
