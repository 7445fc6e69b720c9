"""A process that is a fork: what it sees of whoever forked it, and what that one sees of it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

_ENVIRONMENT = {"PYTHONPATH": str(Path(__file__).parents[2])}

#: Forks with handlers, output that waits, and descriptors that are open; tells how it ended.
_FORKS = """
import json, os, signal, sys
from pathlib import Path

from scripts.node.forked import fork, fork_ahead, run_as_fork

how, log, ahead = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
heard = []
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: heard.append(1))
kept, _ = os.pipe()
os.set_inheritable(os.open(log.parent, os.O_RDONLY), True)
print("before the fork", end=" ")

def main(what, kept):
    assert what == ["of", {"many": 1}]
    if how == "ends":
        print(json.dumps({
            "descriptors": sorted(set(map(int, os.listdir("/proc/self/fd"))) - {kept})[:3],
            "others": len(os.listdir("/proc/self/fd")) - 5,
            "handlers": [signal.getsignal(number) == signal.SIG_DFL for number in (signal.SIGTERM, signal.SIGINT)],
            "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
            "session": os.getsid(0) == os.getpid(),
            "group": os.getpgid(0) == os.getpid(),
            "stdin": sys.stdin.read(),
        }))
    elif how == "text":
        sys.exit("cannot go on")
    elif how == "fails":
        raise ValueError("of the program")
    elif how == "killed":
        os.kill(os.getpid(), signal.SIGTERM)
    else:
        sys.exit(78)

try:
    what, rest = ["of", {"many": 1}], dict(log=log, keep=[kept], own_session=how != "fails")
    if ahead:
        def begun(what, descriptors):
            [kept] = descriptors
            run_as_fork(lambda: main(what, kept), **rest | dict(keep=[kept]))

        child = fork_ahead(lambda: begun).become(what, [kept])
    else:
        child = fork(lambda: main(what, kept), **rest)
finally:
    print("after it")
status = child.wait()
child.send_signal(signal.SIGTERM)
print(status, child.poll(), len(heard))
"""


#: Forks ahead what cannot be prepared, and one that is not needed. Each has the pipe open as long as it lives.
_AHEAD = """
import os, sys

from scripts.node.forked import fork_ahead

divisor, pipe = sys.argv[1:]

def prepare():
    os.open(pipe, os.O_WRONLY)
    1 // int(divisor)

ahead = fork_ahead(prepare)
if divisor == "0":
    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    print(ahead.become("it", [1]))
elif divisor == "2":
    ahead.end()
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        print("nobody is left")
"""


def _run(folder: Path, how: str, ahead: str) -> tuple[str, str]:
    """-> what the starter printed, what the fork said."""
    log = folder / "log"
    done = subprocess.run(
        [sys.executable, "-c", _FORKS, how, str(log), ahead],
        env=_ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout, log.read_text()


@pytest.mark.parametrize("ahead", ["", "ahead"])
def test_a_fork_has_nothing_of_whoever_forked_it(tmp_path: Path, ahead: str) -> None:
    told, said = _run(tmp_path, "ends", ahead)
    assert told == "before the fork after it\n0 0 0\n", "each line once, and a signal to what has ended is none"
    assert json.loads(said) == {
        "descriptors": [0, 1, 2],
        "others": 0,
        "handlers": [True, True],
        "blocked": 0,
        "session": True,
        "group": True,
        "stdin": "",
    }


@pytest.mark.parametrize(
    ("how", "status", "text"),
    [("text", 1, "cannot go on"), ("fails", 1, "ValueError: of the program"), ("killed", -15, ""), ("status", 78, "")],
)
@pytest.mark.parametrize("ahead", ["", "ahead"])
def test_its_end_is_told_as_the_interpreter_would(tmp_path: Path, how: str, status: int, text: str, ahead: str) -> None:
    told, said = _run(tmp_path, how, ahead)
    assert told.splitlines()[1] == f"{status} {status} 0"
    assert text in said


@pytest.mark.parametrize(
    ("divisor", "told"),
    [("0", "None\n"), ("1", ""), ("2", "nobody is left\n")],
    ids=["cannot be prepared", "starter ends", "is ended"],
)
def test_a_fork_ahead_ends_with_what_made_it_or_before(tmp_path: Path, divisor: str, told: str) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    kept, its_end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), os.open(pipe, os.O_WRONLY)
    done = subprocess.run(
        [sys.executable, "-c", _AHEAD, divisor, str(pipe)],
        env=_ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert (done.stdout, done.stderr) == (told, "")
    os.close(its_end)
    assert select.select([kept], [], [], 10.0)[0], "the fork has the pipe's other end as long as it lives"
    os.close(kept)
