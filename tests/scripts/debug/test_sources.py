"""Kept checkpoints and snapshots as sources: what is trimmed is begun with a checkpoint, what is damaged is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.cli.main import main
from scripts.debug.logs import LogDatabase
from shared.api.log import META_GROUP, partition_group
from shared.ids import encode_invocation_id
from shared.snapshots.checkpoint_file import checkpoint_name
from shared.snapshots.checkpoints import checkpoints_folder, keep_checkpoint
from shared.snapshots.digest import checkpoint_digest
from shared.snapshots.log_file import encode_batch_frame, encode_head
from shared.snapshots.manifest import (
    MANIFEST_FILE,
    META_LOG,
    MetaPart,
    PartitionPart,
    SnapshotManifest,
    encode_manifest,
    log_name,
    store_folder,
)
from shared.snapshots.place import Place
from tests.fakes.data_directory import log_of, store_of
from tests.scripts.debug.two_partitions import Two

Capture = pytest.CaptureFixture[str]
#: Where the checkpoint is made: behind the call, before the sleeper.
MIDDLE = 4


def run(capsys: Capture, *words: object) -> tuple[int, str]:
    status = main([str(word) for word in words])
    told = capsys.readouterr()
    return status, told.out + told.err


def run_json(capsys: Capture, *words: object) -> tuple[int, list[Any]]:
    status, out = run(capsys, *words, "--json")
    return status, [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def trimmed(data: Path, tmp_path: Path, capsys: Capture) -> Path:
    """Partition 0 has a checkpoint at MIDDLE, and its log goes back to it."""
    run(capsys, "replay", "--data-dir", data, "--partition", 0, "--to", MIDDLE, "--keep", tmp_path / "kept")
    info = keep_checkpoint(tmp_path / "kept" / "partitions" / "0" / "store", checkpoints_folder(data, 0))
    assert info.applied_lsn == MIDDLE
    with log_of(data, "p-0") as journal:
        journal.trim(MIDDLE)
        journal.drop_before(MIDDLE + 1)
    return data


def test_a_trimmed_log_is_replayed_from_the_kept_checkpoint(capsys: Capture, trimmed: Path, two: Two) -> None:
    status, (report,) = run_json(capsys, "replay", "--data-dir", trimmed, "--partition", 0)
    assert status == 0, report
    assert report["begins_with"] == f"checkpoint {MIDDLE}"
    assert report["digest"] == two.left.store.digest()
    status, out = run(capsys, "replay", "--data-dir", trimmed, "--partition", 0, "--to", MIDDLE - 1)
    assert status == 1
    assert f"kept: {MIDDLE}" in out
    assert run_json(capsys, "doctor", "--data-dir", trimmed)[1][0]["findings"] == []


def test_the_story_begins_at_the_checkpoint_and_says_so(capsys: Capture, trimmed: Path, two: Two) -> None:
    status, out = run(capsys, "story", encode_invocation_id(two.caller), "--data-dir", trimmed)
    assert status == 0
    assert f"Records up to LSN {MIDDLE} are trimmed; the story begins with checkpoint {MIDDLE}." in out
    assert f"At checkpoint {MIDDLE} it was" in out
    status, (story,) = run_json(capsys, "story", encode_invocation_id(two.sleeper), "--data-dir", trimmed)
    assert [chapter["after"] for chapter in story["chapters"]] == ["invoked (generation 6)", "suspended"]


def test_a_kept_checkpoint_is_a_store_to_compare_with(capsys: Capture, trimmed: Path) -> None:
    kept = checkpoints_folder(trimmed, 0) / checkpoint_name(MIDDLE)
    before = sorted((file.name, file.read_bytes()) for file in kept.iterdir())
    status, out = run(capsys, "diff", trimmed, kept)
    assert status == 1
    assert "only in A" in out
    assert sorted((file.name, file.read_bytes()) for file in kept.iterdir()) == before


def test_a_damaged_checkpoint_is_a_finding(capsys: Capture, trimmed: Path) -> None:
    kept = checkpoints_folder(trimmed, 0) / checkpoint_name(MIDDLE)
    table = next(kept.glob("*.sst"))
    damaged = bytearray(table.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    table.unlink()  # The store may have the same file by another link.
    table.write_bytes(damaged)
    status, (report,) = run_json(capsys, "doctor", "--data-dir", trimmed)
    assert status == 1
    assert [finding["check"] for finding in report["findings"]] == ["checkpoint"]
    assert table.name in report["findings"][0]["what"]


def export(data: Path, two: Two, target: Path, scratch: Path) -> None:
    """What `everlog snapshot export` writes, of checkpoints at the stores' begin and the whole log behind them."""
    place, parts = Place.at(str(target)), []
    database = LogDatabase(data / "log", scratch / "log")
    for number, machine in enumerate(two.machines):
        with store_of(data, number) as store:
            store.checkpoint()
        info = keep_checkpoint(data / "partitions" / str(number) / "store", checkpoints_folder(data, number))
        kept = checkpoints_folder(data, number) / checkpoint_name(info.applied_lsn)
        for file in info.files:
            place.put(f"{store_folder(number)}/{file.name}", kept / file.name)
        end = machine.meta.applied_lsn
        head = encode_head(group=partition_group(number), after_lsn=info.applied_lsn, upto_lsn=end)
        log = database.group(partition_group(number))
        assert log is not None
        frames = [
            encode_batch_frame(entry.lsn, entry.payload)
            for entry in log.entries(info.applied_lsn + 1, end)
            if entry.payload is not None
        ]
        parts.append(
            PartitionPart(
                partition_id=number,
                start_key=info.start_key,
                end_key=info.end_key,
                applied_lsn=info.applied_lsn,
                digest=checkpoint_digest(kept, scratch / f"digest-{number}"),
                cut_lsn=end,
                epoch=info.epoch,
                store_format=info.store_format,
                files=info.files,
                log=place.put_chunks(log_name(number), [head, *frames]),
            )
        )
    meta = database.group(META_GROUP)
    assert meta is not None
    head = encode_head(group=META_GROUP, after_lsn=0, upto_lsn=meta.last_lsn)
    frames = [encode_batch_frame(e.lsn, e.payload) for e in meta.entries(1, meta.last_lsn) if e.payload is not None]
    stored = place.put_chunks(META_LOG, [head, *frames])
    database.close()
    manifest = SnapshotManifest(1, "everlog", "node-1", "c", 1, tuple(parts), MetaPart(0, meta.last_lsn, stored))
    (target / MANIFEST_FILE).write_bytes(encode_manifest(manifest))


