"""What looks into data, on a node under load, on its snapshot, and on what is left of it when it is stopped."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import eventually
from tests.processes.endpoint import running_endpoint
from tests.processes.node import Node, running_node
from tests.processes.test_snapshots import post, rows

pytestmark = [pytest.mark.processes, pytest.mark.slow, pytest.mark.timeout(240)]


@contextlib.contextmanager
def load(node: Node) -> Iterator[None]:
    """Calls from partition to partition, until the end of the block."""
    stopping = threading.Event()

    def work(number: int) -> None:
        for turn in range(1000):
            if stopping.is_set():
                return
            post(node, f"Teller/{'t' * (number + 1)}-{turn}/work", 10)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    yield
    stopping.set()
    for thread in threads:
        thread.join()


def ask(node: Node, verb: str, *words: str, data_dir: Path | None = None) -> tuple[int, list[Any]]:
    """The verb's JSON, one value a line."""
    command = [sys.executable, "-P", "-m", "scripts.cli.main", verb, *words, "--json"]
    where = ["--data-dir", str(data_dir or node.data_dir)]
    done = subprocess.run([*command, *where], capture_output=True, text=True, timeout=120)
    assert done.stdout, done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def check_healthy(node: Node, data_dir: Path) -> list[int]:
    """The doctor finds nothing, and each store is what its log says. The LSNs that were compared."""
    status, (report,) = ask(node, "doctor", data_dir=data_dir)
    assert (status, report["findings"]) == (0, [])
    assert report["checked"]["counts"]["rows"] > 100
    status, reports = ask(node, "replay", data_dir=data_dir)
    assert status == 0, reports
    assert [report["comparisons"][-1]["with_what"] for report in reports] == ["store", "store"]
    return [report["applied_lsn"] for report in reports]


def follow(node: Node) -> list[int]:
    """LSNs that `log tail` tells while the node runs."""
    command = [sys.executable, "-P", "-m", "scripts.cli.main", "log", "tail", "--partition", "0", "--json"]
    where = ["--data-dir", str(node.data_dir)]
    with subprocess.Popen([*command, *where], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(20)]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130
    return [json.loads(line)["lsn"] for line in lines]


def test_a_node_is_looked_into_while_it_works_and_after(tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot"
    with (
        running_endpoint("tests.processes.purse_service:app", tmp_path) as endpoint,
        running_node(partitions=2, workers=2) as node,
    ):
        endpoint.register(node)
        with load(node):
            eventually(lambda: rows(node, "select count(*) as n from sys_invocation")[0]["n"] > 200, 60, what="load")
            first = check_healthy(node, node.data_dir)
            lsns = follow(node)
            assert lsns == list(range(lsns[0], lsns[0] + len(lsns)))
            assert lsns[-1] > first[0], "the node went on meanwhile"
            done = node.everlog("snapshot", "export", str(snapshot))
            assert done.returncode == 0, done.stderr
        check_healthy(node, snapshot)
        # The newest: of older ones the log may be trimmed.
        tellers = "select id from sys_invocation where target_service_name = 'Teller' and status = 'completed'"
        teller = rows(node, f"{tellers} order by created_at desc limit 1")[0]["id"]
        status, (story,) = ask(node, "story", teller)
        assert status == 0
        assert (story["chapters"][0]["before"], story["now"]["status"]) == (None, "completed")
        assert any("SendOutbox" in text for chapter in story["chapters"] for text in chapter["actions"])
        assert node.everlog("down").returncode == 0
        check_healthy(node, node.data_dir)
        shutil.rmtree(node.data_dir / "partitions" / "1" / "store")
        status, (report,) = ask(node, "doctor")
        assert status == 1
        assert any("partition 1" in finding["where"] or "p-1" in finding["where"] for finding in report["findings"])
