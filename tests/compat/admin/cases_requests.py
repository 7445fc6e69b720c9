"""Cases of requests by their outside: routes, versions, methods, types, encodings, hostile ones. Pure: no I/O."""

from __future__ import annotations

from typing import Any

from tests.compat.admin.case import NOTHING, Ask, Case, Raw, Serve, each
from tests.metad.harness import manifest, service

__all__ = ["CASES"]

_NOBODY_ID = "inv_1dceKvwtEc2n6bqpHd0j9orRaNoWIcqk2l"
_LARGE = b'{"query":"' + b"x" * 3_000_000 + b'"}'
_LONG = "a=b&" * 10_000
#: Paths of all routes, to be asked by the wrong methods.
_PATHS = (
    "/health",
    "/version",
    "/cluster-health",
    "/openapi",
    "/deployments",
    "/deployments/dp_10000000000000000000000",
    "/services",
    "/services/Nope",
    "/services/Nope/handlers",
    "/services/Nope/handlers/h",
    "/services/Nope/openapi",
    f"/invocations/{_NOBODY_ID}",
    f"/invocations/{_NOBODY_ID}/cancel",
    "/subscriptions",
    "/subscriptions/sub_10000000000000000000000",
    "/kafka-clusters",
    "/kafka-clusters/nope",
    "/limits/rules",
    "/limits/rules/bulk-delete",
    "/query",
    "/internal/invocations_batch_operations/kill",
)
_WRONG: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/nope", NOTHING),
    ("GET", "/services/", NOTHING),
    ("GET", "/version/", NOTHING),
    ("GET", "//version", NOTHING),
    ("GET", "/services//handlers", NOTHING),
    ("GET", "/VERSION", NOTHING),
    ("GET", "/v1", NOTHING),
    ("GET", "/v1/", NOTHING),
    ("GET", "/v1/version", NOTHING),
    ("POST", "/v1/deployments", b"{"),
    ("DELETE", "/v1/nope", NOTHING),
    ("GET", "/v5/version", NOTHING),
    ("GET", "/v02/version", NOTHING),
    ("GET", "/v2/v2/version", NOTHING),
    ("GET", "/v2/nope", NOTHING),
    ("GET", "/internal", NOTHING),
    ("GET", "/invocations", NOTHING),
    ("PATCH", "/invocations/foo/cancel", NOTHING),
    ("PATCH", "/invocations/inv_1/kill", NOTHING),
    ("PATCH", "/invocations/dp_10000000000000000000000/purge", NOTHING),
    ("PATCH", f"/invocations/{_NOBODY_ID}x/pause", NOTHING),
    ("PATCH", "/invocations//cancel", NOTHING),
    ("DELETE", "/invocations/foo", NOTHING),
    ("DELETE", "/invocations/foo?mode=explode", NOTHING),
    ("GET", f"/invocations/{_NOBODY_ID}", NOTHING),
    ("PATCH", f"/invocations/{_NOBODY_ID}/explode", NOTHING),
    ("DELETE", f"/invocations/{_NOBODY_ID}?mode=explode", NOTHING),
    ("DELETE", f"/invocations/{_NOBODY_ID}?mode=KILL", NOTHING),
    ("DELETE", f"/invocations/{_NOBODY_ID}?mode=kill&mode=kill", NOTHING),
    ("PATCH", "/invocations/foo/resume?deployment=nope", NOTHING),
    ("PATCH", f"/invocations/{_NOBODY_ID}/resume?deployment=nope", NOTHING),
    ("PATCH", f"/invocations/{_NOBODY_ID}/resume?deployment=", NOTHING),
    ("PATCH", f"/invocations/{_NOBODY_ID}/resume?deployment=dp_1x", NOTHING),
    ("PATCH", f"/invocations/{_NOBODY_ID}/resume?deployment=keep&deployment=keep", NOTHING),
    ("PATCH", f"/invocations/{_NOBODY_ID}/restart-as-new?from=x", NOTHING),
    ("PATCH", f"/invocations/{_NOBODY_ID}/restart-as-new?from=-1", NOTHING),
    ("PATCH", f"/invocations/{_NOBODY_ID}/restart-as-new?from=4294967296", NOTHING),
    ("PATCH", f"/invocations/{_NOBODY_ID}/restart-as-new?from=", NOTHING),
    ("PATCH", f"/invocations/{_NOBODY_ID}/restart-as-new?from=1&from=2", NOTHING),
    ("POST", "/query", b"{"),
    ("POST", "/query", {}),
    ("POST", "/query", {"query": 1}),
    ("POST", "/query", NOTHING),
    *(
        ("POST", f"/internal/invocations_batch_operations/{verb}", body)
        for verb, body in (
            ("kill", {"invocation_ids": [_NOBODY_ID] * 1001}),
            ("kill", {"invocation_ids": ["inv_1"]}),
            ("cancel", {"invocation_ids": "all"}),
            ("purge", {}),
            ("purge-journal", b"not json"),
            ("pause", {"invocation_ids": [5]}),
            ("kill", {"invocation_ids": []}),
            ("resume", {"invocation_ids": [], "deployment": "dp_foo!"}),
            ("resume", {"invocation_ids": [], "deployment": None}),
            ("restart-as-new", {"invocation_ids": [], "deployment": 7}),
            ("restart-as-new", {"invocation_ids": []}),
            ("explode", {"invocation_ids": []}),
        )
    ),
    ("POST", "/internal/nope", {}),
)
_HOSTILE: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/services/%FF", NOTHING),
    ("GET", "/services/%C3%A9", NOTHING),
    ("GET", "/services/%zz", NOTHING),
    ("GET", "/services/%", NOTHING),
    ("GET", "/services/a%2Fb", NOTHING),
    ("GET", "/services/%00", NOTHING),
    ("GET", "/services/%7Bx%7D", NOTHING),
    ("GET", "/services/..%2F..%2Fetc%2Fpasswd", NOTHING),
    ("GET", "/services/../version", NOTHING),
    ("GET", "/services/./Nope", NOTHING),
    ("GET", "/services/" + "x" * 10_000, NOTHING),
    ("GET", "/services/Nope/handlers/%FF", NOTHING),
    ("GET", "/deployments/%FF", NOTHING),
    ("GET", "/deployments/dp_1%30000000000000000000000", NOTHING),
    ("PATCH", "/invocations/%FF/cancel", NOTHING),
    ("PATCH", "/services/Nope", b"[" * 100_000),
    ("PATCH", "/services/Nope", b'{"a":' * 200 + b"1" + b"}" * 200),
    ("PATCH", "/services/Nope", b'{"public":true,"public":false}'),
    ("PATCH", "/services/Nope", b'{"abort_timeout":"\xff"}'),
    ("PATCH", "/services/Nope", b'{"abort_timeout":"\\ud800"}'),
    ("PATCH", "/services/Nope", b"\xef\xbb\xbf{}"),
    ("PATCH", "/services/Nope", b"NaN"),
    ("PATCH", "/services/Nope", b"null"),
    ("PATCH", "/services/Nope", b"1e999"),
    ("PATCH", "/services/Nope", b"{} {}"),
    ("PATCH", "/services/Nope", b"{}\n\t "),
    ("PATCH", "/services/Nope", b"\x00"),
    ("POST", "/deployments", {"uri": "http://127.0.0.1:1/" + "a" * 70_000}),
)
_TYPES = (
    None,
    "application/json",
    "APPLICATION/JSON",
    "application/json; charset=latin1",
    "application/problem+json",
    "application/json+x",
    "text/json",
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/json, text/plain",
    "json",
    "",
)
_ENCODINGS = ("gzip", "gzip;q=0", "identity", "*", "x", "gzip;q=0.5, identity;q=1", "", "GZIP", "deflate")


