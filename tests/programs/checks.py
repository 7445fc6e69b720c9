"""What must be true of random programs once all have ended."""

from __future__ import annotations

from typing import Any

from tests.programs.language import Model, delayed_paths, disorder, strip_tokens

__all__ = ["Expected"]


class Expected:
    """What the programs come to by the model, compared with what a runtime made of them."""

    def __init__(self, programs: list[list[Any]]) -> None:
        self.programs = programs
        self.model = Model()
        self._results = [self.model.perform(program, f"p{at}") for at, program in enumerate(programs)]
        self._delayed = {path for at, program in enumerate(programs) for path in delayed_paths(program, f"p{at}")}
        #: Step -> the token that its result tells of.
        self._tokens: dict[str, str] = {}

    def check_results(self, results: dict[int, Any]) -> None:
        assert sorted(results) == list(range(len(self.programs)))
        for number, result in results.items():
            told = strip_tokens(result, self._tokens)
            assert told == self._results[number], f"program {number}: {self.programs[number]}"

    def check_object(self, key: str, state: dict[str, Any]) -> None:
        """Each visit once, one at a time, in the order of sending; every addition counted once."""
        assert "overlap" not in state, f"{key}: {state['overlap']} was there with another one"
        assert "busy" not in state, f"{key}: {state['busy']} never left"
        order = state.get("order", [])
        assert sorted(order) == sorted(self.model.visits[key]), f"{key}: not each visit once"
        assert disorder(order, self._delayed) == [], f"{key}: {order}"
        assert state.get("n", 0) == self.model.counters[key], f"{key}: the additions"

    def check_steps(self, executed: list[tuple[str, str]]) -> None:
        """`executed`: (step, token) in order. A step whose result was stored is not executed again."""
        last = dict(executed)
        assert last.keys() == self.model.steps
        for path, token in self._tokens.items():
            assert last[path] == token, f"step {path} was executed again after its result was stored"
