"""The slice of a thread, against what the kernel says of it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shared.scheduling import shorten_slice

_SLICE_NS = 100_000
_ROOT = Path(__file__).resolve().parents[2]


def _slice_ns(thread: int | str = "self") -> int | None:
    """None: this kernel does not tell."""
    for line in Path(f"/proc/{thread}/sched").read_text().splitlines():
        if line.startswith("se.slice"):
            return int(line.rpartition(":")[2])
    return None


def test_a_thread_and_those_it_starts_have_shorter_slices() -> None:
    found: dict[str, int | None] = {}

    def work() -> None:
        assert shorten_slice(_SLICE_NS)
        found["own"] = _slice_ns("thread-self")
        child = threading.Thread(target=lambda: found.update(child=_slice_ns("thread-self")))
        child.start()
        child.join()

    if not Path("/proc/self/sched").exists() or _slice_ns() is None:
        pytest.skip("this kernel does not tell the slice of a thread")
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == {"own": _SLICE_NS, "child": _SLICE_NS}
    assert _slice_ns() != _SLICE_NS


def test_niceness_is_kept() -> None:
    assert _said("import os; os.nice(7)", "os.nice(0)") == "7"


def test_another_policy_is_left_alone() -> None:
    chosen = "import os; os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))"
    assert _said(chosen, "os.sched_getscheduler(0) == os.SCHED_BATCH") == "True"


def _said(before: str, expression: str) -> str:
    """What a process of its own prints, which does `before` and then asks for a shorter slice."""
    script = f"{before}; from shared.scheduling import shorten_slice; shorten_slice({_SLICE_NS}); print({expression})"
    environment = os.environ | {"PYTHONPATH": str(_ROOT)}
    command = [sys.executable, "-P", "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30, env=environment)
    return done.stdout.strip()
