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

_ROOT = Path(__file__).parents[2]

#: What the program tells of itself, and its ends.
_PROGRAM = """
import json, os, signal, sys
from pathlib import Path

if __name__ != "__main__":
    with open(os.environ.get("IMPORTS", os.devnull), "a") as file:
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

alone = os.environ["ALONE"].split()
warm = Warm(alone)
for _ in range(2):
    warm.prepare("sample_of_warm")
    warm.prepare("absent_of_warm")
assert ("sample_of_warm" in sys.modules) == (not alone)
if sys.argv[1] == "changed":
    open(os.path.dirname(os.environ["IMPORTS"]) + "/sample_of_warm/new.py", "w").close()
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


def _done(sample: Path, *words: str, alone: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _FORKS, *words],
        env={
            "PYTHONPATH": f"{_ROOT}:{sample}",
            "IMPORTS": str(sample / "imports"),
            "ALONE": alone,
        },
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def _run(sample: Path, *words: str, alone: str = "") -> tuple[int, dict[str, Any], str, str]:
    """-> exit status, what the program told, the rest of its stdout, its stderr."""
    done = _done(sample, *words, alone=alone)
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


def test_one_that_imports_for_itself_does_so_in_its_fork(sample: Path) -> None:
    status, told, rest, errors = _run(sample, "ends", alone="sample_of_warm")
    assert status == 0, errors
    assert told["environment"] == {"ONLY": "this"}
    assert rest == "a thread's end\nat the exit\n"
    assert not (sample / "imports").exists(), "who forks has not imported it"


def test_one_that_imports_for_itself_is_of_the_nodes_version_or_does_not_run(sample: Path) -> None:
    done = _done(sample, "changed", alone="sample_of_warm")
    assert done.returncode == 1
    assert "sample_of_warm is not what it was when this node started" in done.stderr
    assert done.stdout == ""


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


#: What takes long to import, or much memory, and is not for them.
_LARGE = {"aiohttp", "pyarrow", "datafusion", "sqlglot", "xmlrpc"}


def test_programs_do_without_what_is_large_and_not_theirs() -> None:
    """aiohttp is for metad, and for deployments over HTTP/1.1; queries are for sqld's workers."""
    modules = ("logd", "partitiond", "partitiond.ingress", "sqld")
    imports = "\n".join(f"import {module}.__main__" for module in modules)
    told = f"import sys, json\n{imports}\nprint(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", told], cwd=_ROOT, capture_output=True, text=True, check=True)
    assert _LARGE.isdisjoint(json.loads(done.stdout))


def test_aiohttp_can_be_imported_without_the_systems_authorities() -> None:
    imports = (
        "from shared.transport.authorities import no_authorities\nwith no_authorities():\n  import aiohttp.connector"
    )
    tells = "print(len(aiohttp.connector._SSL_CONTEXT_VERIFIED.get_ca_certs()), before == dict(os.environ))"
    done = subprocess.run(
        [sys.executable, "-c", f"import os\nbefore = dict(os.environ)\n{imports}\n{tells}"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0 True\n"
