"""Requests that the oracle and we answer alike, in the order in which they are made."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

__all__ = ["REQUESTS", "Request"]

_JSON = {"content-type": "application/json"}
_UNKNOWN = "inv_1lgAm7zJ2c8B2ZQdOieDK1VMblfj6jU52h"
_SIGNAL = "sign_1AY2ZO0Vsz0wBAAAAAAAAAAAAAAAAAAAAAAAAEQ"


@dataclass(frozen=True)
class Request:
    """`words` False: the message is worded differently, only its beginning up to the last colon is the same."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    words: bool = True

    def worded_as_ours(self) -> Request:
        """The same, and the words may differ."""
        return replace(self, words=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.headers} {self.body!r}"


def _get(path: str, **headers: str) -> Request:
    return Request("GET", path, _named(headers))


def _post(path: str, body: bytes = b'"x"', *, words: bool = True, **headers: str) -> Request:
    return Request("POST", path, _JSON | _named(headers), body, words)


def _typed(path: str, content_type: str | None, body: bytes) -> Request:
    return Request("POST", path, {} if content_type is None else {"content-type": content_type}, body)


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


_PATHS = [
    *(_get(path) for path in ("/", "/a", "//", "/openapi", "/openapi/x", "/a/b/c/d/e/f/g/h", "/a/b/c/d/e")),
    _post("/IngSvc/greet/"),
    _post("/IngSvc/greet//"),
    _post("//IngSvc/greet"),
    _get("/IngSvc/greet"),
    _get("/IngSvc/nothing"),
    *(Request(method, "/IngSvc/nothing") for method in ("PUT", "DELETE", "PATCH", "HEAD", "TRACE")),
    Request("PUT", "/Nope/nothing"),
    _post("/Nope/greet"),
    _post("/IngSvc/nope"),
    _post("/IngSvc"),
    _post("/IngObj/add", b"1"),
    _post("/IngObj/k/nope", b"1"),
    _post("/IngObj/k", b"1"),
    _post("/IngSvc/k/greet"),
    _post("/IngSvc/greet/nope"),
    _post("/IngSvc/greet/send/x"),
    _post("/IngSvc//send"),
    _post("/IngSvc//greet"),
    _post("/IngObj/send", b"1"),
    _post("/IngObj/add/send", b"1"),
    _post("/IngObj/send/add", b"1"),
    _post("/IngObj//add", b"1"),
    _post("/IngSv%63/greet"),
    _post("/IngSvc/gree%74"),
    *(_post(f"/IngObj/{key}/add", b"1", idempotency_key="k") for key in ("a%20b", "a%2Fb", "a+b", "%zz", "%")),
    _post("/IngObj/%E2%82%AC/add", b"1", idempotency_key="k"),
    _post("/IngObj/%00/add", b"1", idempotency_key="k"),
    _post("/IngObj/%ff/add", b"1", words=False),
    _post("/IngFlow/run"),
    _get("/restate"),
    _get("/restate/nope"),
    _get("/restate/nope/x"),
    _get("/Restate/health"),
    _post("/restate/health"),
]

