"""`everlog doctor` finds each fault that it knows, and nothing on a healthy directory."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from logd.keys import entry_key
from logd.store import RocksStore as LogStore
from metad.registry.commands import CreatePartitionTable
from scripts.cli.main import main
from scripts.debug.doctor.examine import examine
from scripts.debug.doctor.findings import Checked
from scripts.debug.source import DataDirectory
from scripts.debug.stores import StoreReader
from shared.storage import keys, values
from tests.fakes.data_directory import log_of, store_of, write_data_directory
from tests.scripts.debug.two_partitions import Two

Capture = pytest.CaptureFixture[str]
Break = Callable[[Path, Two], None]


def findings(capsys: Capture, path: Path) -> list[dict[str, str]]:
    status = main(["doctor", "--data-dir", str(path), "--json"])
    found: list[dict[str, str]] = json.loads(capsys.readouterr().out)["findings"]
    assert status == (1 if found else 0)
    return found


def _put(partition_id: int, key: bytes, value: bytes | None) -> Break:
    def damage(path: Path, two: Two) -> None:
        with store_of(path, partition_id) as store:
            store.commit({key: value})

    return damage


def _flip_a_log_entry(path: Path, two: Two) -> None:
    store = LogStore(path / "log")
    key = entry_key(1, 3)
    value = store.get(key)
    assert value is not None
    store.put(key, value[:-1] + bytes([value[-1] ^ 1]))
    store.stage()
    store.close()


def _lose_a_log_entry(path: Path, two: Two) -> None:
    store = LogStore(path / "log")
    store.delete_range(entry_key(1, 3), entry_key(1, 4))
    store.stage()
    store.close()


def _trim_too_far(path: Path, two: Two) -> None:
    with log_of(path, "p-0") as journal:
        journal.trim(two.left.meta.applied_lsn + 1)


def _lose_the_logs_end(path: Path, two: Two) -> None:
    store = LogStore(path / "log")
    store.delete_range(entry_key(1, 4), entry_key(1, 1000))
    store.stage()
    store.close()


def _lose_the_start(path: Path, two: Two) -> None:
    with log_of(path, "p-1") as journal:
        journal.drop_before(3)
    meta = values.decode_meta(values.encode(two.right.meta))
    meta.applied_lsn = 1
    _put(1, keys.META_KEY, values.encode(meta))(path, two)


def _take_the_sleepers_timer(path: Path, two: Two) -> None:
    with store_of(path, 0) as store:
        store.commit({key: None for key, _ in two.left.store.scan(keys.TIMER, keys.OUTBOX)})


def _take_a_journal_entry(path: Path, two: Two) -> None:
    _put(0, keys.journal_key(two.done, 0), None)(path, two)


def _lock_nobody_has(path: Path, two: Two) -> None:
    lock = values.LockRow(bytes(7) + b"\x07" + bytes(16), 0, 0)
    _put(0, keys.lock_key(7, "Counter", "c1"), values.encode(lock))(path, two)


def _seen_too_much(path: Path, two: Two) -> None:
    _put(1, keys.dedup_key(0), (99).to_bytes(8, "big"))(path, two)


def _pinned_nowhere(path: Path, two: Two) -> None:
    row = two.left.row(two.caller)
    row.deployment_id, row.protocol_version = "dp_gone", 6
    _put(0, keys.invocation_key(two.caller), values.encode(row))(path, two)


def _other_log_format(path: Path, two: Two) -> None:
    (path / "log" / "FORMAT").write_text("99\n")


def _newer_store_format(path: Path, two: Two) -> None:
    meta = values.decode_meta(values.encode(two.left.meta))
    meta.format = 99
    _put(0, keys.META_KEY, values.encode(meta))(path, two)


def _open_to_others(path: Path, two: Two) -> None:
    path.chmod(0o755)


def _leftover(path: Path, two: Two) -> None:
    (path / "partitions" / "0" / "checkpoints" / ".making").mkdir(parents=True)


def _not_in_range(path: Path, two: Two) -> None:
    _put(0, keys.state_key((1 << 64) - 1, "Counter", "x", b"n"), b"1")(path, two)


def _put_aside(path: Path, two: Two) -> None:
    (path / "partitions" / "1" / "store.damaged-1").mkdir(parents=True)


FAULTS: dict[str, tuple[Break, str, str]] = {
    "a flipped bit in the log": (_flip_a_log_entry, "log", "its checksum does not match"),
    "a lost record": (_lose_a_log_entry, "log", "index=3 is missing"),
    "the log's end lost": (_lose_the_logs_end, "log", "one of them is not this node's"),
    "trimmed too far": (_trim_too_far, "log", "trimmed up to LSN"),
    "a gap between store and log": (_lose_the_start, "log", "what is between is lost"),
    "an unreadable row": (_put(1, keys.dropped_key(b"\xff" * 24), b"\xc1"), "store", "unreadable value"),
    "an unknown kind of row": (_put(1, b"\x99x", b"y"), "store", "no table has the kind"),
    "a row of another partition": (_not_in_range, "store", "is not of its keys"),
    "a journal entry lost": (_take_a_journal_entry, "machine", "is missing"),
    "a lock that nobody holds": (_lock_nobody_has, "machine", "which does not exist"),
    "a timer lost": (_take_the_sleepers_timer, "wakers", "there is no timer at"),
    "a message from the future": (_seen_too_much, "messages", "which has made only"),
    "pinned to what is gone": (_pinned_nowhere, "catalog", "which is not registered"),
    "another format of the log": (_other_log_format, "folder", "says format 99"),
    "a newer format of a store": (_newer_store_format, "store", "store format 99"),
    "rights": (_open_to_others, "folder", "mode 0755"),
    "a leftover": (_leftover, "folder", "left behind"),
    "a store put aside": (_put_aside, "folder", "was put aside"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found_with_a_remedy(name: str, capsys: Capture, data: Path, two: Two) -> None:
    damage, check, text = FAULTS[name]
    damage(data, two)
    found = findings(capsys, data)
    fitting = [finding for finding in found if finding["check"] == check and text in finding["what"]]
    assert fitting, found
    assert all(finding["remedy"] and finding["where"] for finding in found)


def test_a_healthy_directory_has_no_findings(capsys: Capture, data: Path) -> None:
    assert findings(capsys, data) == []
    assert main(["doctor", "--data-dir", str(data)]) == 0
    out = capsys.readouterr().out
    assert "All is well." in out
    assert "stopped" in out


def test_a_table_that_says_otherwise_is_found(capsys: Capture, tmp_path: Path, two: Two) -> None:
    write_data_directory(tmp_path / "data", two.machines, [CreatePartitionTable(3)])
    found = findings(capsys, tmp_path / "data")
    assert {finding["check"] for finding in found} == {"catalog"}
    assert all("the partition table says" in finding["what"] for finding in found)


class _Working(DataDirectory):
    """A node that goes on: between two looks its timer comes back."""

    running = True

    def __init__(self, path: Path, heal: Callable[[], None]) -> None:
        super().__init__(path)
        self._heal = heal

    def store(self, partition_id: int) -> StoreReader | None:
        reader = super().store(partition_id)
        if reader is not None and partition_id == 0:
            catch_up = reader.catch_up

            def healed() -> None:
                self._heal()
                catch_up()

            reader.catch_up = healed  # type: ignore[method-assign]
        return reader


@pytest.mark.parametrize("heals", [True, False])
def test_what_waits_on_a_node_that_runs_is_told_when_it_is_seen_twice(data: Path, two: Two, *, heals: bool) -> None:
    """Messages on their way arrive meanwhile."""
    _take_the_sleepers_timer(data, two)

    def heal() -> None:
        if heals:
            with store_of(data, 0) as store:
                store.commit(dict(two.left.store.scan(keys.TIMER, keys.OUTBOX)))

    with closing(_Working(data, heal)) as source:
        found = [finding.check for finding in examine(source, Checked())]
    assert found == ([] if heals else ["wakers"])


def test_a_store_that_is_not_what_its_log_says_is_found_by_replay(capsys: Capture, data: Path) -> None:
    """Rows that contradict nothing: only the log knows better."""
    assert main(["doctor", "--data-dir", str(data), "--replay"]) == 0
    assert "records replayed" in capsys.readouterr().out
    with store_of(data, 0) as store:
        store.commit({keys.state_key(7, "Counter", "c1", b"sum"): b"17"})
    assert main(["doctor", "--data-dir", str(data)]) == 0
    assert main(["doctor", "--data-dir", str(data), "--replay"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "store at LSN 8 is not what the log gives, first in state" in out


def test_findings_are_told_to_people(capsys: Capture, data: Path, two: Two) -> None:
    _take_a_journal_entry(data, two)
    assert main(["doctor", "--data-dir", str(data)]) == 1
    out = capsys.readouterr().out
    assert "remedy: " in out
    assert "1 findings." in out
