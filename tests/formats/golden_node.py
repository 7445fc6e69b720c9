"""Whole data directories of stopped nodes, one a release, as `nodes/<release>.tar.xz`, and what was recorded of them.

What such a node was at, when it was stopped: calls that are over and remembered by their idempotency keys, one that
sleeps and one that is scheduled (both are due when it is opened), others that wait for an awakeable or a promise, one
that is paused, one in the inbox of an object that another one holds, state, some of it of a scope, and a rule.
Since 0.4 with kept checkpoints, and a change of state behind it in that inbox; `nodes/<release>-snapshot.tar.xz` is
what `everlog snapshot export` made of it.

    python -m tests.formats.golden_node     makes that of the newest release; those of older releases are never replaced
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import lzma
import os
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rocksdict import AccessType, Options, Rdict

from shared import bounded_scan
from shared.storage import keys, values
from tests.conftest import eventually
from tests.processes.node import Node
from tests.shared.golden import NEWEST

__all__ = [
    "ENDPOINT",
    "Asker",
    "describe_stores",
    "endpoint_problem",
    "extract",
    "golden_path",
    "running_service",
    "unpack",
]

_ROOT = Path(__file__).resolve().parents[2]
_NODES = Path(__file__).parent / "nodes"
PARTITIONS = 2
#: Its deployment is stored in the node, so the service is where it was then: an address that nobody else takes.
ENDPOINT = ("127.83.11.7", 9183)
_DUE_MS = 6000
#: RocksDB's own logs and locks say nothing of the data.
_LEFT_OUT = ("LOG", "LOCK")


def golden_path(release: str) -> Path:
    """The packed directory; beside it `.json` with what was recorded."""
    return _NODES / f"{release}.tar.xz"


class Asker:
    """Requests to the ingress and the admin API of a node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def call(self, path: str, body: Any = None, **headers: str) -> Any:
        """The ingress: POST a body, else GET."""
        return _ask(self._node.ingress + path, body, "GET" if body is None else "POST", headers)

    def admin(self, path: str, body: Any = None, method: str = "") -> Any:
        return _ask(self._node.admin + path, body, method or ("GET" if body is None else "POST"), {})

    def status(self, invocation_id: str) -> str:
        """As SQL tells it; "" for none."""
        sql = f"SELECT status FROM sys_invocation WHERE id = '{invocation_id}'"
        rows = self.admin("/query", {"query": sql})["rows"]
        return str(rows[0]["status"]) if rows else ""


def _ask(url: str, body: Any, method: str, headers: dict[str, str]) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    data = None if body is None else json.dumps(body).encode()
    sent = {"accept": "application/json", **named} | ({} if data is None else {"content-type": "application/json"})
    request = urllib.request.Request(url, data, sent, method=method)
    with urllib.request.urlopen(request, timeout=30) as response:
        text = response.read()
        return json.loads(text) if text else None


