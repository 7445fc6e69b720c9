"""A program whose fork was made before its supervisord: it must not see that, nor outlive who made it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.processes.node import running_node

pytestmark = pytest.mark.processes

_ROOT = Path(__file__).parents[2]

#: The program. Imported it opens a pipe, so that who reads it knows how long its process lives.
_PROGRAM = """
import ctypes, json, os, resource, signal, sys
from pathlib import Path

if __name__ != "__main__":
    os.open(os.environ["ALIVE"], os.O_WRONLY)
    os.environ["GROUP"] = str(os.getpgid(0) - os.getpid())
else:
    ends_with = ctypes.c_int()
    ctypes.CDLL(None).prctl(2, ctypes.byref(ends_with))
    print(json.dumps({
        "arguments": sys.argv[1:],
        "added": os.environ["ADDED"],
        "kept": os.environ["KEPT"],
        "descriptors": sorted(map(int, os.listdir("/proc/self/fd")))[:3],
        "lock": os.fstat(100).st_ino,
        "handlers": [signal.getsignal(number) == signal.SIG_DFL for number in (signal.SIGTERM, signal.SIGINT)],
        "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "ends with its parent by": ends_with.value,
        "session": os.getsid(0) == os.getpid(),
        "group while it imports": os.environ["GROUP"],
        "group": os.getpgid(0) == os.getpid(),
        "most descriptors": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "title": Path("/proc/self/cmdline").read_bytes().rstrip(b"\\0").decode(),
    }), flush=True)
    print("to stderr", file=sys.stderr, flush=True)
    if "waits" in sys.argv:
        signal.pause()
"""

#: Makes it early, and what it does then.
_MAKES = """
import os, resource, signal, sys

resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
from scripts.node.early import Early

how, lock = sys.argv[1], os.open(sys.argv[2], os.O_RDONLY)
early = Early(["absent_of_early" if how == "absent" else "sample_of_early"])
module = "absent_of_early" if how == "absent" else "another" if how == "another" else "sample_of_early"
if how == "absent":
    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
if how == "killed":
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGKILL)
arguments = [sys.executable, "-P", "-m", module, "--data-dir", "a b", how]
pid = early.become(module, arguments, {"ADDED": "by supervisord"}, [0, 1, 1], lock)
again = early.become(module, arguments, {}, [0, 1, 1], lock)
if pid is None:
    print("there is none", again)
elif how == "waits":
    os.read(0, 1)
else:
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), again)
"""


class _Making:
    """Who makes a program early, as a process."""

    def __init__(self, folder: Path, how: str) -> None:
        package = folder / "sample_of_early"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "__main__.py").write_text(_PROGRAM)
        self.lock = folder / "lock"
        self.lock.write_text("")
        os.mkfifo(folder / "alive")
        self._alive = os.open(folder / "alive", os.O_RDONLY | os.O_NONBLOCK)
        self._held = os.open(folder / "alive", os.O_WRONLY)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", _MAKES, how, str(self.lock)],
            env={"PYTHONPATH": f"{_ROOT}:{folder}", "ALIVE": str(folder / "alive"), "KEPT": "of who starts"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def program_ended(self) -> bool:
        """Within a while."""
        os.close(self._held)
        ended = bool(select.select([self._alive], [], [], 10.0)[0])
        os.close(self._alive)
        return ended


def test_it_is_as_any_other_program_of_its_supervisord(tmp_path: Path) -> None:
    making = _Making(tmp_path, "ends")
    said, errors = making.process.communicate(timeout=20)
    told, end = said.splitlines()[0], said.splitlines()[1:]
    found: dict[str, Any] = json.loads(told)
    assert found.pop("most descriptors") > 256, "as supervisord allows itself and its programs"
    assert found == {
        "arguments": ["--data-dir", "a b", "ends"],
        "added": "by supervisord",
        "kept": "of who starts",
        "descriptors": [0, 1, 2],
        "lock": making.lock.stat().st_ino,
        "handlers": [True, True],
        "blocked": 0,
        "ends with its parent by": signal.SIGTERM,
        "session": True,
        "group while it imports": "0",
        "group": True,
        "title": f"{sys.executable} -P -m sample_of_early --data-dir 'a b' ends",
    }
    assert end == ["to stderr", "0 None"]
    assert errors == ""
    assert making.program_ended()


@pytest.mark.parametrize("how", ["another", "absent"])
def test_there_is_none_for_another_program_nor_of_what_cannot_be_imported(tmp_path: Path, how: str) -> None:
    making = _Making(tmp_path, how)
    assert making.process.communicate(timeout=20) == ("there is none None\n", "")
    assert making.program_ended()


@pytest.mark.parametrize("how", ["killed", "waits"])
def test_it_ends_with_who_made_it(tmp_path: Path, how: str) -> None:
    """Before it is a program, and as one."""
    making = _Making(tmp_path, how)
    assert making.process.stdin is not None
    assert making.process.stdout is not None
    if how == "waits":
        making.process.stdout.readline()
    making.process.stdin.write(".")
    making.process.stdin.flush()
    making.process.wait(timeout=20)
    assert making.program_ended()
    making.process.communicate()


@pytest.mark.slow
def test_the_first_metad_of_a_node_is_early_and_the_next_one_is_not() -> None:
    """Nothing else tells them apart: it would not be noticed if there were none any more."""
    with running_node(replayed=False) as node:
        supervisord, first = node.status()["pid"], node.pid("metad")
        assert os.getsid(first) == first
        node.kill("metad")
        node.wait_ready()
        assert os.getsid(node.pid("metad")) == os.getsid(supervisord) != first
