"""`everlog up` gives up on a node that does not come up, and not on one that replays a long log."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from scripts.node.launch import Node, StartError, wait_ready
from scripts.node.programs import Program
from shared.config import Settings

_WITHIN_S = 0.2


class Health:
    """What /health answers: a list of what lacks, by how often it was asked; ready when the list is over."""

    def __init__(self, lacking: list[str]) -> None:
        left = iter(lacking)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = next(left, None)
                body = b"" if text is None else b'{"not_ready": ["%b"]}' % text.encode()
                self.send_response(200 if text is None else 503)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Silent:
    """A reporter that says nothing and waits on."""

    def answers(self, program: Program, seconds: float) -> None: ...

    def still_waiting(self, what: str) -> None: ...

    def stopping(self) -> bool:
        return False


@pytest.fixture
def supervisord() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("replays", [True, False])
def test_a_replay_that_goes_on_is_waited_for(
    tmp_path: Path, supervisord: subprocess.Popen[bytes], replays: bool
) -> None:
    lacking = [f"partition 3: replays, {n} %" if replays else "partition 3: no ready leader" for n in range(50)]
    health = Health(lacking)
    (tmp_path / "logs").mkdir()
    settings = Settings(data_dir=str(tmp_path), admin_port=health.server.server_address[1])
    began = time.monotonic()
    try:
        node = Node(settings, [], supervisord, began)
        if replays:
            assert wait_ready(node, Silent(), within_s=_WITHIN_S)
            assert time.monotonic() - began > 2 * _WITHIN_S
        else:
            with pytest.raises(StartError, match="no ready leader"):
                wait_ready(node, Silent(), within_s=_WITHIN_S)
    finally:
        health.close()
