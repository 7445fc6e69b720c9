"""Nodes of stub programs that leave nothing behind."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.scripts.stub_node import StubNode

NodeMaker = Callable[..., StubNode]


@pytest.fixture
def make_node() -> Iterator[NodeMaker]:
    """`make_node(**modes)`: a node that is not started yet, on a short path. No process of it may outlive the test."""
    nodes: list[StubNode] = []
    with tempfile.TemporaryDirectory(prefix="everlog-") as folder:

        def make(**modes: str) -> StubNode:
            nodes.append(StubNode(Path(folder) / f"node-{len(nodes)}", modes))
            return nodes[-1]

        yield make
        for node in nodes:
            node.run("down")
        left = [pid for node in nodes for pid in node.processes()]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: not [pid for node in nodes for pid in node.processes()], what="killed processes are gone")
        assert not left, f"processes {left} outlived `everlog down`"


@pytest.fixture
def node(make_node: NodeMaker) -> StubNode:
    """A node with nothing wrong, not started."""
    return make_node()
