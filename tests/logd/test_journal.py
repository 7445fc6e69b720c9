"""The journal against a plain list, its window, and what a crash leaves of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from logd.journal import Entry, GroupJournal
from logd.keys import entry_key, hard_state_key
from shared.errors import CorruptionError
from tests.logd.fakes import MemoryStore


def open_journal(store: MemoryStore, *, window_bytes: int = 100) -> GroupJournal:
    return GroupJournal(store, "p-1", 1, window_bytes=window_bytes)


def stage(journal: GroupJournal, store: MemoryStore) -> None:
    journal.before_stage()
    store.stage()
    journal.after_stage()


def sync(journal: GroupJournal, store: MemoryStore) -> None:
    stage(journal, store)
    store.sync()
    journal.after_sync()


def filled(count: int, *, size: int = 10, window_bytes: int = 100) -> tuple[GroupJournal, MemoryStore, list[Entry]]:
    """`count` synced entries; most of them are out of the window."""
    store = MemoryStore()
    journal = open_journal(store, window_bytes=window_bytes)
    entries = [(bytes([index % 256]) * size, index, 1 + index // 10) for index in range(1, count + 1)]
    for entry in entries:
        journal.add(*entry)
        sync(journal, store)
    return journal, store, entries


_ends = st.none() | st.integers(-9, 9)


class JournalMachine(RuleBasedStateMachine):
    """Everything pysyncobj may do to the journal, done to a list as well; with stages, syncs and crashes between."""

    @initialize(window_bytes=st.sampled_from([1, 60, 10_000]))
    def start(self, window_bytes: int) -> None:
        self.window_bytes = window_bytes
        self.store = MemoryStore()
        self.journal = open_journal(self.store, window_bytes=window_bytes)
        self.model: list[Entry] = []
        self.durable: list[Entry] = []
        self.staged: list[Entry] = []
        self.next_index = 2  # 1 is always committed, and can be replaced by nobody.

    @rule(size=st.integers(1, 30), new_term=st.booleans())
    def add(self, size: int, new_term: bool) -> None:
        term = (self.model[-1][2] if self.model else 1) + new_term
        entry = (bytes([self.next_index % 256]) * size, self.next_index, term)
        self.journal.add(*entry)
        self.model.append(entry)
        self.next_index += 1

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def add_again(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(self.model))
        self.journal.deleteEntriesFrom(entry[1] - self.model[0][1])
        self.journal.add(*entry)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def add_over(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.model) - 1))
        index, term = self.model[place][1], self.model[-1][2] + 1
        self.journal.add(b"over", index, term)
        self.model[place:] = [(b"over", index, term)]
        self.next_index = index + 1

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def delete_to(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(0, len(self.model)))
        self.journal.deleteEntriesTo(count)
        del self.model[:count]

    @rule()
    def clear(self) -> None:
        self.journal.clear()
        self.model.clear()

    @rule()
    def stage(self) -> None:
        stage(self.journal, self.store)
        self.staged = list(self.model)

    @rule()
    def sync_staged(self) -> None:
        self.store.sync()
        self.journal.after_sync()
        self.durable = list(self.staged)

    @rule()
    def crash(self) -> None:
        self.store = self.store.crash()
        self.journal = open_journal(self.store, window_bytes=self.window_bytes)
        self.model = list(self.durable)
        self.staged = list(self.durable)
        self.next_index = self.model[-1][1] + 1 if self.model else 2

    @rule(
        start=_ends,
        stop=_ends,
        step=st.sampled_from([None, 1, 2, -1]),
    )
    def slices(self, start: int | None, stop: int | None, step: int | None) -> None:
        assert self.journal[start:stop:step] == self.model[start:stop:step]

    @rule(place=st.integers(-12, 12))
    def one(self, place: int) -> None:
        if -len(self.model) <= place < len(self.model):
            assert self.journal[place] == self.model[place]
        else:
            with pytest.raises(IndexError):
                self.journal[place]

    @invariant()
    def same_as_the_list(self) -> None:
        journal = self.journal
        assert len(journal) == len(self.model)
        assert journal[:] == self.model
        assert journal.stored_bytes == sum(len(entry[0]) for entry in self.model)
        assert journal.synced_index <= journal.last_index
        for entry in self.model:
            if entry[1] <= journal.synced_index:
                assert entry in self.durable


TestJournalIsAList = JournalMachine.TestCase
TestJournalIsAList.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(first=st.integers(1, 60), last=st.integers(1, 60), bytes_limit=st.integers(1, 300))
@settings(deadline=None)
def test_reads_are_bounded_and_give_at_least_one(first: int, last: int, bytes_limit: int) -> None:
    journal, _, entries = filled(50)
    found = journal.read(first, last, bytes_limit=bytes_limit)
    wanted = entries[first - 1 : last]
    assert found == wanted[: len(found)]
    assert bool(found) == bool(wanted)
    if len(found) < len(wanted):
        assert sum(len(entry[0]) for entry in found) + 10 > bytes_limit


def test_window_keeps_only_the_newest_entries() -> None:
    journal, store, entries = filled(500)
    assert len(journal._window) <= 13
    assert journal[:] == entries
    assert journal[0] == entries[0]
    assert journal[-1] == entries[-1]
    restarted = open_journal(store.crash())
    assert len(restarted._window) <= 10
    assert restarted[:] == entries


def test_start_reads_less_than_a_window_may_hold() -> None:
    """A node has many groups, and starts when all of them are there."""
    journal, store, entries = filled(300, size=1024, window_bytes=10**9)
    assert len(journal._window) == 300
    restarted = open_journal(store.crash(), window_bytes=10**9)
    assert len(restarted._window) <= 64
    assert restarted[:] == entries
    restarted.add(b"more", 301, 1)
    assert restarted[299:] == [entries[-1], (b"more", 301, 1)]


def test_start_does_not_read_the_whole_log() -> None:
    _, store, _ = filled(2000)
    store = store.crash()
    journal = open_journal(store)
    assert store.rows_read < 20
    assert (journal.first_index, journal.last_index, journal.stored_bytes) == (1, 2000, 20_000)


def test_what_was_not_synced_is_not_called_durable() -> None:
    journal, store, _ = filled(3)
    journal.add(b"four", 4, 9)
    assert journal.synced_index == 3
    stage(journal, store)
    journal.add(b"five", 5, 9)
    store.sync()
    journal.after_sync()
    assert journal.synced_index == 4
    assert open_journal(store.crash()).last_index == 4


def test_a_replaced_entry_is_durable_only_after_its_own_sync() -> None:
    """A sync is on its way for an entry that a new leader replaces meanwhile."""
    journal, store, _ = filled(3)
    journal.add(b"old", 4, 9)
    stage(journal, store)
    journal.add(b"new", 4, 10)
    store.sync()
    journal.after_sync()
    assert journal.synced_index == 3
    sync(journal, store)
    assert journal.synced_index == 4
    assert open_journal(store.crash())[-1] == (b"new", 4, 10)


def test_a_committed_entry_is_never_replaced() -> None:
    journal, _, _ = filled(5)
    journal.setRaftCommitIndex(4)
    with pytest.raises(AssertionError, match="committed entry 4 is contradicted"):
        journal.add(b"x", 4, 99)


def test_a_gap_is_never_made() -> None:
    journal, _, _ = filled(5)
    with pytest.raises(AssertionError, match="leaves a gap"):
        journal.add(b"x", 7, 9)


def test_term_and_vote_are_durable_at_once() -> None:
    store = MemoryStore()
    open_journal(store).setCurrentTerm(7, "b")
    journal = open_journal(store.crash())
    assert (journal.getCurrentTerm(), journal.getVotedForNodeId()) == (7, "b")


def test_commit_index_rides_along_and_is_never_beyond_the_log() -> None:
    journal, store, _ = filled(5)
    journal.setRaftCommitIndex(4)
    journal.add(b"six", 6, 9)
    sync(journal, store)
    assert open_journal(store.crash()).getRaftCommitIndex() == 4
    journal.setRaftCommitIndex(99)
    sync(journal, store)
    assert open_journal(store.crash()).getRaftCommitIndex() == 6


def test_trim_point_and_first_entry_are_right_after_a_crash() -> None:
    journal, store, entries = filled(50)
    journal.trim(30)
    journal.drop_before(29)
    assert journal.unreclaimed_bytes == 280
    sync(journal, store)
    restarted = open_journal(store.crash())
    assert (restarted.trim_lsn, restarted.first_index, restarted.stored_bytes) == (30, 29, 220)
    assert restarted[:] == entries[28:]


@pytest.mark.parametrize("read", [lambda journal: journal.entry(3), lambda journal: journal.read(1, 5)])
def test_a_damaged_entry_is_named(read: Callable[[GroupJournal], object]) -> None:
    journal, store, _ = filled(50)
    store.damage(entry_key(1, 3))
    with pytest.raises(CorruptionError, match="group=p-1 index=3 is damaged"):
        read(journal)


@pytest.mark.parametrize("read", [lambda journal: journal.entry(3), lambda journal: journal.read(1, 5)])
def test_a_missing_entry_is_named(read: Callable[[GroupJournal], object]) -> None:
    journal, store, _ = filled(50)
    store.delete_range(entry_key(1, 3), entry_key(1, 4))
    store.stage()
    with pytest.raises(CorruptionError, match="group=p-1 index=3 is missing"):
        read(journal)


def test_damage_in_the_window_or_in_the_vote_stops_the_start() -> None:
    journal, store, _ = filled(50)
    journal.setCurrentTerm(9, None)
    for key, what in ((entry_key(1, 49), "index=49"), (hard_state_key(1), "term and vote of group=p-1")):
        damaged = store.crash()
        damaged.damage(key)
        with pytest.raises(CorruptionError, match=what):
            open_journal(damaged)
    gap = store.crash()
    gap.delete_range(entry_key(1, 48), entry_key(1, 49))
    gap.stage()
    with pytest.raises(CorruptionError, match="index=48 is missing"):
        open_journal(gap)
