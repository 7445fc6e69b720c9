"""The data directory of each release's stopped node, opened by today's build: it remembers all, and goes on."""

from __future__ import annotations

import json
import os
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from partitiond.machine import invariants, wakers
from partitiond.store.rocksdb import RocksStore
from scripts.cli.main import main
from shared.formats import DATA_FORMAT
from shared.snapshots.checkpoint_file import checkpoint_name
from shared.snapshots.checkpoints import checkpoints_folder, kept_lsns, read_checkpoint, verify_files
from shared.snapshots.digest import checkpoint_digest
from shared.snapshots.place import Place
from shared.storage.values import STORE_FORMAT
from tests.conftest import eventually
from tests.formats.golden_node import (
    PARTITIONS,
    Asker,
    describe_stores,
    endpoint_problem,
    extract,
    golden_path,
    running_service,
    unpack,
)
from tests.processes.node import Node
from tests.shared.golden import NEWEST, RELEASES

NODES = [release for release in RELEASES if golden_path(release).exists()]
#: To start a node takes seconds: the oldest and the newest, or all of them by hand.
STARTED = NODES if os.environ.get("EVERLOG_ALL_RELEASES") else sorted({NODES[0], NODES[-1]})


def test_there_is_a_node_of_the_newest_release() -> None:
    assert NEWEST in NODES, "python -m tests.formats.golden_node"


@pytest.mark.parametrize("release", NODES)
def test_stores_of_a_release_are_opened_once_and_have_the_same_rows_ever_after(release: str, tmp_path: Path) -> None:
    """The number is raised when the store is opened, so that its digest is what it will be after the next record."""
    recorded = unpack(release, tmp_path)
    before = describe_stores(tmp_path / "data")
    assert before == recorded["partitions"]
    digests = {}
    for number, expected in before.items():
        store = RocksStore(tmp_path / "data" / "partitions" / number / "store")
        meta = store.meta()
        assert meta is not None
        assert (meta.format, meta.applied_lsn) == (STORE_FORMAT, expected["applied_lsn"])
        digests[number] = store.digest()
        assert (digests[number] == expected["digest"]) == (expected["format"] == STORE_FORMAT)
        store.close()
    after = describe_stores(tmp_path / "data")
    assert {number: row["digest"] for number, row in after.items()} == digests
    assert {number: row["rows"] for number, row in after.items()} == {n: row["rows"] for n, row in before.items()}


@pytest.mark.parametrize("release", [release for release in NODES if golden_path(f"{release}-snapshot").exists()])
def test_a_snapshot_of_a_release_is_imported(release: str, tmp_path: Path) -> None:
    with tarfile.open(golden_path(f"{release}-snapshot")) as archive:
        extract(archive, tmp_path)
    data = tmp_path / "data"
    assert main(["snapshot", "import", str(tmp_path / "snapshot"), "--data-dir", str(data)]) == 0
    manifest = Place.at(str(tmp_path / "snapshot")).manifest()
    assert {
        number: (row["applied_lsn"], row["digest"], row["format"]) for number, row in describe_stores(data).items()
    } == {str(part.partition_id): (part.applied_lsn, part.digest, part.store_format) for part in manifest.partitions}
    assert json.loads((data / "FORMAT").read_text())["format"] == DATA_FORMAT