_INPUTS = [
    _typed("/IngSvc/greet", None, b'"x"'),
    _typed("/IngSvc/greet", "text/plain", b'"x"'),
    _typed("/IngSvc/greet", "application/json", b""),
    _typed("/IngSvc/greet", None, b""),
    _typed("/IngSvc/greet", "application/json; charset=utf-8", b'"x"'),
    _typed("/IngSvc/greet", "application/json ;charset=utf-8", b'"x"'),
    _typed("/IngSvc/greet", "Application/JSON", b'"x"'),
    _typed("/IngSvc/greet", "application/vnd.a+json", b'"x"'),
    _typed("/IngSvc/greet", "*/*", b'"x"'),
    _typed("/IngSvc/greet", "garbage", b'"x"'),
    _typed("/IngSvc/greet", "", b'"x"'),
    _typed("/IngSvc/raw", "application/octet-stream", b"\x00\xff"),
    _typed("/IngSvc/raw", "application/octet-stream", b""),
    _typed("/IngSvc/raw", None, b""),
    _typed("/IngSvc/raw", None, b"a"),
    _typed("/IngSvc/raw", "application/json", b'""'),
    _typed("/IngSvc/anything", None, b""),
    _typed("/IngSvc/anything", None, b"z"),
    _typed("/IngSvc/anything", "application/json", b"z"),
    _typed("/IngSvc/anything", "application/json", b""),
    _typed("/IngSvc/anything", "garbage", b"z"),
    _typed("/IngSvc/text", "text/html", b"z"),
    _typed("/IngSvc/text", "text/", b"z"),
    _typed("/IngSvc/text", "text", b"z"),
    _typed("/IngSvc/text", "textx/html", b"z"),
    _typed("/IngSvc/text", "text/html;a=b", b"z"),
    _typed("/IngSvc/vendor", "application/vnd.thing+json", b""),
    _typed("/IngSvc/vendor", "application/vnd.thing+json", b"x"),
    _typed("/IngSvc/must", "application/json", b""),
    _typed("/IngSvc/must", None, b""),
    _typed("/IngSvc/must", None, b'"x"'),
    _typed("/IngSvc/must_any", None, b""),
    _typed("/IngSvc/must_any", "a/b", b""),
    _typed("/IngSvc/must_any", "a/b", b"x"),
    _typed("/IngSvc/nothing", "application/json", b""),
    _typed("/IngSvc/nothing", "application/json", b"{}"),
    _typed("/IngSvc/nothing", None, b"{}"),
    _typed("/IngSvc/nothing", None, b""),
    _post("/IngSvc/silent"),
    _post("/IngSvc/secret"),
    _post("/IngHidden/greet"),
    _post("/IngHidden/nope"),
    _post("/IngHidden/greet/send"),
    *(_post("/IngSvc/fail", code) for code in (b"400", b"418", b"409", b"570", b"200", b"99", b"1000", b"599")),
]

_HEADERS = [
    _post("/IngSvc/greet", idempotency_key=""),
    _post("/IngSvc/greet", idempotency_key="a b"),
    _post("/IngSvc/greet", idempotency_key="a,b"),
    _post("/IngSvc/greet", idempotency_key="x" * 3000),
    _post("/IngSvc/greet", idempotency_key="\xe9", words=False),
    _post("/IngSvc/greet", x_a="\xe9", words=False),
    Request("POST", "/IngSvc/greet", {"content-type": "\xe9"}, b"1", words=False),
    _post("/IngFlow/k/run", idempotency_key="z"),
    _post("/restate/call/IngFlow/k/run", idempotency_key="z"),
    Request("PUT", "/IngSvc/greet?delay=bad", {"x-a": "\xe9"}),
    Request("PUT", "/IngSvc/greet", {"idempotency-key": "\xe9"}, words=False),
    Request("PUT", "/IngFlow/k/run", {"idempotency-key": "z"}),
    Request("PUT", "/IngSvc/secret"),
    Request("PUT", "/IngObj/%ff/add", words=False),
    Request("POST", "/IngSvc/greet?delay=bad", {}, b"1"),
    _post("/IngSvc/secret?delay=bad"),
    _post("/IngSvc/greet?delay=1s", words=False, x_a="\xe9"),
    _post("/IngSvc/greet", x_a="\xe9", x_restate_limit_key="a"),
    _post("/IngSvc/greet?limit-key=a"),
    _post("/IngSvc/greet?LIMIT-KEY=a/b/c"),
    _post("/IngSvc/greet?limit-key=b!", x_restate_limit_key="a"),
    *(_post("/IngSvc/greet", x_restate_limit_key=key) for key in ("a/b", "a b", "", "a/", "a" * 37)),
    _post("/IngSvc/greet", traceparent="zz"),
    _get("/IngSvc/nothing", origin="http://a.b"),
    _get("/nope", origin="null"),
    Request("OPTIONS", "/nope"),
    Request("OPTIONS", "/nope", {"origin": "http://a.b"}),
    Request("OPTIONS", "/IngSvc/greet", {"origin": "http://a.b", "access-control-request-method": "PUT"}),
    Request("OPTIONS", "/restate/health", {"access-control-request-headers": "a, b"}),
]

