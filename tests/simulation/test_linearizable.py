"""The checker of histories: those that can be, and those that cannot."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from tests.simulation.linearizable import Call, explain, register_step


def call(
    name: str, operation: tuple[Any, ...], began: float, ended: float | None, result: Any = None, **more: Any
) -> Call:
    return Call(name, operation, began, ended, result, **more)


CAN_BE = {
    "one after another": [call("a", ("write", 1), 0, 1), call("b", ("read",), 2, 3, 1)],
    "side by side, the later one first": [call("a", ("add", 1), 0, 5, 3), call("b", ("add", 2), 1, 4, 2)],
    "an unknown one that happened": [call("a", ("write", 7), 0, None), call("b", ("read",), 5, 6, 7)],
    "an unknown one that did not": [call("a", ("write", 7), 0, None), call("b", ("read",), 5, 6, 0)],
    "a killed one that happened": [call("a", ("add", 7), 0, 1, doubtful=True), call("b", ("read",), 5, 6, 7)],
    "a killed one that did not": [call("a", ("add", 7), 0, 1, doubtful=True), call("b", ("read",), 5, 6, 0)],
    "state replaced, which does not tell": [
        call("a", ("replace", 0, 4), 0, 1),
        call("b", ("replace", 0, 5), 2, 3),
        call("c", ("read",), 4, 5, 4),
    ],
    "a swap": [call("a", ("cas", 0, 4), 0, 1, True), call("b", ("cas", 0, 5), 2, 3, False)],
}
CANNOT_BE = {
    "a lost write": [call("a", ("write", 1), 0, 1), call("b", ("read",), 2, 3, 0)],
    "a sum that nobody had": [call("a", ("add", 1), 0, 1, 1), call("b", ("add", 1), 2, 3, 1)],
    "a stale read behind a new one": [
        call("a", ("write", 1), 0, 9),
        call("b", ("read",), 1, 2, 1),
        call("c", ("read",), 3, 4, 0),
    ],
    "done twice": [call("a", ("add", 1), 0, 1, 1), call("b", ("read",), 2, 3, 2)],
    "killed, and done behind its answer": [
        call("a", ("write", 7), 0, 1, doubtful=True),
        call("b", ("read",), 2, 3, 0),
        call("c", ("read",), 4, 5, 7),
    ],
    "state replaced amid a call": [
        call("a", ("write", 1), 0, 1),
        call("b", ("add", 1), 2, 5, 2),
        call("c", ("write", 50), 3, 4),
        call("d", ("read",), 6, 7, 2),
    ],
    "state replaced though it was another": [call("a", ("replace", 1, 4), 0, 1), call("b", ("read",), 2, 3, 4)],
    "two swaps of one value": [call("a", ("cas", 0, 4), 0, 1, True), call("b", ("cas", 0, 5), 2, 3, True)],
}


@pytest.mark.parametrize("name", CAN_BE)
def test_a_history_with_an_order_is_explained(name: str) -> None:
    assert explain(CAN_BE[name], register_step) is None


@pytest.mark.parametrize("name", CANNOT_BE)
def test_a_history_without_an_order_is_refused(name: str) -> None:
    assert explain(CANNOT_BE[name], register_step) is not None


def test_many_calls_side_by_side_are_explained_in_time() -> None:
    """Played in some order, with times around it that overlap; then one answer is changed."""
    chooser = random.Random(4)
    value, calls = 0, []
    for at in range(80):
        began, ended = at - chooser.random() * 4, at + chooser.random() * 4
        if chooser.random() < 0.5:
            value += at
            calls.append(call(f"{at}", ("add", at), began, ended, value))
        else:
            calls.append(call(f"{at}", ("read",), began, ended, value))
    started = time.perf_counter()
    assert explain(calls, register_step) is None
    at = next(at for at in range(60, 80) if calls[at].operation[0] == "add")
    wrong = [*calls[:at], call("wrong", ("add", at), calls[at].began_at, calls[at].ended_at, -1), *calls[at + 1 :]]
    assert explain(wrong, register_step) is not None
    assert time.perf_counter() - started < 5
