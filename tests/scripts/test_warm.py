"""A program in a fork of who imported its modules: it must not see that it is one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.node.warm import module_of

pytestmark = pytest.mark.processes

#: What the program tells of itself, and its ends.
_PROGRAM = """
import json, os, signal, sys
from pathlib import Path

if __name__ != "__main__":
    with open(os.environ["IMPORTS"], "a") as file:
        file.write("x")
else:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP)
    print(json.dumps({
        "arguments": sys.argv[1:],
        "environment": dict(os.environ),
        "handlers": [str(getattr(signal.getsignal(number), "name", "a function")) for number in numbers],
        "wakeup": signal.set_wakeup_fd(-1),
        "title": Path("/proc/self/cmdline").read_bytes().rstrip(b"\\0").decode(),
        "shared": sys.modules["sample_of_warm"].__name__,
    }))
    how = sys.argv[1]
    if how == "text":
        sys.exit("cannot go on")
    if how == "fails":
        raise ValueError("of the program")
    if how == "status":
        sys.exit(78)
    import atexit, threading, time
    atexit.register(print, "at the exit")
    threading.Thread(target=lambda: (time.sleep(0.05), print("a thread's end"))).start()
"""

#: Who forks: with handlers and a wakeup descriptor.
_FORKS = """
import os, signal, socket, sys

from scripts.node.warm import Warm, module_of

warm = Warm()
for _ in range(2):
    warm.load("sample_of_warm")
    warm.load("absent_of_warm")
assert "sample_of_warm" in warm and "absent_of_warm" not in warm and None not in warm
for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, lambda *_: None)
ours, theirs = socket.socketpair()
theirs.setblocking(False)
signal.set_wakeup_fd(theirs.fileno())
arguments = [sys.executable, "-P", "-m", "sample_of_warm", *sys.argv[1:]]
pid = os.fork()
if pid == 0:
    try:
        warm.become(module_of(arguments), arguments, {"ONLY": "this"})
    finally:
        os._exit(99)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(status)
"""


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    package = tmp_path / "sample_of_warm"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(_PROGRAM)
    return tmp_path


def _run(sample: Path, *words: str) -> tuple[int, dict[str, Any], str, str]:
    """-> exit status, what the program told, the rest of its stdout, its stderr."""
    done = subprocess.run(
        [sys.executable, "-c", _FORKS, *words],
        env={"PYTHONPATH": f"{Path(__file__).parents[2]}:{sample}", "IMPORTS": str(sample / "imports")},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    told, _, rest = done.stdout.partition("\n")
    return done.returncode, json.loads(told), rest, done.stderr


def test_a_forked_program_is_as_one_that_was_executed(sample: Path) -> None:
    status, told, rest, errors = _run(sample, "ends", "--data-dir", "a b")
    assert status == 0, errors
    assert told["arguments"] == ["ends", "--data-dir", "a b"]
    assert told["environment"] == {"ONLY": "this"}
    assert told["handlers"] == ["SIG_DFL", "a function", "SIG_DFL", "SIG_DFL"], "SIGINT raises KeyboardInterrupt"
    assert told["wakeup"] == -1
    assert told["title"] == f"{sys.executable} -P -m sample_of_warm ends --data-dir 'a b'"
    assert rest == "a thread's end\nat the exit\n"
    assert (sample / "imports").read_text() == "x", "imported by who forks, and by nobody else"
    assert errors.count("No module named 'absent_of_warm'") == 1, "the reason why one could not be imported"


@pytest.mark.parametrize(
    ("how", "wanted", "text"),
    [("text", 1, "cannot go on"), ("fails", 1, "ValueError: of the program"), ("status", 78, "")],
)
def test_its_exit_status_is_the_interpreters(sample: Path, how: str, wanted: int, text: str) -> None:
    status, _, rest, errors = _run(sample, how)
    assert status == wanted
    assert text in errors
    assert rest == ""


def test_only_modules_of_this_interpreter_are_run_in_a_fork() -> None:
    assert module_of([sys.executable, "-P", "-m", "logd", "--data-dir", "x"]) == "logd"
    assert module_of([sys.executable, "-P", "-m", "logd"]) == "logd"
    assert module_of(["/other/python", "-P", "-m", "logd"]) is None
    assert module_of([sys.executable, "-P", "stub.py", "logd"]) is None
    assert module_of([sys.executable, "-m", "hypercorn"]) is None
    assert module_of([]) is None
