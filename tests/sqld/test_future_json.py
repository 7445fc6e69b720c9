"""Trees of futures as Restate 1.7.12 shows them."""

from __future__ import annotations

import json

from shared.wal.futures import Combinator, Future, FutureNode
from sqld.tables.future_json import future_json


def test_a_tree_is_shown_with_its_leaves_first() -> None:
    tree = Future(
        [
            FutureNode(0, Combinator.FIRST_COMPLETED, [-2]),
            FutureNode(0, Combinator.ALL_COMPLETED, [3, 'ü"']),
            FutureNode(1, Combinator.UNKNOWN, [4]),
            FutureNode(0, Combinator.ALL_SUCCEEDED_OR_FIRST_FAILED, []),
            FutureNode(1, Combinator.FIRST_SUCCEEDED_OR_ALL_FAILED, [5]),
        ]
    )
    assert json.loads(future_json(tree)) == {
        "FirstCompleted": [
            {"Single": {"SignalIndex": 1}},
            {
                "AllCompleted": [
                    {"Single": {"CompletionId": 3}},
                    {"Single": {"SignalName": 'ü"'}},
                    {"Unknown": [{"Single": {"CompletionId": 4}}]},
                    {"FirstSucceededOrAllFailed": [{"Single": {"CompletionId": 5}}]},
                ]
            },
            {"AllSucceededOrFirstFailed": []},
        ]
    }
    assert " " not in future_json(tree)


def test_depth_costs_no_stack() -> None:
    deep = Future([FutureNode(max(0, index - 1), Combinator.FIRST_COMPLETED, [index]) for index in range(1001)])
    assert future_json(deep).endswith("}" + "]}" * 1001)
