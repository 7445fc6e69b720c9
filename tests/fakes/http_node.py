"""A stub of a node's HTTP interfaces: answers by table, and remembers what it was asked."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pyarrow as pa

__all__ = ["Asked", "HttpNode", "http_node"]


class Asked(NamedTuple):
    """A request that came. `headers`: lower-case names."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


#: (status, headers, body); a body that is no bytes is sent as JSON.
Answer = tuple[int, dict[str, str], Any]


class HttpNode:
    """`answers`: (method, path) -> answer, or a function of the request. `rows`: part of a query -> its rows."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: dict[tuple[str, str], Answer | Callable[[Asked], Answer]] = {}
        self.rows: list[tuple[str, list[dict[str, Any]]]] = []
        #: Part of a query -> what is streamed; after the batches nothing but a cut connection if `cut`.
        self.arrow: dict[str, list[pa.RecordBatch]] = {}
        self.cut = False
        self.asked: list[Asked] = []

    def queries(self) -> list[str]:
        return [each.json["query"] for each in self.asked if each.path == "/query"]

    def bodies(self, path: str) -> list[Any]:
        return [each.json for each in self.asked if each.path == path]

    def answer_of(self, asked: Asked) -> Answer:
        if asked.path == "/query":
            return self._answer_of_query(asked.json["query"])
        found = self.answers.get((asked.method, asked.path))
        if found is None:
            return 404, {}, {"message": f"there is nothing at {asked.path}", "restate_code": None}
        return found(asked) if callable(found) else found

    def _answer_of_query(self, sql: str) -> Answer:
        for part, rows in self.rows:
            if part in sql:
                return 200, {}, {"rows": rows}
        return 400, {}, {"message": f"Datafusion error: nobody told what {sql} gives"}


def _handler(node: HttpNode) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, self.rfile.read(length))
            node.asked.append(asked)
            wants_arrow = "arrow" in headers.get("accept", "")
            batches = next((node.arrow[part] for part in node.arrow if part.encode() in asked.body), None)
            if wants_arrow and batches is not None:
                self._stream(batches)
                return
            status, more, body = node.answer_of(asked)
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in ({} if isinstance(body, bytes) else {"content-type": "application/json"} | more).items():
                self.send_header(name, value)
            for name, value in more.items() if isinstance(body, bytes) else ():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

        def _stream(self, batches: list[pa.RecordBatch]) -> None:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, batches[0].schema) as writer:
                for batch in batches:
                    writer.write_batch(batch)
            data = sink.getvalue().to_pybytes()
            self.send_response(200)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            sent = data[: len(data) // 2] if node.cut else data
            self.wfile.write(b"%x\r\n%b\r\n" % (len(sent), sent))
            if node.cut:
                self.close_connection = True
            else:
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    return Handler


@contextlib.contextmanager
def http_node() -> Iterator[HttpNode]:
    """Listens on a port of its own."""
    node = HttpNode("")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(node))
    server.daemon_threads = True
    node.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield node
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
