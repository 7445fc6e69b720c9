"""What the READMEs promise, carried out: each `$ command` is run and its output compared (`…`: anything)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.node import Node

pytestmark = [pytest.mark.processes, pytest.mark.slow, pytest.mark.timeout(180)]

_ROOT = Path(__file__).resolve().parents[2]


class _Tour:
    """A node with the example services, made by the program behind `scripts/up`."""

    def __init__(self, node: Node) -> None:
        self._node = node
        bin_path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environ = {**node._environ, "PATH": bin_path, "EVERLOG_DATA_DIR": str(node.data_dir)}

    def start(self) -> str:
        command = [sys.executable, "-P", "-m", "scripts.example_node", "--detach"]
        done = subprocess.run(command, env=self._environ, cwd="/", capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self, command: str) -> str:
        """Type it into a shell, with this node's ports and folder in place of the usual ones."""
        here = {
            "localhost:8080": f"127.0.0.1:{self._node.ingress_port}",
            "localhost:9070": f"127.0.0.1:{self._node.admin_port}",
            "localhost:9071": f"127.0.0.1:{self._node.sql_port}",
            ".*everlog-data": re.escape(str(self._node.data_dir)),
            "./everlog-data": str(self._node.data_dir),
            "/tmp/anew": str(self._node.data_dir.parent / "anew"),
        }
        for usual, real in here.items():
            command = command.replace(usual, real)
        done = subprocess.run(
            ["bash", "-s"], input=command, env=self._environ, cwd="/", capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()


@pytest.fixture(scope="module")
def tour() -> Iterator[_Tour]:
    for program in ("curl", "psql", "pgrep"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is absent: the tour of the README is NOT tested")
    folder = Path(tempfile.mkdtemp(prefix="everlog-"))
    node = Node(folder / "data")
    started = _Tour(node)
    try:
        said = started.start()
        assert '\n  "Hello, World!"\n' in said
        assert "are registered: Greeter, Counter, SignUp, Trip." in said
        yield started
    finally:
        node.everlog("down")
        assert not node.processes()
        shutil.rmtree(folder, ignore_errors=True)


def _steps(file: str) -> list[tuple[str, str]]:
    """(command, expected output) of every console block."""
    blocks = re.findall(r"^```console\n(.*?)^```", (_ROOT / file).read_text(), re.MULTILINE | re.DOTALL)
    steps = []
    for block in blocks:
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = step.partition("\n")
            steps.append((command, expected.strip()))
    return steps


@pytest.mark.parametrize("file", ["README.md", "scripts/examples/README.md"])
def test_readme_tells_what_happens(tour: _Tour, file: str) -> None:
    steps = _steps(file)
    assert len(steps) > 8
    for command, expected in steps:
        got = tour.run(command)
        pattern = ".*".join(map(re.escape, expected.split("…")))
        assert re.fullmatch(pattern, got, re.DOTALL), f"$ {command}\n{got}\nThe README says:\n{expected}"