_SENDS = [
    _post("/IngSvc/greet/send"),
    _get("/IngSvc/nothing/send"),
    _get("/IngSvc/nothing/send/"),
    _post("/restate/send/IngSvc/greet"),
    _post("/restate/send/IngObj/k/add", b"1"),
    _post("/IngSvc/greet/send?DELAY=1h&delay=bad"),
    _post("/IngSvc/greet/send?foo=1&de%6Cay=1h&b"),
    _post("/restate/send/IngSvc/greet?delay=1h"),
    _post("/IngSvc/greet?delay=1s"),
    _post("/restate/call/IngSvc/greet?delay=1s"),
    _post("/IngSvc/greet?delay=bad", words=False),
    _post("/IngSvc/greet?delay", words=False),
    _post("/IngSvc/greet?x=y"),
]

_NEW = [
    _post("/restate/call/IngSvc/greet"),
    _get("/restate/call/IngSvc/nothing"),
    _post("/restate/call/IngObj/k/add", b"1"),
    *(
        _post(f"/restate/{path}")
        for path in (
            "call",
            "call/IngSvc",
            "call/Nope",
            "call/IngSvc/greet/send",
            "call/IngObj/add",
            "call/IngObj/k/add/x",
            "call/Nope/add",
            "call/IngSvc/nope",
            "call/IngSvc/secret",
            "scope",
            "scope/s",
            "scope/s/call",
            "scope/s/call/IngSvc/greet",
            "scope/s/call/IngSvc/greet/send",
            "scope/s/call/IngSvc/greet/send/x/y",
            "scope/s/send/IngSvc/greet",
            "scope/s/send/IngSvc/greet?delay=1h",
            "scope/s/call/IngSvc/greet?delay=1h",
            "scope/s/call/IngObj/k/add/x",
            "scope/s/send/IngFlow/keyless/status",
            "scope/s/call/IngHidden/greet",
            "scope/s/nope/IngSvc/greet",
            "scope/s%20/call/IngSvc/greet",
            "scope//call/IngSvc/greet",
            f"scope/{'s' * 37}/call/IngSvc/greet",
            "scope/s/call/Nope/greet",
            "scope/s/call/IngObj/add",
            "scope/s/call/IngSvc/secret",
            "scope/s/lookup",
        )
    ),
    _post("/restate/scope/s/send/IngSvc/greet?delay=bad", words=False),
    Request("PUT", "/restate/scope/s/call/IngSvc/greet"),
    Request("PUT", "/restate/scope/s%20/call/IngSvc/greet"),
    Request("PUT", "/restate/scope/s/call/IngSvc/secret"),
    Request("POST", "/restate/scope/s/call/IngSvc/greet?limit-key=!", {}, b""),
    Request("PUT", "/restate/call/IngSvc/greet"),
]

_LIMIT_KEYS = ("a", "a/b", "a/", "a/b/", "", "/", "a//", "a b", "a/b c", "a/b/c", "a b/c/d", "a" * 36, "a" * 37, "*")

_SCOPED = [
    *(
        _post(path, b"1", idempotency_key="i")
        for scope in ("s", "t.-_9", "S" * 36)
        for path in (f"/restate/scope/{scope}/send/IngSvc/greet", f"/restate/scope/{scope}/send/IngObj/k/add")
    ),
    _post("/restate/scope/s/send/IngObj/k/add", b"1", idempotency_key="i", x_restate_limit_key="other"),
    _post("/restate/scope/s/call/IngSvc/greet", idempotency_key="i2", x_restate_limit_key="a/b"),
    _post("/restate/scope/s/call/IngSvc/greet", idempotency_key="i2", x_restate_limit_key="a/b"),
    _post("/restate/scope/s/call/IngFlow/w/run", b'"x"', x_restate_limit_key="a/b"),
    _post("/restate/scope/s/call/IngFlow/w/run"),
    _post("/restate/scope/s/call/IngFlow/w/run", idempotency_key="i"),
    _post("/restate/scope/t/send/IngFlow/w/run"),
    _get("/restate/scope/s/call/IngFlow/w/status", idempotency_key="i"),
    *(
        _post("/restate/scope/s/send/IngSvc/greet", idempotency_key=f"limit-{key}", x_restate_limit_key=key)
        for key in _LIMIT_KEYS
    ),
    *(
        _post(f"/restate/scope/s/send/IngSvc/greet?Limit-Key={key.replace('/', '%2F')}", idempotency_key=f"query-{key}")
        for key in _LIMIT_KEYS
        if " " not in key
    ),
    _post("/restate/scope/s/send/IngSvc/greet", words=False, x_restate_limit_key="\xe9"),
    _post("/restate/scope/s/send/IngSvc/greet?limit-key=b!", idempotency_key="both", x_restate_limit_key="a"),
    _post("/restate/scope/s/send/IngSvc/greet?limit-key=b!", idempotency_key="none", x_restate_limit_key=""),
    *(_get(f"/restate/{action}/{_UNKNOWN}") for action in ("attach", "output")),
]

