"""How many invocations of a scope run at once: counters, and who waits before them. Pure: no I/O.

A scope's counters are a tree: the scope, the first levels of its limit keys, the second levels. Whoever runs counts at
each level of its path. Who finds no room waits in a queue at the last level of its path; a queue is of one service
(and of one object, where the handler is exclusive), as in Restate.

Each level has a ring of what can be served below it: its queues, and those levels below that have room and something
to serve in turn. A permit that comes free is given by going down from the scope, each time to the first of the ring,
which then goes to its end. So that:

- no permit is given where a counter is at its limit; lowering a limit takes none back;
- nobody waits while all counters of its path have room;
- levels, and the queues at one level, take turns, however long each is; a queue is served in the order of arrival, and
  those that ran before and wait to go on come before those that did not, else each suspension would cost them a wait
  behind the whole queue; but of these every ninth, at the latest, is one;
- giving a permit, taking it back, or leaving a queue costs the same however many wait.

Restate queues at one of the counters that are full, wakes one queue of each level when a permit comes free, and lets it
queue anew where it finds no room: a permit may then stay unused while somebody else could have it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Protocol

from shared.limits import RuleBook, counters_of
from shared.storage import keys, values
from shared.storage.values import CounterRow, QueueRow

__all__ = ["Limiter", "Rows"]

_LEVEL = b"l"
_QUEUE = b"q"
_BEGUN_IN_A_ROW_MAX = 8


class Rows(Protocol):
    """Stored rows, as the transaction sees them."""

    def get(self, key: bytes) -> bytes | None: ...

    def put(self, key: bytes, value: bytes) -> None: ...

    def delete(self, key: bytes) -> None: ...


class Limiter:
    """The counters of one scope, at its place in the key space. `save` ends whatever was done."""

    __slots__ = ("_book", "_levels", "_limits", "_place", "_rows", "_scope")

    def __init__(self, rows: Rows, book: RuleBook, place: int, scope: str) -> None:
        self._rows = rows
        self._book = book
        self._place = place
        self._scope = scope
        self._levels: dict[str, CounterRow] = {}
        #: By path; None: no limit.
        self._limits: dict[str, int | None] = {}

    def take(self, limit_key: str | None) -> bool:
        """A permit, if there is room at every counter of the path."""
        path = self._path(limit_key)
        if not all(map(self._has_room, path)):
            return False
        for name in path:
            level = self._level(name)
            assert not level.members, f"{name} has room while somebody waits"
            level.usage += 1
        return True

    def give_back(self, limit_key: str | None) -> None:
        """A permit is free; `next_served` tells whose it is."""
        path = self._path(limit_key)
        for name in path:
            level = self._level(name)
            assert level.usage > 0, f"a permit of {name} is given back that was not taken"
            level.usage -= 1
        self._settle(path)

    def enqueue(self, limit_key: str | None, queue_name: bytes, invocation_id: bytes, *, begun: bool) -> int:
        """Wait behind all of the same line. Returns the place in the queue, never 0. `begun`: it ran before."""
        path = self._path(limit_key)
        at = path[-1]
        key = keys.queue_key(self._place, at, queue_name)
        queue = self._queue(key)
        if begun:
            seq = 2 * queue.begun_tail + 1
            queue.begun_tail += 1
        else:
            seq = 2 * queue.tail
            queue.tail += 1
        self._rows.put(keys.waiter_key(self._place, at, queue_name, seq), invocation_id)
        queue.waiting += 1
        if queue.waiting == 1:
            queue.listed_at = self._list(at, _QUEUE + queue_name)
        self._rows.put(key, values.encode(queue))
        for name in path:
            self._level(name).waiting += 1
        self._settle(path)
        return seq

    def leave(self, limit_key: str | None, queue_name: bytes, seq: int) -> None:
        """Wait no more."""
        path = self._path(limit_key)
        at = path[-1]
        key = keys.queue_key(self._place, at, queue_name)
        queue = self._queue(key)
        self._rows.delete(keys.waiter_key(self._place, at, queue_name, seq))
        queue.waiting -= 1
        if queue.waiting:
            self._rows.put(key, values.encode(queue))
        else:
            self._unlist(at, queue.listed_at)
            self._rows.delete(key)
        for name in path:
            self._level(name).waiting -= 1
        self._settle(path)

    def next_served(self) -> bytes | None:
        """Give a free permit to whose turn it is, who leaves the queue; None: no permit, or nobody for it."""
        path = [self._scope]
        if not self._level(self._scope).members or not self._has_room(self._scope):
            return None
        member = self._first(self._scope)
        while member[:1] == _LEVEL:
            path.append(member[1:].decode("ascii"))
            member = self._first(path[-1])
        served = self._pop(path[-1], member)
        for name in path:
            level = self._level(name)
            level.usage += 1
            level.waiting -= 1
        for above, name in reversed(list(pairwise(path))):
            level = self._level(name)
            if self._is_ready(name):
                level.listed_at = self._to_end(above, level.listed_at, _LEVEL + name.encode("ascii"))
        self._settle(path)
        return served

    def limits_changed(self, paths: list[str]) -> None:
        """Look anew at these counters, all of the scope's."""
        for path in sorted(paths, key=lambda path: path.count("/"), reverse=True):
            above = path.rpartition("/")[0]
            if above:
                self._settle([above, path])

    def save(self) -> None:
        """Store the counters that were touched; those that count nothing have no row."""
        for path, level in self._levels.items():
            key = keys.counter_key(self._place, path)
            if level.usage or level.waiting:
                self._rows.put(key, values.encode(level))
            else:
                assert not level.members, f"{path}: its ring has members, though nobody waits"
                self._rows.delete(key)

    # Helpers, in order of use.

    def _path(self, limit_key: str | None) -> list[str]:
        return ["/".join(counter) for counter in counters_of(self._scope, limit_key)]

    def _has_room(self, path: str) -> bool:
        try:
            limit = self._limits[path]
        except KeyError:
            rule = self._book.rule_of(tuple(path.split("/")))
            limit = self._limits[path] = None if rule is None else rule.concurrency
        return limit is None or self._level(path).usage < limit

    def _level(self, path: str) -> CounterRow:
        level = self._levels.get(path)
        if level is None:
            stored = self._rows.get(keys.counter_key(self._place, path))
            level = self._levels[path] = CounterRow(0, 0) if stored is None else values.decode_counter(stored)
        return level

    def _queue(self, key: bytes) -> QueueRow:
        stored = self._rows.get(key)
        return QueueRow(0) if stored is None else values.decode_queue(stored)

    def _is_ready(self, path: str) -> bool:
        return self._level(path).members > 0 and self._has_room(path)

    def _settle(self, path: list[str]) -> None:
        """From the last level up: those that can be served are in the ring above, the others are not."""
        for above, name in reversed(list(pairwise(path))):
            level = self._level(name)
            if self._is_ready(name):
                if not level.listed_at:
                    level.listed_at = self._list(above, _LEVEL + name.encode("ascii"))
            elif level.listed_at:
                self._unlist(above, level.listed_at)
                level.listed_at = 0

    def _list(self, path: str, member: bytes) -> int:
        level = self._level(path)
        position = level.tail
        self._rows.put(keys.ring_key(self._place, path, position), member)
        level.tail += 1
        level.members += 1
        return position

    def _unlist(self, path: str, position: int) -> None:
        level = self._level(path)
        self._rows.delete(keys.ring_key(self._place, path, position))
        level.members -= 1
        if not level.members:
            level.head = level.tail

    def _to_end(self, path: str, position: int, member: bytes) -> int:
        """It was served: behind all others. Returns the new position."""
        if self._level(path).members == 1:
            return position
        self._unlist(path, position)
        return self._list(path, member)

    def _first(self, path: str) -> bytes:
        level = self._level(path)
        while True:
            assert level.head < level.tail, f"the ring of {path} has {level.members} members and no row"
            member = self._rows.get(keys.ring_key(self._place, path, level.head))
            if member is not None:
                return member
            level.head += 1

    def _pop(self, path: str, member: bytes) -> bytes:
        """The first of a queue, which goes to the end of the ring if others are in it."""
        name = member[1:]
        key = keys.queue_key(self._place, path, name)
        queue = self._queue(key)
        invocation_id = self._first_of(path, name, queue)
        queue.waiting -= 1
        if queue.waiting:
            queue.listed_at = self._to_end(path, queue.listed_at, member)
            self._rows.put(key, values.encode(queue))
        else:
            self._unlist(path, queue.listed_at)
            self._rows.delete(key)
        return invocation_id

    def _first_of(self, path: str, name: bytes, queue: QueueRow) -> bytes:
        """Take the next one of a queue out of its line."""
        begun = queue.begun_in_a_row < _BEGUN_IN_A_ROW_MAX
        invocation_id = self._first_in_line(path, name, queue, begun=begun)
        if invocation_id is None:
            begun = not begun
            invocation_id = self._first_in_line(path, name, queue, begun=begun)
        assert invocation_id is not None, f"a queue at {path} has {queue.waiting} waiting and no row"
        queue.begun_in_a_row = queue.begun_in_a_row + 1 if begun else 0
        return invocation_id

    def _first_in_line(self, path: str, name: bytes, queue: QueueRow, *, begun: bool) -> bytes | None:
        head, tail = (queue.begun_head, queue.begun_tail) if begun else (queue.head, queue.tail)
        invocation_id: bytes | None = None
        while head < tail and invocation_id is None:
            place = keys.waiter_key(self._place, path, name, 2 * head + begun)
            head += 1
            invocation_id = self._rows.get(place)
            if invocation_id is not None:
                self._rows.delete(place)
        if begun:
            queue.begun_head = head
        else:
            queue.head = head
        return invocation_id
