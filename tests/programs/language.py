"""Random programs of journal commands, and what they come to by a model in memory. Pure: no I/O.

A program is a list of operations, each a list of JSON: it travels as the argument of a call. The result of an
operation stands in the result of its program at the same place; its path, `p4/2/0.1`, names it for ever: program 4,
operation 2, of what that calls operation 0, the second thing that it starts at once.

    run                       a step; its result is ["step", path, token], the token made at its execution
    sleep ms                  "slept"
    call place program        the callee's result
    send place program        null
    later ms place program    null: a delayed send
    fork place program        the result, by an attach to what was sent
    cancel                    ["failed 409"]: a sleeper is sent, cancelled and attached to, and tells how it was woken
    awake good                "woken" or "failed 500", by another invocation
    all operations            the results of some, started together
    race operation            its result, raced against what never comes
    add n                     null: an object's counter grows
    put name n, get name, drop name, names, drop_all
                              the state of an object that nobody else has
    promise n                 n: of a workflow, completed by its shared handler; peeked at and completed again, too
A place is ["svc"], ["obj", key] of an object that many share, ["own"] of one of its own, or ["flow"], a workflow.
Objects call only those behind them in the alphabet, so that no two wait for each other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from random import Random
from typing import Any

__all__ = ["OBJECTS", "Model", "Program", "delayed_paths", "disorder", "make_program", "strip_tokens"]

Program = list[list[Any]]
OBJECTS = ("a", "b", "c")
_NAMES = ("x", "y", "z")


def make_program(random: Random, *, size: int = 12) -> Program:
    """About `size` operations, nested ones among them."""
    return _Maker(random, size).program(["svc"], level=-1, depth=0)


class _Maker:
    def __init__(self, random: Random, size: int) -> None:
        self._random = random
        self._left = size

    def program(self, place: list[Any], *, level: int, depth: int) -> Program:
        """What an invocation at this place does. Objects behind `level` may be called."""
        made: Program = []
        for _ in range(self._random.randint(1, 6)):
            if self._left <= 0:
                break
            self._left -= 1
            made.append(self._operation(place, level, depth))
        return made or [["run"]]

    def _operation(self, place: list[Any], level: int, depth: int) -> list[Any]:
        kinds = ["run", "run", "sleep", "awake", "all", "race", "cancel"]
        if depth < 3:
            kinds += ["call", "call", "send", "send", "later", "fork"]
        if place[0] == "obj":
            kinds += ["add", "add"]
        if place[0] == "own":
            kinds += ["put", "put", "get", "get", "drop", "names", "drop_all"]
        if place[0] == "flow":
            kinds += ["promise", "put", "get"]
        return self._make(self._random.choice(kinds), level, depth)

    def _make(self, kind: str, level: int, depth: int) -> list[Any]:
        random = self._random
        match kind:
            case "sleep":
                return ["sleep", random.choice((0, 1, 20, 100))]
            case "awake":
                return ["awake", random.random() < 0.7]
            case "all":
                return ["all", [self._startable(level, depth) for _ in range(random.randint(1, 4))]]
            case "race":
                return ["race", self._startable(level, depth)]
            case "call" | "fork":
                return [kind, *self._callee(level, depth, waits=True)]
            case "send":
                return ["send", *self._callee(level, depth, waits=False)]
            case "later":
                return ["later", random.choice((1, 50, 200)), *self._callee(level, depth, waits=False)]
            case "add":
                return ["add", random.randint(1, 9)]
            case "put":
                return ["put", random.choice(_NAMES), random.randint(1, 99)]
            case "get" | "drop":
                return [kind, random.choice(_NAMES)]
            case "promise":
                return ["promise", random.randint(1, 99)]
            case _:
                return [kind]

    def _startable(self, level: int, depth: int) -> list[Any]:
        """Nothing that fails: the winner of a race must be a success."""
        kind = self._random.choice(("run", "sleep", "awake", "call") if depth < 3 else ("run", "sleep", "awake"))
        return ["awake", True] if kind == "awake" else self._make(kind, level, depth)

    def _callee(self, level: int, depth: int, *, waits: bool) -> tuple[list[Any], Program]:
        places: list[list[Any]] = [["svc"], ["own"], ["flow"]]
        places += [["obj", key] for key in (OBJECTS[level + 1 :] if waits else OBJECTS)] * 2
        place = self._random.choice(places)
        if place[0] == "obj":
            level = OBJECTS.index(place[1])
        elif not waits:
            level = -1
        return place, self.program(place, level=level, depth=depth + 1)


class Model:
    """What all programs together come to, whatever the order in which they run."""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        #: Which invocations each shared object has seen.
        self.visits: dict[str, set[str]] = defaultdict(set)
        self.steps: set[str] = set()

    def perform(self, program: Program, path: str, place: Iterable[Any] = ("svc",)) -> list[Any]:
        """The result of an invocation at this place."""
        kind, *key = place
        if kind == "obj":
            self.visits[key[0]].add(path)
        state: dict[str, int] = {}
        return [self._perform(op, f"{path}/{at}", state, key) for at, op in enumerate(program)]

    def _perform(self, op: list[Any], path: str, state: dict[str, int], key: list[str]) -> Any:
        match op:
            case ["run"]:
                self.steps.add(path)
                return ["step", path]
            case ["sleep", _]:
                return "slept"
            case ["call" | "fork", place, program]:
                return self.perform(program, path, place)
            case ["send", place, program] | ["later", _, place, program]:
                self.perform(program, path, place)
                return None
            case ["cancel"]:
                return ["failed 409"]
            case ["awake", good]:
                return "woken" if good else "failed 500"
            case ["all", ops]:
                return [self._perform(each, f"{path}.{at}", state, key) for at, each in enumerate(ops)]
            case ["race", raced]:
                return self._perform(raced, f"{path}.0", state, key)
            case ["add", n]:
                self.counters[key[0]] += n
                return None
            case ["promise", n]:
                return n
            case _:
                return _perform_on(state, op)


def _perform_on(state: dict[str, int], op: list[Any]) -> Any:
    match op:
        case ["put", name, n]:
            state[name] = n
            return None
        case ["get", name]:
            return state.get(name)
        case ["drop", name]:
            state.pop(name, None)
            return None
        case ["names"]:
            return sorted(state)
        case ["drop_all"]:
            state.clear()
            return None
        case _:
            raise AssertionError(f"unknown operation {op}")


def strip_tokens(result: Any, tokens: dict[str, str]) -> Any:
    """The result as the model has it; the token of each step goes to `tokens`."""
    if not isinstance(result, list):
        return result
    if len(result) == 3 and result[0] == "step":
        _, path, token = result
        assert tokens.setdefault(path, token) == token, f"step {path} has two results"
        return ["step", path]
    return [strip_tokens(each, tokens) for each in result]


def disorder(order: list[str], delayed: set[str]) -> list[str]:
    """Where an object saw what one invocation sent to it in another order than it was sent. `order`: the paths of its
    visitors as they came; `delayed`: those that were sent to come later."""
    last: dict[str, tuple[int, ...]] = {}
    wrong = []
    for path in order:
        sender, _, name = path.rpartition("/")
        if not sender or path in delayed:
            continue
        place = tuple(map(int, name.split(".")))
        if place <= last.get(sender, ()):
            wrong.append(f"{path} came behind {sender}/{'.'.join(map(str, last[sender]))}")
        last[sender] = place
    return wrong


def delayed_paths(program: Program, path: str) -> set[str]:
    """The paths of what is sent to come later."""
    found: set[str] = set()
    for at, op in enumerate(program):
        _find_delayed(op, f"{path}/{at}", found)
    return found


def _find_delayed(op: list[Any], path: str, found: set[str]) -> None:
    match op:
        case ["later", _, _, program]:
            found.add(path)
            found |= delayed_paths(program, path)
        case ["call" | "send" | "fork", _, program]:
            found |= delayed_paths(program, path)
        case ["all", ops]:
            for at, each in enumerate(ops):
                _find_delayed(each, f"{path}.{at}", found)
        case ["race", raced]:
            _find_delayed(raced, f"{path}.0", found)