_IDEMPOTENT = "idempotentInvocation"
_BODIES = [
    f'{{"target":"{_IDEMPOTENT}","service":"IngSvc","handler":"greet","idempotencyKey":"i"}}',
    f'{{"target":"{_IDEMPOTENT}","service":"IngObj","key":"k","handler":"add","idempotencyKey":"i"}}',
    f'{{"target":"{_IDEMPOTENT}","service":"IngFlow","key":"w","handler":"status","idempotencyKey":"i"}}',
    f'{{"target":"{_IDEMPOTENT}","service":"IngSvc","handler":"greet","idempotencyKey":"unknown"}}',
    f'{{"target":"{_IDEMPOTENT}","service":"Nope","handler":"greet","idempotencyKey":"\xe9"}}',
    '{"target":"workflow","workflowName":"IngFlow","workflowKey":"w"}',
    '{"target":"workflow","workflowName":"IngFlow","workflowKey":"later"}',
    '{"target":"workflow","workflowName":"IngSvc","workflowKey":"k","scope":null,"more":1}',
    f'{{"target":"{_IDEMPOTENT}","service":"IngSvc","handler":"greet","idempotencyKey":"i2","scope":"s"}}',
    f'{{"target":"{_IDEMPOTENT}","service":"IngSvc","handler":"greet","idempotencyKey":"i2","scope":"t"}}',
    f'{{"target":"{_IDEMPOTENT}","service":"IngObj","key":"k","handler":"add","idempotencyKey":"i","scope":"s"}}',
    f'{{"target":"{_IDEMPOTENT}","service":"IngObj","key":"k","handler":"add","idempotencyKey":"i","scope":"nope"}}',
    f'{{"target":"{_IDEMPOTENT}","service":"IngObj","key":"k","handler":"add","idempotencyKey":"i","scope":""}}',
    f'{{"target":"{_IDEMPOTENT}","service":"A,b","key":"c,d","handler":"","idempotencyKey":"","scope":"t.-_9"}}',
    '{"target":"workflow","workflowName":"IngFlow","workflowKey":"w","scope":"s"}',
    '{"target":"workflow","workflowName":"IngFlow","workflowKey":"w","scope":"nope"}',
    '{"target":"workflow","workflowName":"IngFlow","workflowKey":"w","scope":"a b"}',
    '{"target":"workflow","workflowName":"IngFlow","workflowKey":"w","scope":"*"}',
    f'{{"target":"workflow","workflowName":"IngFlow","workflowKey":"w","scope":"{"s" * 37}"}}',
    f'{{"target":"invocation","invocationId":"{_UNKNOWN}","scope":"s"}}',
    f'{{"target":"invocation","invocationId":"{_UNKNOWN}"}}',
    '{"target":"invocation","invocationId":"bad"}',
]