def _typed(content_type: str | None) -> Case:
    # A body of its own type, and the header exactly as it is here.
    headers = {"content-type": content_type} if content_type is not None else {}
    return Case(f"a body of type {content_type!r}", (Ask("PATCH", "/services/Nope", b'{"public":true}', headers),))


CASES = (
    Case("health", (Ask("GET", "/health"), Ask("HEAD", "/health"))),
    Case(
        "version",
        (*(Ask("GET", f"{api}/version", shape=True) for api in ("", "/v2", "/v3", "/v4")), Ask("HEAD", "/version")),
    ),
    Case("health of the cluster", (Ask("GET", "/cluster-health", shape=True),)),
    *(
        Case(
            f"methods of {path}",
            tuple(Ask(method, path) for method in ("OPTIONS", "TRACE", "HEAD")),
        )
        for path in _PATHS
    ),
    Case("a method that nobody knows", (Ask("BREW", "/version"),)),
    Case(
        "queries that mean nothing", tuple(Ask("GET", f"/version?{query}", shape=True) for query in ("%FF=%zz", _LONG))
    ),
    *each("wrong", *_WRONG),
    *each("hostile", *_HOSTILE),
    *(_typed(content_type) for content_type in _TYPES),
    Case(
        "answers by Accept-Encoding",
        (
            Serve("a", manifest(service("$tS", documentation="word " * 2000))),
            Ask("POST", "/deployments", {"uri": "$a"}),
            *(Ask("GET", "/services/$tS", headers={"accept-encoding": coding}) for coding in _ENCODINGS),
        ),
    ),
    *(
        Case(f"raw: {title}", (Raw(data),))
        for title, data in (
            (
                "a large body",
                b"POST /query HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
                % len(_LARGE)
                + _LARGE,
            ),
            (
                "a large body in chunks",
                b"POST /query HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n"
                b"transfer-encoding: chunked\r\n\r\n%x\r\n" % len(_LARGE) + _LARGE + b"\r\n0\r\n\r\n",
            ),
            ("no host", b"GET /version HTTP/1.1\r\n\r\n"),
            ("HTTP/1.0", b"GET /version HTTP/1.0\r\n\r\n"),
            ("bad version", b"GET /version HTTP/9.9\r\nhost: h\r\n\r\n"),
            ("bytes in the target", b"GET /services/\xff\xfe HTTP/1.1\r\nhost: h\r\n\r\n"),
            ("a blank in the target", b"GET /ver sion HTTP/1.1\r\nhost: h\r\n\r\n"),
            ("absolute target", b"GET http://h/version HTTP/1.1\r\nhost: h\r\n\r\n"),
            ("asterisk", b"OPTIONS * HTTP/1.1\r\nhost: h\r\n\r\n"),
            ("connect", b"CONNECT h:1 HTTP/1.1\r\nhost: h\r\n\r\n"),
            ("bytes in a header", b"GET /version HTTP/1.1\r\nhost: h\r\nx-a: \xff\xfe\r\n\r\n"),
            ("a long header", b"GET /version HTTP/1.1\r\nhost: h\r\nx-a: " + b"a" * 20_000 + b"\r\n\r\n"),
            ("many headers", b"GET /version HTTP/1.1\r\nhost: h\r\n" + b"x-a: b\r\n" * 90 + b"\r\n"),
            (
                "length and chunks",
                b"POST /query HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ncontent-length: 3\r\n"
                b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            ),
            (
                "bad length",
                b"POST /query HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ncontent-length: x\r\n\r\n",
            ),
            (
                "bad chunk",
                b"POST /query HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n"
                b"transfer-encoding: chunked\r\n\r\nzz\r\n\r\n",
            ),
            (
                "expects something",
                b"POST /query HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\nexpect: tea\r\n"
                b"content-length: 2\r\n\r\n{}",
            ),
            (
                "compressed body",
                b"POST /query HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n"
                b"content-length: 2\r\n\r\n{}",
            ),
        )
    ),
)
