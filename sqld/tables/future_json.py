"""What a handler waits for, as SQL shows it. Pure: no I/O."""

from __future__ import annotations

import json

from shared.wal.futures import Combinator, Future, Leaf

__all__ = ["future_json"]

_WORD = {
    Combinator.UNKNOWN: "Unknown",
    Combinator.FIRST_COMPLETED: "FirstCompleted",
    Combinator.ALL_COMPLETED: "AllCompleted",
    Combinator.FIRST_SUCCEEDED_OR_ALL_FAILED: "FirstSucceededOrAllFailed",
    Combinator.ALL_SUCCEEDED_OR_FIRST_FAILED: "AllSucceededOrFirstFailed",
}


def future_json(future: Future) -> str:
    """`{"AllCompleted":[{"Single":{"CompletionId":1}},…]}`: leaves before nested nodes."""
    children: list[list[str]] = [[] for _ in future.nodes]
    text = ""
    # From the back: a node's children are behind it. No recursion, so that depth costs no stack.
    for index in range(len(future.nodes) - 1, -1, -1):
        node = future.nodes[index]
        parts = [*map(_leaf_json, node.leaves), *reversed(children[index])]
        text = f'{{"{_WORD[node.combinator]}":[{",".join(parts)}]}}'
        children[index].clear()
        if index:
            children[node.parent].append(text)
    return text


def _leaf_json(leaf: Leaf) -> str:
    if isinstance(leaf, str):
        return f'{{"Single":{{"SignalName":{json.dumps(leaf, ensure_ascii=False)}}}}}'
    if leaf < 0:
        return f'{{"Single":{{"SignalIndex":{-1 - leaf}}}}}'
    return f'{{"Single":{{"CompletionId":{leaf}}}}}'
