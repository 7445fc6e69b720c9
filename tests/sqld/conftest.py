"""Nodes for sqld's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from shared.limits import Rule
from shared.wal.batch import Batch, encode_batch
from shared.wal.commands import AnnounceLeader
from tests.fakes.partition_store import fill_with_examples
from tests.sqld.node import Node


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with the examples, for tests that change nothing."""
    node = Node(tmp_path_factory.mktemp("node"))
    try:
        fill_with_examples(node.partitions)
        rule = Rule("tenant", 2, 1, 1_790_000_000_000)
        node.meta.catalog = msgspec.structs.replace(node.meta.catalog, rules={rule.pattern: rule}, rules_version=1)
        announced = Batch(0, 0, rule.modified_at_ms, [AnnounceLeader(b"u", "node-1", 0, 9)])
        node.logd.records = {"p-0": {1: encode_batch(announced)}}
        node.start()
        yield node
    finally:
        node.close()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node of one's own, without rows and not started."""
    node = Node(tmp_path)
    try:
        yield node
    finally:
        node.close()
