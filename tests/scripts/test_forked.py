"""A process that is a fork: what it sees of whoever forked it, and what that one sees of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

#: Forks with handlers, output that waits, and descriptors that are open; tells how it ended.
_FORKS = """
import json, os, signal, sys
from pathlib import Path

from scripts.node.forked import fork

how, log = sys.argv[1], Path(sys.argv[2])
heard = []
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: heard.append(1))
kept, _ = os.pipe()
os.set_inheritable(os.open(log.parent, os.O_RDONLY), True)
print("before the fork", end=" ")

def main():
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
    child = fork(main, log=log, keep=kept, own_session=how != "fails")
finally:
    print("after it")
status = child.wait()
child.send_signal(signal.SIGTERM)
print(status, child.poll(), len(heard))
"""


def _run(folder: Path, how: str) -> tuple[str, str]:
    """-> what the starter printed, what the fork said."""
    log = folder / "log"
    done = subprocess.run(
        [sys.executable, "-c", _FORKS, how, str(log)],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout, log.read_text()


def test_a_fork_has_nothing_of_whoever_forked_it(tmp_path: Path) -> None:
    told, said = _run(tmp_path, "ends")
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
def test_its_end_is_told_as_the_interpreter_would(tmp_path: Path, how: str, status: int, text: str) -> None:
    told, said = _run(tmp_path, how)
    assert told.splitlines()[1] == f"{status} {status} 0"
    assert text in said
