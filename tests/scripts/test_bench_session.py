"""Whole runs of `scripts/bench` against a runtime of ours that behaves well or badly."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.benchmark import session
from scripts.benchmark.measurement import EVERLOG, Measurement
from scripts.benchmark.owned import CommandError, Owned, run_command
from scripts.benchmark.rows import pick
from scripts.benchmark.services import Endpoint
from scripts.benchmark.session import Session, Times
from scripts.benchmark.targets import Oracle, Running
from scripts.benchmark.usage import read_process
from tests.conftest import eventually, free_ports

_FAKE = Path(__file__).with_name("fake_runtime.py")

pytestmark = [pytest.mark.slow, pytest.mark.processes]
needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")


class _Fake:
    side = EVERLOG
    configuration = EVERLOG

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self.pid = 0

    def start(self, owned: Owned, folder: Path) -> Running:
        (port,) = free_ports(1)
        command = [sys.executable, str(_FAKE), str(port), str(folder / "file"), self._mode]
        started_at = time.monotonic()
        self.pid = owned.spawn(command, log=folder / "log")
        return Running(self.pid, port, port, started_at)


def _measure(fake: _Fake, folder: Path) -> Measurement:
    endpoint = Endpoint("cheap", "a test", os.getpid(), 1)
    times = Times(warm_up_s=1, duration_s=1)
    run = Session(folder=folder, times=times).measure(pick("cheap-64")[0], fake, endpoint, round_=1)
    assert read_process(fake.pid) is None, "it was stopped and waited for"
    assert list(folder.iterdir()) == [], "its data are gone"
    return run


def test_services_that_the_service_calls_are_registered_too(monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[object] = []

    def register(port: int, path: str, body: dict[str, str], *, timeout_s: float) -> tuple[int, str]:
        registered.append((port, path, body["uri"]))
        return 201, ""

    monkeypatch.setattr(session, "call_json", register)
    monkeypatch.setattr(session, "call", lambda *_, **__: (200, "1000"))
    endpoint = Endpoint("ts", "a test", os.getpid(), 1, ("http://127.0.0.1:2",))
    took_s = session.first_answer(pick("ts-fan-cheap-1")[0], Running(0, 8, 9, time.monotonic()), endpoint)
    assert registered == [(9, "/deployments", f"http://127.0.0.1:{port}") for port in (1, 2)]
    assert 0 <= took_s < 30


@needs_wrk
def test_good_run_has_all_figures(tmp_path: Path) -> None:
    run = _measure(_Fake("good"), tmp_path)
    assert run.invalid == ""
    assert run.figures is not None
    assert run.figures.requests > 10
    assert run.figures.cpu_ms > 0
    assert run.figures.pss_mb > 1
    assert run.start_s is not None
    assert run.restart_s is not None, "killed behind the load, it answered again"
    assert run.syncs_per_s is None or run.syncs_per_s > 0


@needs_wrk
def test_failed_calls_make_the_run_invalid_with_their_count(tmp_path: Path) -> None:
    assert _measure(_Fake("fails"), tmp_path).invalid.endswith("answers that were not 2xx")


@needs_wrk
def test_runtime_that_does_not_sync_is_invalid(tmp_path: Path) -> None:
    run = _measure(_Fake("unsynced"), tmp_path)
    if run.syncs_per_s is None:
        pytest.skip("perf is not here or may not count")
    assert "not one sync" in run.invalid


def test_wrong_answer_is_told_and_the_runtime_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_ANSWERED_WITHIN_S", 0.5)
    run = _measure(_Fake("lies"), tmp_path)
    assert "wrong answer: 200" in run.invalid
    assert "Bye" in run.invalid
    assert run.start_s is None


def test_runtime_that_ends_at_its_start_is_told_with_its_log(tmp_path: Path) -> None:
    binary = tmp_path / "restate-server"
    binary.write_text("#!/bin/sh\necho no such option; exit 3\n")
    binary.chmod(0o755)
    owned = Owned()
    with pytest.raises(CommandError, match="no such option"):
        Oracle(binary, 4).start(owned, tmp_path)
    owned.end_all()


_DEAF = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
)


def test_tree_of_a_process_that_does_not_end_is_killed(tmp_path: Path) -> None:
    """Its child, in a session of its own, would outlive it: what was seen of the tree before is killed."""
    parent = (
        f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {_DEAF!r}], start_new_session=True).wait()"
    )
    owned = Owned()
    log = tmp_path / "log"
    pid = owned.spawn([sys.executable, "-c", parent], log=log)
    eventually(lambda: log.read_text() == "up\n")
    (child,) = (int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    owned.end(pid, within_s=0.5)
    assert not owned.alive(pid)
    left = read_process(child)
    assert left is None or left.state == "Z"


_HEADLESS = """
import ctypes, sys, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
print("up", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


def test_zombie_whose_threads_still_run_is_not_gone(tmp_path: Path) -> None:
    """A killed process is one for a while, and holds its locks. `/proc` says Z of the leader alone."""
    first, owned = Owned(), Owned()
    log = tmp_path / "log"
    pid = first.spawn([sys.executable, "-c", _HEADLESS], log=log)
    try:
        eventually(lambda: (found := read_process(pid)) is not None and found.state == "Z")
        owned.adopt(pid)
        assert owned.alive(pid)
        owned.kill(pid)
        left = read_process(pid)
        assert left is None or left.threads == 1
    finally:
        first.end_all()
    assert read_process(pid) is None


def test_command_that_takes_too_long_is_ended() -> None:
    began = time.monotonic()
    with pytest.raises(CommandError, match="did not end within 1 s"):
        run_command([sys.executable, "-c", "import time; time.sleep(60)"], within_s=1.0)
    assert time.monotonic() - began < 10


def test_interrupted_bench_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C while a runtime starts: it is stopped, the folder removed, and the report says what there was."""
    everlog = tmp_path / "everlog"
    everlog.write_text("#!/bin/sh\nexec sleep 60\n")
    everlog.chmod(0o755)
    command = [sys.executable, "-m", "scripts.benchmark.main", "--only", "everlog", "--rows", "py", "--work-dir"]
    command += [str(tmp_path), "--everlog-command", str(everlog), "--rounds", "1"]
    bench = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if shutil.which("wrk") is None:
        assert "wrk is missing" in bench.communicate(timeout=30)[1]
        return
    eventually(lambda: list(tmp_path.glob("evbench-*/n1")), 30)
    time.sleep(0.3)
    bench.terminate()
    output, _ = bench.communicate(timeout=30)
    assert bench.returncode == 130
    assert "INTERRUPTED" in output
    assert list(tmp_path.glob("evbench-*")) == []
