"""Whether a history of one object can have happened one call after another (Wing & Gong, with Lowe's memory of states).

Pure: a history in, a verdict out. A call takes effect at some moment between its request and its answer. One whose
answer never came, or that was cancelled or killed, may have taken effect or not.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Call", "explain", "register_step"]

#: State, operation, result (None when it is not known) -> the state behind it, or None: it cannot have been so.
Step = Callable[[Hashable, tuple[Any, ...], Any], tuple[Hashable] | None]


@dataclass(frozen=True)
class Call:
    """`ended_at` and `result` None: nobody knows whether it happened. `name` is for people."""

    name: str
    operation: tuple[Any, ...]
    began_at: float
    ended_at: float | None
    result: Any = None
    #: It may not have taken effect, though it was answered: cancelled or killed. It does no more behind its answer.
    doubtful: bool = False


def explain(calls: Sequence[Call], step: Step, initial: Hashable = 0) -> str | None:
    """None: there is an order. Else the sentence that says how far one comes."""
    ordered = sorted(calls, key=lambda call: call.began_at)
    ends = [float("inf") if call.ended_at is None else call.ended_at for call in ordered]
    optional = [call.ended_at is None or call.doubtful for call in ordered]
    certain = sum(1 << at for at, may_miss in enumerate(optional) if not may_miss)
    longest, best = 0, 0
    seen: set[tuple[int, Hashable]] = {(0, initial)}
    stack: list[tuple[int, Hashable]] = [(0, initial)]
    while stack:
        done, state = stack.pop()
        if done & certain == certain:
            return None
        if done.bit_count() > longest:
            longest, best = done.bit_count(), done
        for at, after in _next(ordered, ends, optional, done, state, step):
            found = (done | 1 << at, after)
            if found not in seen:
                seen.add(found)
                stack.append(found)
    left = [f"{call.name} {call.operation} -> {call.result!r}" for at, call in enumerate(ordered) if not best >> at & 1]
    return f"no order explains {len(ordered)} calls; at most {longest} fit, and then not: {'; '.join(left[:4])}"


def _next(
    ordered: list[Call], ends: list[float], optional: list[bool], done: int, state: Hashable, step: Step
) -> list[tuple[int, Hashable]]:
    """What may come next: calls that began before every other one that is left has ended."""
    horizon = float("inf")
    found = []
    for at, call in enumerate(ordered):
        if done >> at & 1:
            continue
        if call.began_at > horizon:
            break
        result = None if optional[at] else call.result
        after = step(state, call.operation, result)
        if after is not None:
            found.append((at, after[0]))
        if optional[at] and call.ended_at is not None:
            # It may be left out: then it is done without a change.
            found.append((at, state))
        horizon = min(horizon, ends[at])
    return found


def register_step(state: Hashable, operation: tuple[Any, ...], result: Any) -> tuple[Hashable] | None:
    """A number. `read`, `write n`, `add n` (answers with the sum), `cas old new` (answers whether it did), `replace old
    new` (does not tell)."""
    assert isinstance(state, int)
    told = result is not None
    match operation:
        case ("read",):
            return (state,) if not told or result == state else None
        case ("write", value):
            return (value,)
        case ("add", value):
            return (state + value,) if not told or result == state + value else None
        case ("cas", old, new):
            does = state == old
            return (new if does else state,) if not told or result == does else None
        case ("replace", old, new):
            return (new if state == old else state,)
        case _:
            raise AssertionError(f"unknown operation {operation}")
