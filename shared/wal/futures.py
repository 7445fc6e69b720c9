"""What a handler waits for, as a tree of combinators (service protocol v7, Future). Pure: no I/O.

A tree is a list of nodes in which each stands behind its parent, the root first. So nothing that reads, stores or
shows one recurses, however deep a service nests.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from shared.ids import CANCEL_SIGNAL

__all__ = ["Combinator", "Future", "FutureNode", "Leaf", "comes_again", "completion_of", "signal_leaf", "signal_of"]


class Combinator(IntEnum):
    """When a node is settled by its children, and how. Numbers are the protocol's."""

    #: By the first settled child; whether as success or failure only the SDK knows.
    UNKNOWN = 0
    #: By the first settled child, as that one.
    FIRST_COMPLETED = 1
    #: Once all children are settled, as a success.
    ALL_COMPLETED = 2
    #: By the first success, or as a failure once all failed.
    FIRST_SUCCEEDED_OR_ALL_FAILED = 3
    #: By the first failure, or as a success once all succeeded.
    ALL_SUCCEEDED_OR_FIRST_FAILED = 4


#: A notification: completion `c` is `c`, signal `s` is `-1 - s`, a named signal its name.
Leaf = int | str


def signal_leaf(signal: int | str) -> Leaf:
    """The leaf of a signal, by index or by name."""
    return signal if isinstance(signal, str) else -1 - signal


def signal_of(leaf: Leaf) -> int | None:
    """The index, if it is an unnamed signal."""
    return -1 - leaf if isinstance(leaf, int) and leaf < 0 else None


def completion_of(leaf: Leaf) -> int | None:
    """The completion id, if it is one."""
    return leaf if isinstance(leaf, int) and leaf >= 0 else None


def comes_again(leaf: Leaf) -> bool:
    """More than one of it may be stored, each for another await: signals by name, and the cancel signal.

    A completion and an awakeable's signal come once.
    """
    return isinstance(leaf, str) or leaf == signal_leaf(CANCEL_SIGNAL)


class FutureNode(msgspec.Struct, array_like=True, gc=False):
    """One combinator. Its children are its leaves and the nodes that name it as their parent."""

    #: Index of the parent; Invariant: less than the node's own, but for the root, which has 0.
    parent: int
    combinator: Combinator
    #: Invariant: each once.
    leaves: list[Leaf]


class Future(msgspec.Struct, array_like=True, gc=False):
    """The tree. Invariant: at least one node; those that are stored have at least one leaf."""

    nodes: list[FutureNode]

    def leaves(self) -> list[Leaf]:
        """Every notification in the tree, once, in the tree's order."""
        return list(dict.fromkeys(leaf for node in self.nodes for leaf in node.leaves))
