"""What a service is sent, by Everlog and by the oracle: the heads of requests, compared field by field.

One recording service is registered with both. Ids and times apart, all fields are the same, but for what
`_without_framing` and the tests of trace context say.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.conftest import eventually
from tests.fakes.certificates import Authority
from tests.fakes.private_oracle import PrivateOracle, private_oracle
from tests.fakes.recording_service import RecordedRequest, RecordingService, recording_service
from tests.processes.node import Node, running_node

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(300)]

_Runtime = Node | PrivateOracle
_TRACE = "0af7651916cd43dd8448eb211c80319c"
_PARENT = f"00-{_TRACE}-b7ad6b7169203331-01"


class _Pair:
    """Both runtimes, with the same key and the same authority."""

    def __init__(self, everlog: Node, oracle: PrivateOracle, authority: Authority) -> None:
        self.everlog = everlog
        self.oracle = oracle
        self.authority = authority


def make_key(file: Path) -> Path:
    key = Ed25519PrivateKey.generate()
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Pair]:
    folder = tmp_path_factory.mktemp("heads")
    authority = Authority(folder)
    key = str(make_key(folder / "key.pem"))
    with (
        private_oracle(
            folder, RESTATE_REQUEST_IDENTITY_PRIVATE_KEY_PEM_FILE=key, SSL_CERT_FILE=str(authority.file)
        ) as oracle,
        running_node(
            partitions=2, workers=1, request_identity_private_key_file=key, service_ca_file=str(authority.file)
        ) as everlog,
    ):
        yield _Pair(everlog, oracle, authority)


def _call(url: str, body: Any, headers: dict[str, str] | None = None) -> Any:
    sent = {"content-type": "application/json", "accept": "application/json", **(headers or {})}
    request = urllib.request.Request(url, json.dumps(body).encode(), sent)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            raise AssertionError(f"{url}: {error.code} {error.read().decode()}") from error


def _record(
    runtime: _Runtime,
    service: RecordingService,
    options: dict[str, Any],
    paths: list[str],
    headers: dict[str, str] | None = None,
    *,
    previews: list[str] | None = None,
) -> dict[str, RecordedRequest]:
    """Register the service, call it and ask it for previews of values: the requests that it got, by path."""
    service.requests.clear()
    _call(f"{runtime.admin}/deployments", {"uri": service.uri, "force": True, **options})
    for path in paths:
        _call(runtime.ingress + path, 1, headers)
    for path in previews or []:
        preview = urllib.request.Request(f"{runtime.admin}/internal/services{path}", b"1")
        urllib.request.urlopen(preview, timeout=30).close()
    # The callees of `nested` come a moment later.
    wanted = 1 + len(paths) + len(previews or []) + 2 * sum(path.endswith("/nested") for path in paths)
    eventually(lambda: len(service.requests) >= wanted, what="all requests have come")
    requests = {request.path: request for request in service.requests}
    assert len(requests) == wanted, service.requests
    return requests


def _shape(request: RecordedRequest) -> list[tuple[str, Any]]:
    """Fields in the order of their names (of equal names, as they came), without ids and times."""
    fields: list[tuple[str, Any]] = []
    for name, value in request.headers:
        if name == "x-restate-invocation-id":
            assert re.fullmatch(r"inv_1[0-9A-Za-z]{33}", value)
            fields.append((name, "an id"))
        elif name == "x-restate-jwt-v1":
            fields.append((name, _claims(value)))
        else:
            fields.append((name, value))
    return sorted(fields, key=lambda field: field[0])


def _claims(token: str) -> dict[str, Any]:
    parts = [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in token.split(".")[:2]]
    claims = {**parts[0], **parts[1]}
    signed_at = claims.pop("iat")
    claims["exp"] -= signed_at
    claims["nbf"] -= signed_at
    return claims


def _without_framing(fields: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """HTTP/1.1: we know the length of the request and say it; the oracle sends chunks."""
    return [field for field in fields if field[0] not in ("transfer-encoding", "content-length")]


def _facts(runtime: _Runtime) -> list[tuple[str, str]]:
    with urllib.request.urlopen(f"{runtime.admin}/deployments", timeout=10) as answer:
        deployments = json.loads(answer.read())["deployments"]
    latest = max(deployments, key=lambda each: each["created_at"])
    return [(name, latest[name]) for name in ("protocol_type", "http_version")]


_ADDITIONAL = {"X-Token": "t", "accept": "x/y", "x-restate-cluster-name": "mine", "User-Agent": "me/1"}


@pytest.mark.parametrize("additional", [{}, _ADDITIONAL], ids=["plain", "additional"])
@pytest.mark.parametrize(
    ("bidi", "alpn", "use_http_11", "version"),
    [
        (True, None, False, "2"),
        (False, None, False, "2"),
        (False, None, True, "1.1"),
        (True, ("h2", "http/1.1"), False, "2"),
        (False, ("h2", "http/1.1"), False, "2"),
        (False, ("http/1.1",), False, "1.1"),
        (False, (), False, "1.1"),
        (False, ("h2", "http/1.1"), True, "1.1"),
    ],
)
def test_heads_are_the_same(
    pair: _Pair,
    additional: dict[str, str],
    bidi: bool,
    alpn: tuple[str, ...] | None,
    use_http_11: bool,
    version: str,
) -> None:
    tls: ssl.SSLContext | None = None if alpn is None else pair.authority.server(*alpn)
    # "k ä/" needs percent-encoding in the header, and none in the token.
    paths = ["/Rec/plain", f"/RecObject/{urllib.parse.quote('k ä/', safe='')}/plain"]
    previews = ["/Rec/serdes/decode/plain/input", "/Rec/serdes/encode/plain/output"]
    options = {"use_http_11": use_http_11, "additional_headers": additional}
    with recording_service(bidi=bidi, tls=tls) as service:
        theirs = _record(pair.oracle, service, options, paths, previews=previews)
        their_facts = _facts(pair.oracle)
        ours = _record(pair.everlog, service, options, paths, previews=previews)
        assert _facts(pair.everlog) == their_facts
    called = ["/discover", "/invoke/Rec/plain", "/invoke/RecObject/plain"]
    assert list(ours) == list(theirs) == [*called, "/serdes/Rec/decode/plain/input", "/serdes/Rec/encode/plain/output"]
    for path, request in ours.items():
        assert request.http_version == theirs[path].http_version == version
        assert request.method == theirs[path].method
        assert _without_framing(_shape(request)) == _without_framing(_shape(theirs[path])), path
        assert ("x-restate-signature-scheme", "v1") in request.headers


def test_paths_below_a_prefix_are_the_same(pair: _Pair) -> None:
    with recording_service() as service:
        service.uri += "/base/path/"
        theirs = _record(pair.oracle, service, {}, ["/Rec/plain"])
        ours = _record(pair.everlog, service, {}, ["/Rec/plain"])
    assert list(ours) == list(theirs) == ["/base/path/discover", "/base/path/invoke/Rec/plain"]
    for path, request in ours.items():
        assert _shape(request) == _shape(theirs[path])


def test_nested_calls_are_sent_the_same(pair: _Pair) -> None:
    with recording_service() as service:
        theirs = _record(pair.oracle, service, {}, ["/Rec/nested"])
        ours = _record(pair.everlog, service, {}, ["/Rec/nested"])
    assert sorted(ours) == sorted(theirs)
    for path, request in ours.items():
        assert _shape(request) == _shape(theirs[path])


# ---- trace context


def _trace(request: RecordedRequest) -> dict[str, str | None]:
    return {name: request.header(name) for name in ("traceparent", "tracestate")}


_TRACED = {"traceparent": _PARENT, "tracestate": "a=b,c=d"}


def test_trace_context_as_the_oracle_with_tracing_on(pair: _Pair, tmp_path: Path) -> None:
    """A call continues the trace on both. The span is the oracle's own there, and the client's here: we make none.

    A one-way call begins a new trace there, whose link to the first is in the oracle's span; here it is the same.
    """
    # It exports spans to a port where nobody listens, and sends trace context because it makes spans.
    with (
        private_oracle(tmp_path, RESTATE_TRACING_ENDPOINT="http://127.0.0.1:1") as oracle,
        recording_service() as service,
    ):
        theirs = _record(oracle, service, {}, ["/Rec/nested"], _TRACED)
        ours = _record(pair.everlog, service, {}, ["/Rec/nested"], _TRACED)
    form = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-01")
    for path in ("/invoke/Rec/nested", "/invoke/Rec/plain"):
        their_trace = _trace(theirs[path])
        assert _trace(ours[path]) == _TRACED
        assert their_trace["tracestate"] == _TRACED["tracestate"]
        match = form.fullmatch(their_trace["traceparent"] or "")
        assert match is not None
        assert match[1] == _TRACE
    sent = form.fullmatch(theirs["/invoke/RecObject/plain"].header("traceparent") or "")
    assert sent is not None
    assert sent[1] != _TRACE
    assert _trace(ours["/invoke/RecObject/plain"]) == _TRACED


def test_trace_context_is_passed_on_where_the_oracle_has_tracing_off(pair: _Pair) -> None:
    with recording_service() as service:
        theirs = _record(pair.oracle, service, {}, ["/Rec/plain"], _TRACED)
        ours = _record(pair.everlog, service, {}, ["/Rec/plain"], _TRACED)
    path = "/invoke/Rec/plain"
    assert _trace(theirs[path]) == {"traceparent": None, "tracestate": None}
    assert _trace(ours[path]) == _TRACED
    rest = [field for field in _shape(ours[path]) if field[0] not in _TRACED]
    assert rest == _shape(theirs[path])


# ---- certificates


@pytest.mark.parametrize("use_http_11", [False, True])
@pytest.mark.parametrize(
    ("host", "days", "text"),
    [
        ("localhost", (-3, -1), "not valid any more"),
        ("elsewhere.example", (-1, 1), "is for another name"),
        (None, (-1, 1), "of no authority that we trust"),
    ],
)
def test_a_registration_names_what_is_wrong_with_a_certificate(
    pair: _Pair, tmp_path: Path, use_http_11: bool, host: str | None, days: tuple[int, int], text: str
) -> None:
    """The oracle refuses it with the same code."""
    authority = pair.authority if host is not None else Authority(tmp_path, "stranger")
    tls = authority.server("h2", "http/1.1", host=host or "localhost", days=days)
    with recording_service(tls=tls) as service:
        body = {"uri": service.uri, "use_http_11": use_http_11}
        told = [_refusal(f"{runtime.admin}/deployments", body) for runtime in (pair.oracle, pair.everlog)]
    assert [(status, answer["restate_code"]) for status, answer in told] == [(500, "META0003")] * 2
    assert text in told[1][1]["message"]


def _refusal(url: str, body: Any) -> tuple[int, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=60)
    with caught.value as error:
        return error.code, json.loads(error.read())


def test_an_attempt_names_what_is_wrong_with_a_certificate(pair: _Pair, tmp_path: Path) -> None:
    """The service was registered with a good one; then it came back with one of somebody else."""
    with recording_service(tls=pair.authority.server("h2")) as service:
        _record(pair.everlog, service, {}, ["/Rec/plain"])
    with recording_service(tls=Authority(tmp_path, "stranger").server("h2"), port=service.port):
        sent = _call(f"{pair.everlog.ingress}/Rec/plain/send", 1)
        row = eventually(lambda: _last_failure(pair.everlog, sent["invocationId"]), what="the attempt has failed")
    assert row["last_failure_error_code"] == "RT0010"
    assert "the service's certificate is of no authority that we trust (see service_ca_file)" in row["last_failure"]


def _last_failure(runtime: _Runtime, invocation_id: str) -> dict[str, str] | None:
    columns = "last_failure, last_failure_error_code"
    query = f"select {columns} from sys_invocation where id = '{invocation_id}' and last_failure is not null"
    rows: list[dict[str, str]] = _call(f"{runtime.admin}/query", {"query": query})["rows"]
    return rows[0] if rows else None
