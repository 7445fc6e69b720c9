"""Whether what a handler waits for is settled. Pure: no I/O.

Rules that always hold:
- notifications count one by one, in the order of the journal: the first one decides a race, as it will for the SDK;
- what is settled is cut off the tree, so that the rest alone says what is still to come;
- where only the SDK can tell success from failure and it matters, the tree is settled: the SDK is woken to decide;
- so it is where nothing is left that could settle it: nobody sleeps for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from shared.wal.futures import Combinator, Future, FutureNode, Leaf

__all__ = ["advance"]


class _Outcome(Enum):
    SUCCESS = 1
    FAILURE = 2
    #: Settled, and only the SDK knows how.
    EITHER = 3


def advance(future: Future, arrived: Iterable[tuple[Leaf, bool]]) -> Future | None:
    """What is left of the tree after these notifications (leaf, failed), in their order; None: it is settled.

    The very same object comes back when nothing of it has arrived.
    """
    failed = dict(arrived)
    touched = _touched(future, failed)
    if not touched and all(node.leaves for node in future.nodes):
        return future
    state = _State(future)
    if state.settle_empty_nodes():
        return None
    for leaf, has_failed in failed.items():
        for index in touched.get(leaf, ()):
            if state.child_settled(index, _Outcome.FAILURE if has_failed else _Outcome.SUCCESS):
                return None
    rest = state.rest(failed) if touched else future
    return rest if any(node.leaves for node in rest.nodes) else None


def _touched(future: Future, arrived: Iterable[Leaf]) -> dict[Leaf, list[int]]:
    """Which nodes hold each leaf. The search within a node runs in C, for trees of many leaves."""
    found: dict[Leaf, list[int]] = {}
    wanted = set(arrived)
    if not wanted:
        return found
    for index, node in enumerate(future.nodes):
        for leaf in wanted.intersection(node.leaves):
            found.setdefault(leaf, []).append(index)
    return found


class _State:
    """The tree while notifications come in. Every node settles at most once, so all of it is linear in the tree."""

    def __init__(self, future: Future) -> None:
        self._nodes = future.nodes
        #: Children, leaves and nodes, that are not settled yet.
        self._pending = [len(node.leaves) for node in self._nodes]
        for node in self._nodes[1:]:
            self._pending[node.parent] += 1
        self._settled = [False] * len(self._nodes)

    def settle_empty_nodes(self) -> bool:
        """A combinator of nothing: "all" has what it wants, "first" never will. True: the tree is settled."""
        empty = [index for index, pending in enumerate(self._pending) if not pending]
        for index in empty:
            outcome = _of_nothing(self._nodes[index].combinator)
            if outcome is not None:
                self._settled[index] = True
                if index == 0 or self.child_settled(self._nodes[index].parent, outcome):
                    return True
        return False

    def child_settled(self, index: int, outcome: _Outcome) -> bool:
        """A child of this node settled. True: so did the tree."""
        while not self._settled[index]:
            self._pending[index] -= 1
            combinator = self._nodes[index].combinator
            if outcome is _Outcome.EITHER and combinator in _ASK_FOR_SUCCESS:
                return self._matters(index)
            own = _settled_as(combinator, outcome, self._pending[index])
            if own is None:
                return False
            self._settled[index] = True
            if index == 0:
                return True
            index, outcome = self._nodes[index].parent, own
        return False

    def _matters(self, index: int) -> bool:
        """No node above this one is settled. Else those between are marked, so that nobody climbs here again."""
        path = []
        while not self._settled[index]:
            if index == 0:
                return True
            path.append(index)
            index = self._nodes[index].parent
        for each in path:
            self._settled[each] = True
        return False

    def rest(self, arrived: Iterable[Leaf]) -> Future:
        """The tree without what is settled."""
        gone = set(arrived)
        place: dict[int, int] = {}
        nodes: list[FutureNode] = []
        for index, node in enumerate(self._nodes):
            if self._settled[index] or (index and node.parent not in place):
                continue
            place[index] = len(nodes)
            leaves = node.leaves if gone.isdisjoint(node.leaves) else [each for each in node.leaves if each not in gone]
            nodes.append(FutureNode(place[node.parent] if index else 0, node.combinator, leaves))
        return Future(nodes)


#: Combinators for which it matters how a child settled.
_ASK_FOR_SUCCESS = (Combinator.FIRST_SUCCEEDED_OR_ALL_FAILED, Combinator.ALL_SUCCEEDED_OR_FIRST_FAILED)


def _of_nothing(combinator: Combinator) -> _Outcome | None:
    match combinator:
        case Combinator.ALL_COMPLETED | Combinator.ALL_SUCCEEDED_OR_FIRST_FAILED:
            return _Outcome.SUCCESS
        case Combinator.FIRST_SUCCEEDED_OR_ALL_FAILED:
            return _Outcome.FAILURE
        case _:
            return None


def _settled_as(combinator: Combinator, child: _Outcome, pending: int) -> _Outcome | None:
    """How a node settles when a child did and `pending` others did not; None: not yet."""
    match combinator:
        case Combinator.UNKNOWN:
            return _Outcome.EITHER
        case Combinator.FIRST_COMPLETED:
            return child
        case Combinator.ALL_COMPLETED:
            return None if pending else _Outcome.SUCCESS
        case Combinator.FIRST_SUCCEEDED_OR_ALL_FAILED:
            return child if child is _Outcome.SUCCESS or not pending else None
        case Combinator.ALL_SUCCEEDED_OR_FIRST_FAILED:
            return child if child is _Outcome.FAILURE or not pending else None
