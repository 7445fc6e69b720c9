"""A snapshot of a node under load, and the node that is made of it: nothing is lost, nothing is done twice."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from partitiond.machine import wakers
from partitiond.machine.apply import apply
from partitiond.machine.txn import Txn
from partitiond.store.rocksdb import RocksStore
from shared.snapshots.log_file import decode_log
from shared.snapshots.manifest import SnapshotManifest, decode_manifest, log_name, store_folder
from shared.storage import keys
from shared.wal.batch import decode_batch
from tests.conftest import eventually
from tests.processes.endpoint import running_endpoint
from tests.processes.node import Node, running_node
from tests.processes.purse_service import PURSES

_TELLERS = 12
_ROUNDS = 40


def post(node: Node, path: str, body: Any = None, key: str | None = None) -> Any:
    headers = {"idempotency-key": key} if key else {}
    if body is not None:
        headers["content-type"] = "application/json"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{node.ingress}/{path}", data=data, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.loads(response.read() or b"null")
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{path}: {error.code} {error.read().decode()}") from error


def rows(node: Node, sql: str) -> Any:
    request = urllib.request.Request(
        f"{node.admin}/query",
        data=json.dumps({"query": sql}).encode(),
        headers={"content-type": "application/json", "accept": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read())["rows"]


def replayed(part_store: RocksStore, log: Path) -> RocksStore:
    """The partition at the moment of the snapshot."""
    meta = part_store.meta()
    assert meta is not None
    _, batches = decode_log([log.read_bytes()], what=str(log))
    for lsn, payload in batches:
        txn = Txn(part_store, meta)
        apply(txn, lsn, decode_batch(payload), [])
        part_store.commit(txn.finish())
    return part_store


def check_parts_agree(snapshot: Path, manifest: SnapshotManifest, scratch: Path) -> int:
    """The stores of one moment: whoever waits can be woken. Returns how many batches lay behind the checkpoints."""
    stores = []
    for part in manifest.partitions:
        folder = snapshot / store_folder(part.partition_id)
        copy = scratch / str(part.partition_id)
        copy.mkdir(parents=True)
        for file in folder.iterdir():
            (copy / file.name).write_bytes(file.read_bytes())
        store = RocksStore(copy)
        assert store.digest() == part.digest
        stores.append(replayed(store, snapshot / log_name(part.partition_id)))
    assert wakers.check(stores) == []
    _check_no_message_is_lost(stores)
    for store in stores:
        store.close()
    return sum(part.cut_lsn - part.applied_lsn for part in manifest.partitions)


def _check_no_message_is_lost(stores: list[RocksStore]) -> None:
    """What a sender has no more in its outbox, its receiver has taken: all its numbers up to the receiver's are gone,
    and those that are gone are not above it. (Two partitions: what one sends goes to the other.)"""
    for sender, store in enumerate(stores):
        meta = store.meta()
        assert meta is not None
        left = [keys.decode_outbox(key) for key in store.scan_keys(keys.OUTBOX, keys.prefix_end(keys.OUTBOX))]
        sent = min(left, default=meta.outbox_seq + 1) - 1
        taken = stores[1 - sender].get(keys.dedup_key(sender))
        assert sent <= int.from_bytes(taken or b"", "big")


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.timeout(300)
def test_a_node_made_of_a_snapshot_under_load_answers_as_before(tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot"
    with running_endpoint("tests.processes.purse_service:app", tmp_path) as endpoint:
        with running_node(partitions=2, workers=1) as node:
            endpoint.register(node)
            assert post(node, "Purse/old/put", 5, key="old") == 5
            post(node, "Waiter/nap/nap/send", 2000, key="nap")
            post(node, "Waiter/hold/hold/send", key="hold")
            awakeable = eventually(lambda: post(node, "Waiter/hold/held"), what="the handler waits")
            for number in range(_TELLERS):
                post(node, f"Teller/{'t' * (number + 1)}/work/send", _ROUNDS, key=f"teller-{number}")
            done = node.everlog("snapshot", "export", str(snapshot), "--json")
            assert done.returncode == 0, done.stderr
            before = rows(node, "select id from sys_invocation where target_service_name = 'Teller'")
            node.kill_all()
        manifest = decode_manifest((snapshot / "manifest.json").read_bytes(), what="manifest")
        assert check_parts_agree(snapshot, manifest, tmp_path / "scratch") > 0, "nothing went on meanwhile"

        restored = Node(tmp_path / "d", workers=1)
        done = restored.everlog("snapshot", "import", str(snapshot))
        assert done.returncode == 0, done.stderr
        try:
            restored.up()
            # Whoever was there goes on; a teller that came after the snapshot begins now.
            for number in range(_TELLERS):
                assert post(restored, f"Teller/{'t' * (number + 1)}/work", _ROUNDS, key=f"teller-{number}") == _ROUNDS
            after = rows(restored, "select id from sys_invocation where target_service_name = 'Teller'")
            assert sorted(row["id"] for row in after) == sorted(row["id"] for row in before)
            assert post(restored, "Purse/old/put", 5, key="old") == 5
            assert post(restored, "Waiter/nap/nap", 2000, key="nap") == "awake"
            post(restored, f"restate/awakeables/{awakeable}/resolve", "come")
            assert post(restored, "Waiter/hold/hold", key="hold") == "come"

            def coins() -> list[int]:
                return [post(restored, f"Purse/p{number}/put", 0) for number in range(PURSES)]

            eventually(lambda: sum(coins()) >= 2 * _TELLERS * _ROUNDS, what="all coins have come")
            assert sum(coins()) == 2 * _TELLERS * _ROUNDS
            _check_again(restored, snapshot)
        finally:
            restored.everlog("down")


def _check_again(node: Node, snapshot: Path) -> None:
    """A directory that holds a node is refused; what it is, `checkpoint` and a second export say."""
    refused = node.everlog("snapshot", "import", str(snapshot))
    assert refused.returncode == 1
    assert "is not empty" in refused.stderr
    verified = node.everlog("checkpoint", "--verify", "--json")
    assert verified.returncode == 0, verified.stderr
    made = json.loads(verified.stdout)
    assert [row["partition"] for row in made] == [0, 1]
    node.down()
    done = node.everlog("snapshot", "export", str(snapshot.parent / "second"), "--json")
    assert done.returncode == 0, done.stderr
    parts = json.loads(done.stdout)["partitions"]
    assert [part["applied_lsn"] >= row["applied_lsn"] for part, row in zip(parts, made, strict=True)] == [True, True]
