"""`everlog up`, `down`, `status` and `restart`, with stub programs in place of the daemons."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from shared.transport.identity import Identity
from tests.conftest import eventually
from tests.scripts.conftest import NodeMaker
from tests.scripts.stub_node import StubNode

pytestmark = [pytest.mark.processes, pytest.mark.slow]


def _start(node: StubNode) -> None:
    done = node.run("up", "--detach")
    assert done.returncode == 0, done.stdout + done.stderr


def _wait_for(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError(f"ended without {text!r}: {''.join(lines)}")


def test_detached_node_is_ready_when_up_returns(node: StubNode) -> None:
    _start(node)
    report = node.status()
    assert report["running"]
    assert report["ready"]
    assert [row["name"] for row in report["programs"]] == ["metad", "partitiond", "logd", "ingress", "sqld"]
    assert all(row["ready"] and row["pid"] and row["restarts"] == 0 for row in report["programs"])
    assert [worker["ready"] for worker in report["workers"]] == [True, True]
    assert report["addresses"]["admin"] == f"http://127.0.0.1:{node.ports['--admin-port']}"


def test_status_is_a_table_for_people(node: StubNode) -> None:
    assert node.run("status").returncode == 3
    assert node.run("status", "--json").stdout == '{"running": false}\n'
    _start(node)
    done = node.run("status")
    assert done.returncode == 0
    for word in ("is ready", "PROGRAM", "logd", "worker 1", "RESTARTS", "running"):
        assert word in done.stdout or word == "running"
    assert "identity" not in done.stdout


def test_people_are_told_the_public_key_that_services_check(node: StubNode) -> None:
    file = node.data_dir.with_name("key.pem")
    key = Ed25519PrivateKey.generate()
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    # Relative to where `up` runs; the programs run elsewhere.
    node.environ["EVERLOG_REQUEST_IDENTITY_PRIVATE_KEY_FILE"] = os.path.relpath(file, "/")
    public_key = Identity(key).public_key
    done = node.run("up", "--detach")
    assert f"identity    {public_key}" in done.stdout, done.stdout + done.stderr
    assert f"identity  {public_key}" in node.run("status").stdout
    assert node.status()["request_identity"] == public_key
    file.unlink()
    assert node.status()["request_identity"].startswith("not readable by now: ")


def test_down_stops_everything_at_once(node: StubNode) -> None:
    _start(node)
    began = time.monotonic()
    done = node.run("down")
    assert done.returncode == 0
    assert "has stopped" in done.stdout
    assert time.monotonic() - began < 3
    assert not node.processes()
    again = node.run("down")
    assert (again.returncode, again.stdout) == (0, f"No node runs on {node.data_dir}.\n")


def test_down_tells_in_json_what_it_stopped(node: StubNode) -> None:
    _start(node)
    told = json.loads(node.run("down", "--json").stdout)
    assert told["data_dir"] == str(node.data_dir)
    assert told["pid"] > 0
    assert json.loads(node.run("down", "--json").stdout)["pid"] is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_to_the_foreground_stops_everything(node: StubNode, number: signal.Signals) -> None:
    with node.start("up") as process:
        assert f"admin API   http://127.0.0.1:{node.ports['--admin-port']}" in _wait_for(process, "Ctrl-C")
        process.send_signal(number)
        output, _ = process.communicate(timeout=20)
    assert "Everlog has stopped." in output
    assert process.returncode == 0
    assert not node.processes()


def test_signal_while_it_starts_stops_everything(make_node: NodeMaker) -> None:
    node = make_node(sqld="dies")
    with node.start("up") as process:
        _wait_for(process, "answers after")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    assert "Everlog has stopped." in output
    assert not node.processes()


def test_foreground_ends_when_the_node_is_stopped_elsewhere(node: StubNode) -> None:
    with node.start("up") as process:
        _wait_for(process, "Ctrl-C")
        assert node.run("down").returncode == 0
        output, _ = process.communicate(timeout=20)
    assert "Everlog has stopped." in output
    assert process.returncode == 0


def test_second_signal_kills_what_does_not_end(make_node: NodeMaker) -> None:
    node = make_node(sqld="deaf")
    with node.start("up") as process:
        _wait_for(process, "Ctrl-C")
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        eventually(lambda: len(node.processes()) == 3, what="only up, supervisord and sqld are left")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert time.monotonic() - began < 6
    assert not node.processes()


def test_killed_program_is_back_at_once_and_counted(node: StubNode) -> None:
    _start(node)
    for name in ("logd", "metad", "partitiond", "sqld", "ingress"):
        before = node.pid(name)
        os.kill(before, signal.SIGKILL)
        row = eventually(lambda name=name: (row := node.program(name)) and row["ready"] and row)  # type: ignore[misc]
        assert row["pid"] not in (None, before)
        assert row["restarts"] == 1
        assert row["last_exit"] == "SIGKILL"


def test_program_that_dies_again_and_again_is_never_given_up(node: StubNode) -> None:
    """Life: a full disk for a minute. Stock supervisord would wait longer each time and then stop trying for good."""
    _start(node)
    for _ in range(4):
        pid = eventually(lambda: node.program("sqld")["pid"])
        os.kill(pid, signal.SIGKILL)
        eventually(lambda pid=pid: node.program("sqld")["pid"] not in (None, pid), what="sqld is back")  # type: ignore[misc]
    assert node.program("sqld")["restarts"] == 4


def test_what_a_killed_program_leaves_is_killed(make_node: NodeMaker) -> None:
    """Life: partitiond is killed and its workers still hold the stores that the next one wants to open."""
    node = make_node(partitiond="spawns")
    _start(node)
    pid = node.pid("partitiond")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert len(children) == 1
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{children[0]}").exists(), what="the child has ended too")


@pytest.mark.parametrize("who", ["up", "supervisord"])
def test_killed_node_leaves_nothing_and_starts_again(node: StubNode, who: str) -> None:
    """Life: the out-of-memory killer takes one of our own. The programs end, the stale lock and files do no harm."""
    with node.start("up") as process:
        _wait_for(process, "Ctrl-C")
        victim = process.pid if who == "up" else node.status()["pid"]
        os.kill(victim, signal.SIGKILL)
        process.communicate(timeout=20)
    assert process.returncode != 0
    eventually(lambda: not node.processes(), what="the programs have ended too")
    _start(node)
    assert node.status()["ready"]


def test_everything_killed_at_once_starts_again(node: StubNode) -> None:
    _start(node)
    for pid in node.processes():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not node.processes())
    assert node.run("status").returncode == 3
    _start(node)
    # For the socket of the killed one supervisord would sleep.
    assert "stale socket" not in (node.data_dir / "logs" / "supervisord.log").read_text()


def test_restart_of_one_program(node: StubNode) -> None:
    _start(node)
    before = {row["name"]: row["pid"] for row in node.status()["programs"]}
    done = node.run("restart", "ingress")
    assert done.returncode == 0, done.stderr
    after = {row["name"]: row["pid"] for row in node.status()["programs"]}
    assert {name for name in before if before[name] != after[name]} == {"ingress"}
    wrong = node.run("restart", "ingres")
    assert wrong.returncode == 1
    assert "there is no program 'ingres'; there are metad, partitiond" in wrong.stderr


def test_program_that_cannot_start_is_named_with_its_log(make_node: NodeMaker) -> None:
    node = make_node(sqld="dies")
    done = node.run("up", "--detach")
    assert done.returncode == 1
    assert "sqld does not start (exit status 1)" in done.stderr
    assert "sqld: cannot go on, on purpose" in done.stderr
    assert "Nothing is left running." in done.stderr
    assert not node.processes()


def test_program_that_ends_again_and_again_is_named_long_before_the_deadline(make_node: NodeMaker) -> None:
    """It lives for more than a second each time, like partitiond, which needs the log before it opens its stores."""
    node = make_node(sqld="dies-late")
    done = node.run("up", "--detach")
    assert done.returncode == 1
    assert "sqld does not start (exit status 1)" in done.stderr
    assert "cannot go on, on purpose" in done.stderr


def test_a_damaged_partition_is_told_at_once_and_the_node_serves_the_others(make_node: NodeMaker) -> None:
    """Nobody waits for what waiting does not mend."""
    node = make_node(metad="damaged")
    began = time.monotonic()
    done = node.run("up", "--detach")
    assert done.returncode == 4
    assert "not all partitions can serve:\npartition 1: its log is gone\nThe others do." in done.stderr
    assert time.monotonic() - began < 30
    assert node.processes()
    (node.data_dir / "partitions" / "1" / "store.damaged-1").mkdir(parents=True)
    assert node.status()["put_aside"] == [str(node.data_dir / "partitions" / "1" / "store.damaged-1")]
    assert "damaged, put aside: " in node.run("status").stdout


def test_logs_of_one_and_of_all(node: StubNode) -> None:
    _start(node)
    assert node.run("logs", "sqld").stdout == "sqld stub listens\n"
    everything = node.run("logs").stdout
    assert "metad stub listens" in everything
    assert "spawned: 'logd'" in everything
    assert "there are" in node.run("logs", "nobody").stderr
    with node.start("logs", "sqld", "--follow") as process:
        _wait_for(process, "sqld stub listens")
        assert node.run("restart", "sqld").returncode == 0
        _wait_for(process, "sqld stub listens")
        process.kill()
