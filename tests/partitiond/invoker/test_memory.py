"""The budget of large things, and what an attempt has to send."""

from __future__ import annotations

from collections.abc import Callable

from partitiond.invoker.memory import FREE_BYTES, Claim, Memory
from partitiond.invoker.outbound import Outbound
from partitiond.invoker.protocol.header import FrameReader


class _Bench:
    """A budget of 100, and the names of those whose turn came."""

    def __init__(self, limit: int = 100) -> None:
        self.soon: list[Callable[[], None]] = []
        self.memory = Memory(limit, self.soon.append)
        self.came: list[str] = []

    def claim(self, name: str, size: int, owner: object = "host") -> Claim:
        return self.memory.claim(owner, size, lambda: self.came.append(name))

    def settle(self) -> list[str]:
        while self.soon:
            self.soon.pop(0)()
        came, self.came = self.came, []
        return came


def test_first_come_first_served_and_a_large_claim_is_not_overtaken() -> None:
    bench = _Bench()
    first, second = bench.claim("first", 60), bench.claim("second", 40)
    large, small = bench.claim("large", 50), bench.claim("small", 1)
    assert (first.granted, second.granted, large.granted, small.granted) == (True, True, False, False)
    assert bench.memory.contended
    second.release()
    assert bench.settle() == [], "40 are free, and the small one stands behind the large one"
    first.release()
    assert bench.came == [], "never within the call that gives back"
    assert bench.settle() == ["large", "small"]
    assert bench.memory.used == 51


def test_a_claim_over_the_whole_budget_has_it_alone() -> None:
    bench = _Bench()
    other = bench.claim("other", 1)
    giant = bench.claim("giant", 1000)
    assert not giant.granted
    other.release()
    assert bench.settle() == ["giant"]
    assert bench.memory.used == 100
    giant.release()
    giant.release()
    assert bench.memory.used == 0


def test_who_does_not_wait_any_more_is_passed_over() -> None:
    bench = _Bench()
    held = bench.claim("held", 90)
    gone, small = bench.claim("gone", 50), bench.claim("small", 10)
    gone.release()
    assert bench.settle() == ["small"]
    held.shrink(20)
    assert bench.memory.used == 30
    small.release()


def test_what_was_claimed_for_a_lost_leader_is_free_again() -> None:
    """Nobody is told any more that what it proposed is applied."""
    bench = _Bench()
    lost = bench.claim("lost", 70, owner="left")
    kept = bench.claim("kept", 30, owner="right")
    bench.claim("next", 60, owner="right")
    bench.memory.drop("left")
    assert bench.settle() == ["next"]
    lost.release()
    assert bench.memory.used == 90
    assert kept.granted


class _Journal:
    """Entries by index; `reads` says which were read."""

    def __init__(self, *raws: bytes) -> None:
        self.raws = list(raws)
        self.reads: list[int] = []

    def read(self, index: int) -> tuple[int, bytes]:
        self.reads.append(index)
        return 0x8011, self.raws[index]


def _outbound(journal: _Journal, length: int, memory: Memory) -> Outbound:
    return Outbound(b"START", read_entry=journal.read, length=length, memory=memory, owner="host")


def _nothing() -> None: ...


def test_a_journal_is_read_only_as_it_is_sent() -> None:
    journal = _Journal(*[b"x" * 1000] * 1000)
    outbound = _outbound(journal, 1000, _Bench().memory)
    data = [outbound.piece(_nothing)]
    assert len(journal.reads) < 70
    while not outbound.empty:
        outbound.written()
        data.append(outbound.piece(_nothing))
    whole = b"".join(piece for piece in data if piece is not None)
    assert max(len(piece) for piece in data if piece is not None) < FREE_BYTES + 2000
    assert len(FrameReader(1 << 20).feed(whole[5:])) == 1000
    assert journal.reads == list(range(1000))


def test_large_entries_come_alone_and_one_after_the_other_where_memory_is_short() -> None:
    bench = _Bench(limit=250_000)
    large = b"x" * 200_000
    first = _outbound(_Journal(b"input", large), 2, bench.memory)
    second = _outbound(_Journal(b"input", large), 2, bench.memory)
    ready: list[str] = []
    for outbound in (first, second):
        assert outbound.piece(lambda: ready.append("second")) is not None
        outbound.written()
    assert len(first.piece(_nothing) or b"") == 200_008
    assert second.piece(lambda: ready.append("second")) is None
    assert second.waits
    assert not second.empty
    first.written()
    bench.settle()
    assert ready == ["second"]
    assert len(second.piece(_nothing) or b"") == 200_008
    assert second.empty
    second.close()
    assert bench.memory.used == 0


def test_what_is_queued_costs_its_place_only() -> None:
    journal = _Journal(b"input", b"one", b"two")
    outbound = _outbound(journal, 1, _Bench().memory)
    outbound.piece(_nothing)
    outbound.written()
    outbound.put(1)
    outbound.put(b"ACK")
    outbound.put(2)
    assert journal.reads == [0]
    piece = outbound.piece(_nothing)
    assert piece is not None
    assert piece.index(b"one") < piece.index(b"ACK") < piece.index(b"two")
    assert outbound.piece(_nothing) is None