_RESULTS = [
    _post("/IngSvc/greet", idempotency_key="i"),
    _post("/IngSvc/greet", b'"y"', idempotency_key="i"),
    _post("/IngSvc/greet/send", idempotency_key="i"),
    _post("/IngSvc/fail", b"418", idempotency_key="i"),
    _post("/IngSvc/fail", b"418", idempotency_key="i"),
    _post("/IngSvc/silent", idempotency_key="i"),
    _get("/IngSvc/kept", idempotency_key="i"),
    _get("/IngSvc/unjournaled", idempotency_key="i"),
    _post("/IngObj/k/add", b"1", idempotency_key="i"),
    _post("/IngObj/k/add", b"1", idempotency_key="i"),
    _get("/IngObj/k/peek", idempotency_key="i"),
    _post("/IngFlow/w/run"),
    _post("/IngFlow/w/run"),
    _post("/IngFlow/w/run/send"),
    _post("/IngFlow/later/run/send?delay=1h"),
    _post("/IngFlow/later/run/send?delay=2h"),
    _get("/IngFlow/w/status"),
    _get("/IngFlow/w/status", idempotency_key="i"),
    _get("/IngFlow/w/status", idempotency_key="i"),
    _get("/IngKept/w/kept_run"),
    _get("/IngKept/w/two_hours"),
    _get("/IngKept/w/two_hours", idempotency_key="i"),
    _get("/IngKept/w/no_journal", idempotency_key="i"),
    *(
        _get(f"/restate/invocation/{path}")
        for path in (
            "IngSvc/greet/i/output",
            "IngSvc/greet/i/attach",
            "IngSvc/greet/i/nope",
            "IngSvc/greet/unknown/output",
            "IngSvc/greet/i",
            "IngSvc/nope/i/attach",
            "IngSvc/k/greet/i/output",
            "IngSvc/secret/i/output",
            "IngSvc/fail/i/attach",
            "IngSvc/silent/i/output",
            "IngSvc/greet",
            "IngObj/%6B/add/i/output",
            "IngObj/k/add/i/attach",
            "IngObj/k/add/i/attach/x",
            "IngObj/k/add/i",
            "IngObj/add/i/attach",
            "IngFlow/w/status/i/output",
            "Nope/add/i/attach",
            f"{_UNKNOWN}/attach",
            f"{_UNKNOWN}/output",
            f"{_UNKNOWN}/nope",
            f"{_UNKNOWN}/attach/x",
            _UNKNOWN,
            "bad/output",
            "bad/nope",
        )
    ),
    _get("/restate/invocation"),
    Request("GET", "/restate/invocation/IngObj/%ff/add/i/output", words=False),
    _post("/restate/invocation/bad/output"),
    _post(f"/restate/invocation/{_UNKNOWN}/output"),
    _post("/restate/invocation/IngSvc/x/y/output"),
    *(
        _get(f"/restate/workflow{path}")
        for path in (
            "/IngFlow/w/output",
            "/IngFlow/w/attach",
            "/IngFlow/w/output/x",
            "/IngFlow/w/nope",
            "/IngFlow/w",
            "/IngFlow/later/output",
            "/IngFlow/unknown/output",
            "/IngFlow/unknown/attach",
            "/IngFl%6Fw/w/output",
            "/Nope/k/output",
            "/IngSvc/k/output",
            "/IngFlow",
            "",
        )
    ),
    Request("POST", "/restate/workflow/IngFlow/%ff/output", words=False),
    _post("/restate/workflow/IngFlow/k/output"),
    *(_post(f"/restate/{action}", body.encode()) for action in ("lookup", "attach", "output") for body in _BODIES[:5]),
    *(_post(f"/restate/{action}", body.encode()) for action in ("lookup", "output") for body in _BODIES[5:]),
    *(
        _post(f"/restate/{action}", body, words=False)
        for action in ("lookup", "attach", "output")
        for body in (b"{", b"", b"[]", b'{"target":"nope"}', b'{"target":"workflow"}', b"\xff")
    ),
    *(_get(f"/restate/{action}") for action in ("lookup", "attach", "output", "attach/")),
    _get("/restate/lookup/x"),
    _post("/restate/lookup/x"),
    _get(f"/restate/attach/{_UNKNOWN}/x"),
    _post(f"/restate/attach/{_UNKNOWN}"),
    _post("/restate/attach/bad"),
]