@pytest.mark.parametrize("release", NODES)
def test_kept_checkpoints_of_a_release_are_read(release: str, tmp_path: Path) -> None:
    unpack(release, tmp_path)
    for number in range(PARTITIONS):
        folder = checkpoints_folder(tmp_path / "data", number)
        for lsn in kept_lsns(folder):
            path = folder / checkpoint_name(lsn)
            info = read_checkpoint(path)
            verify_files(path, info.files)
            assert (info.partition_id, info.applied_lsn) == (number, lsn)
            assert checkpoint_digest(path, tmp_path / "scratch")


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.timeout(240)
@pytest.mark.parametrize("release", STARTED)
def test_a_node_of_a_release_goes_on_where_it_was(release: str, tmp_path: Path) -> None:
    if (problem := endpoint_problem()) is not None:
        pytest.skip(f"the node of {release} is NOT opened, {problem}")
    recorded = unpack(release, tmp_path)
    data = tmp_path / "data"
    node = Node(data, partitions=PARTITIONS, workers=1, inactivity_timeout_s=0.2)
    with running_service(tmp_path):
        node.up()
        try:
            ask = Asker(node)
            _check_memory(ask, recorded)
            _check_waking(ask, recorded)
            not_due = set() if _is_due(recorded) else {recorded["ids"][name] for name in ("scheduled", "napping")}
            eventually(lambda: set(_unfinished(ask)) <= not_due, 20, what=f"all ends: {_unfinished(ask)}")
        finally:
            node.down()
    stores = [RocksStore(data / "partitions" / str(number) / "store") for number in range(PARTITIONS)]
    assert [sentence for store in stores for sentence in invariants.check(store)] == []
    assert wakers.check(stores) == []
    for store in stores:
        store.close()
    said = json.loads((data / "FORMAT").read_text())
    assert said["format"] == DATA_FORMAT
    assert ("raised_by" in said) == any(row["format"] < STORE_FORMAT for row in recorded["partitions"].values())


def _check_memory(ask: Asker, recorded: dict[str, Any]) -> None:
    """What is over is remembered."""
    for key in ("a", "b", "c"):
        assert ask.call(f"/Counter/{key}/get") == 7
        assert ask.call(f"/Counter/{key}/add", 2, idempotency_key=f"two-{key}") == 7
    assert ask.call("/restate/scope/acme/call/Counter/a/add", 1, x_restate_limit_key="gold") == 12
    assert ask.call("/Counter/a/add", 1) == 8
    [rule] = ask.admin("/query", {"query": "SELECT pattern FROM sys_rules"})["rows"]
    assert rule["pattern"] == "acme"
    statuses = {
        name: ask.status(each) for name, each in recorded["ids"].items() if name not in ("scheduled", "napping")
    }
    assert statuses == {
        "waiting": "suspended", "paused": "paused", "holding": "suspended", "workflow": "suspended",
        "inboxed": "pending",
    }  # fmt: skip


def _check_waking(ask: Asker, recorded: dict[str, Any]) -> None:
    """Each that waited goes on with what it waited for, and has the result of what it did before."""
    ids, awakeables = recorded["ids"], recorded["awakeables"]

    def attach(name: str) -> Any:
        return ask.call(f"/restate/invocation/{ids[name]}/attach")

    for name in ("w1", "w2", "door"):
        ask.call(f"/restate/awakeables/{awakeables[name]}/resolve", f"for {name}")
    assert attach("waiting") == "step of w1, for w1"
    assert ask.status(ids["paused"]) == "paused"
    ask.admin(f"/invocations/{ids['paused']}/resume", method="PATCH")
    assert attach("paused") == "step of w2, for w2"
    assert (attach("holding"), attach("inboxed")) == ("first ", "first second ")
    [state] = ask.admin("/query", {"query": "SELECT value_utf8 FROM state WHERE service_name = 'Door'"})["rows"]
    assert state["value_utf8"] == ('"edited "' if recorded.get("edited") else '"first second "')
    ask.call("/Flow/f1/say", "yes")
    assert ask.call("/restate/workflow/Flow/f1/attach") == "f1 yes"
    if _is_due(recorded):
        assert attach("napping") == 1
        eventually(lambda: ask.call("/Counter/later/get") == 1, 20, what="what was scheduled has run")


def _is_due(recorded: dict[str, Any]) -> bool:
    """Not on a machine whose clock is before the day that the node was made."""
    return time.time() > recorded["made_at"] + 60


def _unfinished(ask: Asker) -> list[str]:
    rows = ask.admin("/query", {"query": "SELECT id FROM sys_invocation WHERE status <> 'completed'"})["rows"]
    return [row["id"] for row in rows]
