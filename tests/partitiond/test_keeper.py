"""The process that keeps checkpoints: what it makes of a store that is open here, and how it ends."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from partitiond.keeper import Keeper
from partitiond.store.rocksdb import RocksStore
from shared.snapshots.checkpoint_file import checkpoint_name
from shared.snapshots.checkpoints import KeepError, copy_checkpoint
from tests.partitiond.store.writer import write


@pytest.mark.slow
@pytest.mark.processes
def test_it_keeps_what_was_flushed_of_a_store_that_is_open(tmp_path: Path) -> None:
    store = RocksStore(tmp_path / "store")
    keeper = Keeper(tmp_path / "store", tmp_path / "checkpoints")
    with pytest.raises(KeepError, match="nothing was flushed yet"):
        keeper.keep()
    assert keeper.kept_lsns() == []
    digests = {}
    for lsn in range(1, 5):
        write(store, lsn)
        store.checkpoint()
        digests[lsn] = store.digest()
        write(store, lsn + 1)
        kept = keeper.keep()
        assert kept.newest.applied_lsn == lsn
        assert kept.oldest_lsn == max(1, lsn - 1)
    assert keeper.kept_lsns() == [3, 4]
    keeper.close()
    for lsn in (3, 4):
        copy_checkpoint(tmp_path / "checkpoints" / checkpoint_name(lsn), tmp_path / str(lsn))
        copy = RocksStore(tmp_path / str(lsn))
        assert copy.digest() == digests[lsn]
        copy.close()
    store.close()


@pytest.mark.slow
@pytest.mark.processes
def test_its_process_stays_until_it_rests_and_another_takes_the_place_of_one_that_was_killed(tmp_path: Path) -> None:
    store = RocksStore(tmp_path / "store")
    keeper = Keeper(tmp_path / "store", tmp_path / "checkpoints")
    lsn = 0

    def keep() -> int:
        nonlocal lsn
        lsn += 1
        write(store, lsn)
        store.checkpoint()
        assert keeper.keep().newest.applied_lsn == lsn
        process = keeper._process
        assert process is not None
        assert process.poll() is None
        return process.pid

    first = keep()
    assert keep() == first
    os.kill(first, signal.SIGKILL)
    second = keep()
    assert second != first
    keeper.rest()
    keeper.rest()
    for pid in (first, second):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    last = keep()
    assert last != second
    # As when the worker dies: nothing is left to end it but the end of its stdin.
    process = keeper._process
    assert process is not None
    with process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 1
    store.close()


@pytest.mark.slow
@pytest.mark.processes
def test_one_that_is_closed_ends_its_process_and_keeps_nothing(tmp_path: Path) -> None:
    store = RocksStore(tmp_path / "store")
    write(store, 1)
    store.checkpoint()
    keeper = Keeper(tmp_path / "store", tmp_path / "checkpoints")
    ends: list[Exception] = []

    def keep() -> None:
        try:
            keeper.keep()
        except KeepError as error:
            ends.append(error)

    thread = threading.Thread(target=keep)
    thread.start()
    keeper.close()
    thread.join(10)
    assert not thread.is_alive()
    # Closed before the process began, or while it ran.
    assert len(ends) + len(keeper.kept_lsns()) == 1
    assert keeper._process is None, "it has ended, and was waited for"
    with pytest.raises(KeepError, match="closed"):
        keeper.keep()
    store.close()
