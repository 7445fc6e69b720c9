"""The harness finds what it is there to find: a check that cannot fail proves nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.fuzz.harness import fuzz

pytestmark = pytest.mark.slow

_DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "T", "version": "1"},
    "paths": {
        "/things/{name}": {
            "get": {
                "operationId": "get_thing",
                "parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {
                    "200": {
                        "description": "It",
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "object",
                                    "required": ["a"],
                                    "properties": {"a": {"type": "integer"}},
                                }
                            }
                        },
                    },
                    "500": {"description": "A failure"},
                },
            }
        }
    },
}


@contextmanager
def _server(status: int, content_type: str, body: bytes) -> Iterator[str]:
    """Answers so when it is asked for `known`, and as it is described otherwise."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/things/known"
            self.send_response(status if known else 200)
            self.send_header("content-type", content_type if known else "application/json")
            self.end_headers()
            self.wfile.write(body if known else b'{"a": 1}')

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def _fuzz(url: str, *, examples: int = 6, **options: Any) -> int:
    return fuzz(json.loads(json.dumps(_DOCUMENT)), url, examples=examples, names={"name": ["known"]}, **options)


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (500, "application/json", b'{"a": 1}'),
        (418, "application/json", b'{"a": 1}'),
        (200, "text/html", b'{"a": 1}'),
        (200, "application/json", b'{"a": "x"}'),
        (200, "application/json", b"{}"),
    ],
)
def test_an_answer_that_is_not_described_is_found(status: int, content_type: str, body: bytes) -> None:
    with _server(status, content_type, body) as url, pytest.raises(AssertionError, match=r"things/known"):
        # So many that the known name is among them for certain, by all that chance does.
        _fuzz(url, examples=40)


def test_what_is_described_and_allowed_is_not() -> None:
    with _server(200, "application/json", b'{"a": 2}') as url:
        assert _fuzz(url) >= 5
    with _server(500, "application/json", b"") as url:
        assert _fuzz(url, allowed=lambda response: response.status_code == 500) >= 5
