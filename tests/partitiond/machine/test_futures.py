"""Trees of combinators: a table, and random ones against a second version that is as plain as can be."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partitiond.machine.futures import advance
from shared.wal.futures import Combinator as C
from shared.wal.futures import Future, FutureNode, Leaf

#: A combinator and its children: leaves first, then nested ones.
Tree = tuple[C, Sequence["Leaf | Tree"]]
Arrived = list[tuple[Leaf, bool]]
OK, BAD = False, True
UNKNOWN, FIRST, ALL, ANY, EVERY = C


def flat(tree: Tree) -> Future:
    """The tree as a list of nodes."""
    nodes: list[FutureNode] = []

    def add(node: Tree, parent: int) -> None:
        index = len(nodes)
        leaves = [child for child in node[1] if not isinstance(child, tuple)]
        nodes.append(FutureNode(parent, node[0], list(dict.fromkeys(leaves))))
        for child in node[1]:
            if isinstance(child, tuple):
                add(child, index)

    add(tree, 0)
    return Future(nodes)


@pytest.mark.parametrize(
    ("tree", "arrived", "settled"),
    [
        ((UNKNOWN, [1, 2]), [], False),
        ((UNKNOWN, [1, 2]), [(3, OK)], False),
        ((UNKNOWN, [1, 2]), [(2, BAD)], True),
        ((FIRST, [1, 2]), [(2, OK)], True),
        ((FIRST, [1, 2]), [(1, BAD)], True),
        ((ALL, [1, 2]), [(1, OK)], False),
        ((ALL, [1, 2]), [(1, OK), (2, BAD)], True),
        ((ALL, [1, -2, "n"]), [(1, OK), ("n", OK)], False),
        ((ALL, [1, -2, "n"]), [(1, OK), ("n", OK), (-2, OK)], True),
        ((ANY, [1, 2]), [(1, BAD)], False),
        ((ANY, [1, 2]), [(1, OK)], True),
        ((ANY, [1, 2]), [(1, BAD), (2, BAD)], True),
        ((EVERY, [1, 2]), [(1, OK)], False),
        ((EVERY, [1, 2]), [(1, BAD)], True),
        ((EVERY, [1, 2]), [(1, OK), (2, OK)], True),
        # As SDKs send it: anything of theirs, or the cancel signal.
        ((FIRST, [-2, (ALL, [1, 2])]), [(1, OK)], False),
        ((FIRST, [-2, (ALL, [1, 2])]), [(-2, OK)], True),
        ((FIRST, [-2, (ALL, [1, 2])]), [(2, OK), (1, BAD)], True),
        # The first one decides a race, whatever order the tree has.
        ((EVERY, [(FIRST, [1, 2]), 3]), [(1, BAD), (2, OK)], True),
        ((EVERY, [(FIRST, [1, 2]), 3]), [(2, OK), (1, BAD)], False),
        ((EVERY, [(FIRST, [1, 2]), 3]), [(2, OK), (1, BAD), (3, OK)], True),
        # Only the SDK knows how it settled: it is asked where that matters, and only there.
        ((EVERY, [(UNKNOWN, [1]), 2]), [(1, OK)], True),
        ((ANY, [(UNKNOWN, [1]), 2]), [(1, BAD)], True),
        ((ALL, [(UNKNOWN, [1]), 2]), [(1, OK)], False),
        ((ALL, [(FIRST, [1, (EVERY, [(UNKNOWN, [2]), 3])]), 4]), [(1, OK), (2, OK)], False),
        # "All" always succeeds, "any" fails when all did.
        ((ANY, [(ALL, [1]), 2]), [(1, BAD)], True),
        ((EVERY, [(ANY, [1, 2]), 3]), [(1, BAD), (2, BAD)], True),
        ((EVERY, [(ANY, [1, 2]), 3]), [(1, BAD), (2, OK)], False),
        # Of nothing.
        ((ALL, [1, (ALL, [])]), [], False),
        ((FIRST, [1, (ALL, [])]), [], True),
        ((FIRST, [1, (FIRST, [])]), [], False),
        ((EVERY, [1, (ANY, [])]), [], True),
        ((ANY, [1, (EVERY, [])]), [], True),
        # Nothing is left that could settle it: better awake than asleep for ever.
        ((ALL, [1, 2, (FIRST, [])]), [(1, OK)], False),
        ((ALL, [1, 2, (FIRST, [])]), [(1, OK), (2, OK)], True),
        # The same notification at two places counts at both.
        ((ALL, [1, (ALL, [1, 2])]), [(1, OK), (2, OK)], True),
    ],
)
def test_a_tree_settles(tree: Tree, arrived: Arrived, settled: bool) -> None:
    assert (advance(flat(tree), arrived) is None) == settled
    rest: Future | None = flat(tree)
    for each in arrived:
        rest = rest and advance(rest, [each])
    assert (arrived == [] and settled) or (rest is None) == settled


def test_what_is_settled_is_cut_off() -> None:
    future = flat((FIRST, [-2, (ALL, [1, 2, (FIRST, [3, 4]), (ALL, [5])])]))
    rest = advance(future, [(2, OK), (4, BAD)])
    assert rest == flat((FIRST, [-2, (ALL, [1, (ALL, [5])])]))
    assert advance(rest, [(4, OK), (2, OK), (99, OK)]) is rest


class _Ask(Exception):
    """Only the SDK knows."""


def plain_settled(tree: Tree, arrived: Arrived) -> bool:
    """By the definition of each combinator, over every prefix of what arrived."""
    try:
        return any(_outcome(tree, arrived[:count]) is not None for count in range(len(arrived) + 1))
    except _Ask:
        return True


def _outcome(tree: Leaf | Tree, arrived: Arrived) -> str | None:
    """How it was settled at the earliest prefix at which it was."""
    for count in range(len(arrived) + 1):
        now = _outcome_now(tree, arrived[:count])
        if now is not None:
            return now
    return None


def _outcome_now(tree: Leaf | Tree, arrived: Arrived) -> str | None:
    if not isinstance(tree, tuple):
        return next(("bad" if failed else "ok" for leaf, failed in arrived if leaf == tree), None)
    combinator, children = tree
    own = sorted(children, key=lambda child: isinstance(child, tuple))
    if combinator in (UNKNOWN, FIRST):
        for child in own:
            outcome = _outcome(child, arrived)
            if outcome is not None:
                return "either" if combinator is UNKNOWN else outcome
        return None
    if combinator is ALL:
        # Each is asked, also behind one that is not settled.
        return None if None in [_outcome(child, arrived) for child in own] else "ok"
    short, long = ("ok", "bad") if combinator is ANY else ("bad", "ok")
    outcomes = []
    for child in own:
        outcome = _outcome(child, arrived)
        if outcome == short:
            return short
        if outcome == "either":
            raise _Ask
        outcomes.append(outcome)
    return None if None in outcomes else long


_LEAVES: st.SearchStrategy[Leaf] = st.sampled_from([1, 2, 3, -2, "n"])
#: A "first" of nothing is not among them: the table has it.
_TREES = st.recursive(
    st.tuples(st.sampled_from(C), st.lists(_LEAVES, min_size=1, max_size=3)),
    lambda inner: (
        st.tuples(st.sampled_from(C), st.lists(_LEAVES | inner, min_size=1, max_size=3))
        | st.tuples(st.sampled_from([ALL, ANY, EVERY]), st.just([]))
    ),
    max_leaves=6,
)
_ARRIVED = st.lists(st.tuples(_LEAVES, st.booleans()), unique_by=lambda each: each[0], max_size=5)


@given(_TREES, _ARRIVED)
@settings(max_examples=500, deadline=None)
def test_random_trees_settle_as_the_definition_says(tree: Tree, arrived: Arrived) -> None:
    assert (advance(flat(tree), arrived) is None) == plain_settled(tree, arrived)


@given(_TREES, _ARRIVED, st.integers(0, 5))
@settings(max_examples=300, deadline=None)
def test_together_or_one_by_one_is_the_same(tree: Tree, arrived: Arrived, cut: int) -> None:
    at_once = advance(flat(tree), arrived)
    rest = advance(flat(tree), arrived[:cut])
    apart = None if rest is None else advance(rest, arrived[cut:])
    assert at_once == apart
    if at_once is not None:
        assert not {leaf for leaf, _ in arrived} & set(at_once.leaves())


def test_depth_and_breadth_are_cheap() -> None:
    deep = Future([FutureNode(max(0, index - 1), FIRST, []) for index in range(1000)])
    deep.nodes[-1].leaves.append(7)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(deep), type=Future) == deep
    assert advance(deep, [(7, OK)]) is None
    wide = Future([FutureNode(0, ALL, list(range(100_000)))])
    begin = time.monotonic()
    rest = advance(wide, [(leaf, OK) for leaf in range(50_000)])
    assert rest is not None
    assert len(rest.leaves()) == 50_000
    for leaf in range(50_000, 50_010):
        rest = advance(rest, [(leaf, OK)])
        assert rest is not None
    assert time.monotonic() - begin < 5
