"""What ran at the same time, read from the file that `flow_service` writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Running"]


class Running:
    """Replays the file. An invocation counts once, however many attempts of it there are: after a crash an old one
    may not have noticed yet that nobody listens."""

    def __init__(self, file: Path) -> None:
        #: By counter (`s`, `s/a`, `s/a/b`): the most invocations that ever ran at once.
        self.most: dict[str, int] = defaultdict(int)
        #: Invocations that have begun and ended, in the order of their (last) ends.
        self.ended: list[str] = []
        #: By counter: who runs now.
        self.now: dict[str, set[str]] = defaultdict(set)
        self.begins = 0
        self._attempts: dict[str, int] = defaultdict(int)
        for line in file.read_text().splitlines() if file.exists() else []:
            self._take(line)

    def _take(self, line: str) -> None:
        mark, *words = line.split()
        if mark == "!":
            self.now.clear()
            self._attempts.clear()
        elif mark == "+":
            self._begin(*words)
        else:
            self._end(words[0])

    def _begin(self, invocation: str, scope: str, limit_key: str) -> None:
        self.begins += 1
        self._attempts[invocation] += 1
        for counter in _counters(scope, limit_key):
            self.now[counter].add(invocation)
            self.most[counter] = max(self.most[counter], len(self.now[counter]))

    def _end(self, invocation: str) -> None:
        if invocation in self.ended:
            self.ended.remove(invocation)
        self.ended.append(invocation)
        self._attempts[invocation] -= 1
        if self._attempts[invocation] <= 0:
            for running in self.now.values():
                running.discard(invocation)


def _counters(scope: str, limit_key: str) -> Iterator[str]:
    yield scope
    if limit_key != "-":
        levels = limit_key.split("/")
        yield from ("/".join((scope, *levels[: depth + 1])) for depth in range(len(levels)))