def endpoint_problem(within_s: float = 60.0) -> str | None:
    """Why ENDPOINT cannot be had, None when it can. Another test may have it for a while."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            socket.create_server(ENDPOINT).close()
            return None
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                return f"{ENDPOINT[0]}:{ENDPOINT[1]} cannot be had: {error.strerror}"
        time.sleep(0.2)


@contextlib.contextmanager
def running_service(folder: Path) -> Iterator[None]:
    """`golden_service` at ENDPOINT."""
    bind = f"{ENDPOINT[0]}:{ENDPOINT[1]}"
    command = [sys.executable, "-m", "hypercorn", "--workers", "0", "--bind", bind, "tests.formats.golden_service:app"]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    with (folder / "service.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, cwd=_ROOT, stdout=log, stderr=log)

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(ENDPOINT) == 0

    try:
        eventually(listens, 20, what="the golden service listens")
        yield
    finally:
        process.kill()
        process.wait()


def describe_stores(data_dir: Path) -> dict[str, dict[str, Any]]:
    """Of each partition: LSN, format, number of rows and digest. The files are only read."""
    found = {}
    for number in range(PARTITIONS):
        path = data_dir / "partitions" / str(number) / "store"
        db = Rdict(str(path), Options(raw_mode=True), access_type=AccessType.read_only(False))
        meta = values.decode_meta(db.get(keys.META_KEY))
        digest, rows = hashlib.sha256(), 0
        for key, value in bounded_scan.scan(db, b"\x00", b"\xff" * 64):
            digest.update(len(key).to_bytes(4, "big") + key + len(value).to_bytes(4, "big") + value)
            rows += 1
        db.close()
        found[str(number)] = {
            "applied_lsn": meta.applied_lsn, "format": meta.format, "rows": rows, "digest": digest.hexdigest(),
        }  # fmt: skip
    return found


def extract(archive: tarfile.TarFile, folder: Path) -> None:
    """All of it. Python 3.11 has filters from 3.11.4 on, Debian 12 has 3.11.2; the archives are our own."""
    if hasattr(tarfile, "data_filter"):
        archive.extractall(folder, filter="data")
    else:
        archive.extractall(folder)


def unpack(release: str, folder: Path) -> dict[str, Any]:
    """Make `folder/data` of a golden node. Returns what was recorded of it."""
    with tarfile.open(golden_path(release)) as archive:
        extract(archive, folder)
    recorded: dict[str, Any] = json.loads(golden_path(release).with_suffix("").with_suffix(".json").read_text())
    return recorded


def make(folder: Path) -> dict[str, Any]:
    """A node in `folder/data`, used and stopped. Returns what is to be recorded."""
    node = Node(folder / "data", partitions=PARTITIONS, workers=1, inactivity_timeout_s=0.2)
    with running_service(folder):
        node.up()
        try:
            recorded = _use(Asker(node))
            _verb(node, "checkpoint")
        finally:
            node.down()
    _verb(node, "snapshot", "export", str(folder / "snapshot"))
    return {**recorded, "partitions": describe_stores(node.data_dir)}


def _verb(node: Node, *words: str) -> None:
    done = node.everlog(*words)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


def _use(ask: Asker) -> dict[str, Any]:
    ask.admin("/deployments", {"uri": f"http://{ENDPOINT[0]}:{ENDPOINT[1]}"})
    ask.admin("/limits/rules", [{"pattern": "acme", "limits": {"concurrency": 2}}], "PUT")
    for key in ("a", "b", "c"):
        ask.call(f"/Counter/{key}/add", 5, idempotency_key=f"five-{key}")
        ask.call(f"/Counter/{key}/add", 2, idempotency_key=f"two-{key}")
    ask.call("/restate/scope/acme/call/Counter/a/add", 11, x_restate_limit_key="gold")

    def send(path: str, body: Any, **headers: str) -> str:
        return str(ask.call(path, body, **headers)["invocationId"])

    ids = {
        "waiting": send("/Waiter/wait/send", "w1", idempotency_key="w1"),
        "paused": send("/Waiter/wait/send", "w2", idempotency_key="w2"),
        "holding": send("/Door/d/enter/send", "first", idempotency_key="first"),
        "workflow": send("/Flow/f1/run/send", "f1"),
    }
    for invocation_id in ids.values():
        eventually(lambda i=invocation_id: ask.status(i) == "suspended", 20, what=f"{invocation_id} waits")
    ids["inboxed"] = send("/Door/d/enter/send", "second", idempotency_key="second")
    edited = {"object_key": "d", "new_state": {"order": list(b'"edited "')}}
    ask.admin("/services/Door/state", edited)
    ask.admin(f"/invocations/{ids['paused']}/pause", method="PATCH")
    eventually(lambda: ask.status(ids["paused"]) == "paused", 20, what="it is paused")
    awakeables = {name: ask.call(f"/Mailbox/{name}/look") for name in ("w1", "w2", "door")}
    ids["scheduled"] = send(f"/Counter/later/add/send?delay={_DUE_MS}ms", 1)
    ids["napping"] = send("/Waiter/nap/send", _DUE_MS, idempotency_key="nap")
    eventually(lambda: ask.status(ids["napping"]) == "suspended", 4, what="it sleeps")
    return {"ids": ids, "awakeables": awakeables, "edited": True, "made_at": int(time.time())}


def _pack(folder: Path) -> bytes:
    """As a folder of its name."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if path.is_file() and name.parts[0] not in ("run", "logs") and not path.name.startswith(_LEFT_OUT):
                archive.add(path, Path(folder.name) / name, filter=_anonymous)
    return lzma.compress(packed.getvalue(), preset=9 | lzma.PRESET_EXTREME)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def main(release: str, into: Path) -> None:
    """Make the node of a release and write its files."""
    into.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="everlog-golden-") as place:
        recorded = make(Path(place))
        data, snapshot = _pack(Path(place) / "data"), _pack(Path(place) / "snapshot")
    (into / f"{release}.tar.xz").write_bytes(data)
    (into / f"{release}-snapshot.tar.xz").write_bytes(snapshot)
    (into / f"{release}.json").write_text(json.dumps({"release": release, **recorded}, indent=2) + "\n")
    print(f"{release}: {len(data)} bytes, its snapshot {len(snapshot)}")


if __name__ == "__main__":
    main(NEWEST, _NODES)
