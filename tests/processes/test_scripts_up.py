"""`scripts/up` as people run it: from the shell, in the foreground, until Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.node import Node

_ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.processes,
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(
        Path(sys.prefix) != _ROOT / ".venv",
        reason="scripts/up is NOT tested: this is not .venv",
    ),
]


@pytest.fixture
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    node = Node(tmp_path_factory.mktemp("up") / "d", partitions=2, workers=1)
    yield node
    node.everlog("down")
    assert not node.processes()


def _up(node: Node, *words: str) -> subprocess.Popen[str]:
    command = [str(_ROOT / "scripts" / "up"), "--data-dir", str(node.data_dir), *words]
    return subprocess.Popen(
        command,
        env=node._environ,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _said_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"it ended without {text!r}: {said}")


def test_up_shows_an_answer_and_addresses_and_stops_cleanly(node: Node) -> None:
    with _up(node) as process:
        said = _said_until(process, "Ctrl-C stops it.")
        assert '"Hello, World!"' in said
        assert f"ingress     {node.ingress}" in said
        assert "Try next:" in said
        assert [row["name"] for row in node.status()["programs"]][-1] == "examples"
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
    assert "Everlog has stopped." in rest
    assert process.returncode == 0
    assert not node.processes()
    assert time.monotonic() - began < 10


def test_up_without_example(node: Node) -> None:
    with _up(node, "--no-example", "--detach") as process:
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert "Hello" not in said
    assert len(node.status()["programs"]) == 5
    with urllib.request.urlopen(f"{node.admin}/health", timeout=10) as answer:
        assert answer.status == 200