@pytest.fixture
def snapshot(data: Path, two: Two, tmp_path: Path, capsys: Capture) -> Path:
    """Of the node as it is, while its stores are a few records behind."""
    for number in (0, 1):
        kept = tmp_path / "behind" / str(number)
        run(capsys, "replay", "--data-dir", data, "--partition", number, "--to", 2, "--keep", kept)
        store = data / "partitions" / str(number) / "store"
        store.rename(tmp_path / f"whole-{number}")
        (kept / "partitions" / str(number) / "store").rename(store)
    export(data, two, tmp_path / "snapshot", tmp_path / "scratch")
    return tmp_path / "snapshot"


def test_a_snapshot_is_looked_into_like_a_node(capsys: Capture, snapshot: Path, two: Two) -> None:
    status, reports = run_json(capsys, "replay", "--data-dir", snapshot)
    assert status == 0
    assert [report["digest"] for report in reports] == [machine.store.digest() for machine in two.machines]
    assert reports[0]["begins_with"] == "snapshot 2"
    status, (story,) = run_json(capsys, "story", encode_invocation_id(two.sleeper), "--data-dir", snapshot)
    assert story["now"]["status"] == "suspended"
    assert story["trimmed_up_to"] == 2
    status, lines = run_json(capsys, "log", "dump", "--data-dir", snapshot, "--partition", 0)
    assert [line["lsn"] for line in lines] == list(range(3, two.left.meta.applied_lsn + 1))
    status, (report,) = run_json(capsys, "doctor", "--data-dir", snapshot)
    assert report["findings"] == []
    assert report["checked"]["counts"]["files"] > 2


def test_a_damaged_snapshot_is_named_by_its_file(capsys: Capture, snapshot: Path) -> None:
    file = snapshot / log_name(1)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    status, (report,) = run_json(capsys, "doctor", "--data-dir", snapshot)
    assert [(finding["check"], finding["where"]) for finding in report["findings"]] == [("snapshot", str(file))]
    status, out = run(capsys, "log", "dump", "--data-dir", snapshot, "--partition", 1)
    assert status == 1
    assert "a checksum does not match" in out
    status, out = run(capsys, "replay", "--data-dir", snapshot, "--partition", 1)
    assert status == 1
    assert "a checksum does not match" in out
