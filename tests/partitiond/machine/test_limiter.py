"""The limiter alone, against a model: exact, work-conserving, fair, at a cost that does not grow."""

from __future__ import annotations

import random
from collections import Counter
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partitiond.machine.limiter import Limiter
from shared.limits import Rule, RuleBook, counters_of
from shared.storage import keys

PLACE = 7


class CountedRows:
    """Rows in memory that count what is done with them."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.calls = 0

    def get(self, key: bytes) -> bytes | None:
        self.calls += 1
        return self.rows.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        self.calls += 1
        self.rows[key] = value

    def delete(self, key: bytes) -> None:
        self.calls += 1
        self.rows.pop(key, None)


class Scope:
    """One scope, as the machine drives it: each call is a limiter of its own, over stored rows."""

    def __init__(self, **limits: int | None) -> None:
        self.rows = CountedRows()
        self.set(limits)
        #: By id: limit key and queue.
        self.kinds: dict[bytes, tuple[str | None, bytes]] = {}
        self.running: dict[bytes, None] = {}
        self.seqs: dict[bytes, int] = {}
        self.served: list[bytes] = []
        self._next = 0

    def set(self, limits: dict[str, int | None]) -> None:
        self.book = RuleBook([Rule(pattern, limit, 0, 0) for pattern, limit in limits.items()])

    def limiter(self) -> Limiter:
        return Limiter(self.rows, self.book, PLACE, "s")

    def add(self, limit_key: str | None = None, queue: bytes = b"q", *, begun: bool = False) -> bytes:
        self._next += 1
        invocation_id = self._next.to_bytes(24, "big")
        self.kinds[invocation_id] = limit_key, queue
        limiter = self.limiter()
        if limiter.take(limit_key):
            self.running[invocation_id] = None
        else:
            self.seqs[invocation_id] = limiter.enqueue(limit_key, queue, invocation_id, begun=begun)
        limiter.save()
        return invocation_id

    def end(self, invocation_id: bytes) -> None:
        """It runs or waits, and does so no more."""
        limiter = self.limiter()
        limit_key, queue = self.kinds.pop(invocation_id)
        if invocation_id in self.seqs:
            limiter.leave(limit_key, queue, self.seqs.pop(invocation_id))
        else:
            del self.running[invocation_id]
            limiter.give_back(limit_key)
            self.serve(limiter)
        limiter.save()

    def change(self, limits: dict[str, int | None]) -> None:
        self.set(limits)
        limiter = self.limiter()
        rows = [keys.decode_counter(key)[1] for key in self.rows.rows if key[:1] == keys.COUNTER]
        limiter.limits_changed(rows)
        self.serve(limiter)
        limiter.save()

    def serve(self, limiter: Limiter) -> None:
        while (served := limiter.next_served()) is not None:
            del self.seqs[served]
            self.running[served] = None
            self.served.append(served)

    # What the model says.

    def usage(self) -> Counter[tuple[str, ...]]:
        return Counter(counter for each in self.running for counter in counters_of("s", self.kinds[each][0]))

    def limit(self, counter: tuple[str, ...]) -> float:
        rule = self.book.rule_of(counter)
        return float("inf") if rule is None or rule.concurrency is None else rule.concurrency

    def check(self) -> None:
        """Nobody waits who has room, and no row is left of what is over."""
        usage = self.usage()
        for waiting in self.seqs:
            path = counters_of("s", self.kinds[waiting][0])
            assert any(usage[counter] >= self.limit(counter) for counter in path), "it waits while it has room"
        counters = {keys.decode_counter(key)[1] for key in self.rows.rows if key[:1] == keys.COUNTER}
        living = (counter for limit_key, _ in self.kinds.values() for counter in counters_of("s", limit_key))
        assert counters == {"/".join(counter) for counter in living}
        if not self.kinds:
            assert not self.rows.rows


_LIMIT_KEYS = st.sampled_from([None, "a", "b", "a/x", "a/y", "b/x"])
_LIMITS = st.dictionaries(
    st.sampled_from(["*", "s", "s/*", "s/a", "*/b", "s/a/*", "s/*/x", "*/a/y"]), st.none() | st.integers(1, 3)
)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), _LIMIT_KEYS, st.sampled_from([b"q", b"r"]), st.booleans()),
        st.tuples(st.just("end"), st.integers(0, 1000)),
        st.tuples(st.just("limits"), _LIMITS),
    ),
    max_size=60,
)


@settings(deadline=None, max_examples=300)
@given(_LIMITS, _STEPS)
def test_permits_are_exact_and_nobody_waits_in_vain(limits: dict[str, int | None], steps: list[tuple]) -> None:  # type: ignore[type-arg]
    scope = Scope(**limits)
    for step in steps:
        before = scope.usage()
        match step:
            case ("add", limit_key, queue, begun):
                scope.add(limit_key, queue, begun=begun)
            case ("end", number) if scope.kinds:
                scope.end(list(scope.kinds)[number % len(scope.kinds)])
            case ("limits", limits):
                scope.change(limits)
        scope.check()
        for counter, usage in scope.usage().items():
            assert usage <= max(scope.limit(counter), before[counter]), f"{counter} grew above its limit"
    for each in list(scope.kinds):
        scope.end(each)
    scope.check()


@settings(deadline=None, max_examples=100)
@given(_LIMITS, st.lists(st.tuples(_LIMIT_KEYS, st.sampled_from([b"q", b"r"])), max_size=40), st.randoms())
def test_each_queue_is_served_in_order_and_to_its_end(
    limits: dict[str, int | None], added: list[tuple[str | None, bytes]], chooser: random.Random
) -> None:
    scope = Scope(**limits)
    ids = [scope.add(*kind) for kind in added]
    kinds = dict(zip(ids, added, strict=True))
    waiting = [each for each in ids if each in scope.seqs]
    while scope.running:
        scope.end(chooser.choice(list(scope.running)))
    assert not scope.seqs, "nobody is left behind"
    for kind in set(added):
        assert [each for each in scope.served if kinds[each] == kind] == [
            each for each in waiting if kinds[each] == kind
        ]


def run_down(scope: Scope, count: int) -> list[bytes]:
    """The next to be served, one after another, as what runs ends in the order of its start."""
    while len(scope.served) < count and scope.running:
        scope.end(next(iter(scope.running)))
    return scope.served[:count]


def test_a_limit_key_with_few_takes_turns_with_one_with_many() -> None:
    """Ten of one customer arrive behind a thousand of another."""
    scope = Scope(s=2)
    kinds = {scope.add("many"): "many" for _ in range(1000)} | {scope.add("few"): "few" for _ in range(10)}
    served = [kinds[each] for each in run_down(scope, 20)]
    assert served.count("few") == 10


def test_levels_take_turns_however_many_services_each_has() -> None:
    scope = Scope(s=1)
    kinds = {}
    for number in range(50):
        kinds[scope.add("many", f"service-{number}".encode())] = "many"
        kinds[scope.add("one", b"service")] = "one"
    served = [kinds[each] for each in run_down(scope, 40)]
    assert served.count("one") == 20


def test_queues_of_one_level_take_turns() -> None:
    scope = Scope(s=3)
    kinds = {scope.add("k", name): name for name in (b"a", b"b", b"c") for _ in range(30)}
    served = Counter(kinds[each] for each in run_down(scope, 30))
    assert max(served.values()) - min(served.values()) <= 3


def test_those_that_ran_before_go_first_but_do_not_starve_the_others() -> None:
    scope = Scope(s=1)
    scope.add()
    fresh = {scope.add(): number for number in range(3)}
    begun = {scope.add(begun=True): number for number in range(20)}
    order = ["begun" if each in begun else "fresh" for each in run_down(scope, 23)]
    assert order == [*["begun"] * 8, "fresh"] * 2 + ["begun"] * 4 + ["fresh"]
    assert [begun[each] for each in scope.served if each in begun] == list(range(20))
    assert [fresh[each] for each in scope.served if each in fresh] == list(range(3))


def test_a_full_level_holds_up_nobody_else() -> None:
    """Restate leaves the permit that comes free unused until the next one does."""
    scope = Scope(**{"s": 2, "s/slow": 1})
    slow = scope.add("slow")
    other = scope.add("other")
    queued = [scope.add("slow"), scope.add("slow"), scope.add("other"), scope.add(None)]
    scope.end(other)
    assert list(scope.running) == [slow, queued[2]]
    scope.end(queued[2])
    assert list(scope.running) == [slow, queued[3]]
    scope.end(queued[3])
    assert list(scope.running) == [slow], "the others wait for the level that is full"
    scope.end(slow)
    assert list(scope.running) == [queued[0]]


def test_a_raised_limit_starts_just_as_many_as_have_room_and_a_lowered_one_none() -> None:
    scope = Scope(**{"s/*": 1})
    for _ in range(5):
        scope.add("a")
        scope.add("b")
    assert len(scope.running) == 2
    scope.change({"s/*": 1, "s/a": 3})
    assert scope.usage()["s", "a"] == 3
    scope.change({"s/*": 1})
    scope.end(next(each for each in scope.running if scope.kinds[each][0] == "a"))
    assert scope.usage()["s", "a"] == 2, "above the limit, none is given"
    scope.change({})
    assert len(scope.running) == 9


@pytest.mark.parametrize("limits", [{"s": 1}, {"s": 3, "s/*": 1}, {"s": 3, "s/*/*": 1}])
def test_the_cost_of_a_permit_does_not_grow_with_those_who_wait(limits: dict[str, int | None]) -> None:
    costs: dict[int, int] = {}
    for waiting in (50, 1000):
        scope = Scope(**limits)
        for number in range(waiting):
            scope.add(f"a-{number % 3}/x", f"service-{number}".encode())
            scope.add(f"b-{number}/x", f"service-{number}".encode())
        before = scope.rows.calls
        for _ in range(20):
            scope.end(next(iter(scope.running)))
        scope.end(next(iter(scope.seqs)))
        costs[waiting] = scope.rows.calls - before
    assert costs[1000] <= costs[50] * 1.2, costs


def test_those_who_leave_from_the_middle_cost_nothing_later() -> None:
    """Gaps in queue and ring are stepped over once."""
    scope = Scope(s=1)
    scope.add()
    queued = [scope.add(f"k-{number}") for number in range(500)] + [scope.add("k") for _ in range(500)]
    for each in queued[1:-1]:
        scope.end(each)
    for _ in range(2):
        scope.end(next(iter(scope.running)))
    assert list(islice(scope.running, 2)) == [queued[-1]]
    before = scope.rows.calls
    scope.end(queued[-1])
    assert scope.rows.calls - before < 10
    assert not scope.rows.rows