_IDS = [
    *(
        _get(f"/restate/attach/{text}")
        for text in (
            _UNKNOWN,
            "bad",
            "inv",
            "inv_",
            "inv_1",
            "inv_2abc",
            "_1",
            "foo_1abc",
            "dp_1lgAm7zJ2c8B2ZQdOieDK1VMblfj6jU52h",
            "sign_1abc",
            "inv_1" + "Z" * 33,
            "inv_1" + "!" * 33,
            "inv_1" + "0" * 34,
            "INV_1lgAm7zJ2c8B2ZQdOieDK1VMblfj6jU52h",
            "%FF",
        )
    ),
    *(
        _post(f"/restate/awakeables/{text}/resolve", b"1")
        for text in (
            _SIGNAL,
            _SIGNAL + "=",
            _SIGNAL + "AA",
            "sign_1AY2ZO0Vsz0wBAAAAAAAAAAAAAAAAAAAAAAAAER",
            "sign_2AY2ZO0Vsz0wBAAAAAAAAAAAAAAAAAAAAAAAAEQ",
            "sign_1",
            "sign_1!!",
            "bad",
            "prom_1abc",
            "prom",
            "prom_",
            "prom_2abc",
            "prom_1" + "A" * 38,
            "prom_1" + "A" * 39,
            "dp_1x",
            "foo_1abc",
            "_",
            "",
        )
    ),
    Request("POST", f"/restate/a/{_SIGNAL}/reject", {}, b"\xff"),
    _post(f"/restate/a/{_SIGNAL}/nope"),
    _post(f"/restate/a/{_SIGNAL}/resolve/x"),
    _post(f"/restate/a/{_SIGNAL}"),
    _post("/restate/a"),
    _get(f"/restate/a/{_SIGNAL}/reject"),
    _get("/restate/a/bad/reject"),
]

_PREFLIGHT = {
    "origin": "http://a.b",
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type,idempotency-key",
    "access-control-request-private-network": "true",
}

_MORE = [
    *(
        Request(method, path)
        for method in ("HEAD", "PUT", "DELETE", "PATCH")
        for path in (
            "/restate/health",
            f"/restate/attach/{_UNKNOWN}",
            "/restate/lookup",
            f"/restate/a/{_SIGNAL}/resolve",
            "/restate/workflow/IngFlow/k/output",
            "/IngSvc/greet/send",
            "/restate/call/IngObj/k/add",
        )
    ),
    *(
        Request("OPTIONS", path, _PREFLIGHT)
        for path in ("/", "/restate/call/IngSvc/greet", "/IngHidden/greet", "/a/b/c")
    ),
    _post("/IngSvc/greet", origin="http://a.b", idempotency_key="cors"),
    _post("/IngSvc/fail", b"418", origin="null", idempotency_key="cors"),
    _get("/restate/health", origin="http://a.b"),
    *(
        _post(f"/IngObj/{key}/add", b"1", idempotency_key="k")
        for key in (
            "%2F",
            "%252F",
            "%2e%2e",
            "%20",
            "a,b",
            "k;v=1",
            "k:v@w",
            "k" * 5000,
            "%F0%9F%A6%80",
            "%C3%A9",
            "e%CC%81",
            "%EF%BF%BD",
            "%7f",
            "%0d%0a",
            "%1",
            "%u0041",
            "~!$&'()*",
        )
    ),
    _post("/IngObj/%E2%82/add", b"1", words=False),
    _post("/IngObj/%C0%80/add", b"1", words=False),
    _post("/IngObj/%ED%A0%80/add", b"1", words=False),
    _post("/IngFlow/%2F/run"),
    _get("/restate/workflow/IngFlow/%2F/attach"),
    _get("/restate/workflow/IngFlow/%252F/output"),
    _get("/restate/invocation/IngObj/%2F/add/k/output"),
    _get("/restate/invocation/IngSvc/greet/%69/output"),
    _post("/restate/scope/%73/call/IngSvc/greet", idempotency_key="i"),
    _post("/restate/scope/s%2Ft/call/IngSvc/greet"),
    _post("/restate/scope/%ff/call/IngSvc/greet", words=False),
    *(_get(f"/IngSvc/nothing/send?delay={delay}") for delay in ("0", "0s", "PT0S", "1s&delay=2h", "1d", "P1D", "1w")),
    *(_get(f"/IngSvc/nothing/send?delay={delay}").worded_as_ours() for delay in ("", "-1s", "1", "abc", "1e3s", "PT")),
    _get("/IngSvc/nothing/send?delay=1s", idempotency_key="delayed"),
    _get("/IngSvc/nothing/send?delay=2s", idempotency_key="delayed"),
    _post("/IngSvc/greet", accept="text/plain", x_restate_id="inv_1", te="trailers", x_empty=""),
    _get("/IngSvc/nothing", content_type="application/json"),
]

REQUESTS = [*_PATHS, *_INPUTS, *_HEADERS, *_SENDS, *_NEW, *_SCOPED, *_RESULTS, *_IDS, *_MORE]
