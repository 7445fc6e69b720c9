"""Stored bytes of futures and of what they were added to: for ever."""

from __future__ import annotations

import msgspec

from shared.storage.values import Waiting, encode
from shared.wal.commands import Effect, RunCompletion, SuspendOn
from shared.wal.futures import Combinator, Future, FutureNode, completion_of, signal_leaf, signal_of

_EFFECT = msgspec.msgpack.Decoder(Effect)
_WAITING = msgspec.msgpack.Decoder(Waiting)

TREE = Future(
    [
        FutureNode(0, Combinator.FIRST_COMPLETED, [signal_leaf(1)]),
        FutureNode(0, Combinator.ALL_COMPLETED, [3, signal_leaf(17), signal_leaf("n")]),
    ]
)
#: [[parent, combinator, leaves], …], in a list of one.
TREE_BYTES = bytes.fromhex("91" "92" "930001" "91fe" "930002" "9303eea16e")  # fmt: skip


def test_golden_bytes_of_a_tree() -> None:
    assert encode(TREE) == TREE_BYTES
    assert encode(SuspendOn(TREE, 5)) == b"\x93\x09" + TREE_BYTES + b"\x05"
    assert _EFFECT.decode(b"\x92\x09" + TREE_BYTES) == SuspendOn(TREE)
    assert encode(Waiting([], [], [], TREE)) == b"\x95\x90\x90\x90" + TREE_BYTES + b"\x00"
    assert _WAITING.decode(b"\x94\x90\x90\x90" + TREE_BYTES) == Waiting([], [], [], TREE)


def test_rows_and_records_of_before_v7_are_read() -> None:
    assert _WAITING.decode(b"\x93\x91\x01\x91\x11\x91\xa1n") == Waiting([1], [17], ["n"])
    assert _EFFECT.decode(b"\x93\x04\x01\xc4\x01v") == RunCompletion(1, b"v", ack=False)


def test_leaves_of_both_kinds() -> None:
    assert TREE.leaves() == [-2, 3, -18, "n"]
    assert Waiting([1], [17], ["n"]).leaves() == [1, -18, "n"]
    assert [signal_of(leaf) for leaf in TREE.leaves()] == [1, None, 17, None]
    assert [completion_of(leaf) for leaf in TREE.leaves()] == [None, 3, None, None]
