"""A program that is forked while its supervisord dies, or tells it to end."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.processes

#: A supervisord with a handler, that forks a program which does not get on before the one is gone, or has told it.
_FORKS = """
import os, signal, sys, time
from scripts.node.child import begin_program
from shared.signals import signals_wait

how = sys.argv[1]
go_on, told = os.pipe()
supervisord = os.fork()
if supervisord:
    os.waitpid(supervisord, 0)
    os._exit(0)
supervisord = os.getpid()
signal.signal(signal.SIGTERM, lambda *_: print("taken by a handler of supervisord", flush=True))
with signals_wait():
    program = os.fork()
    if program == 0:
        while how == "gone" and os.getppid() == supervisord:
            time.sleep(0.001)
        if how == "told":
            os.read(go_on, 1)
        begin_program(supervisord)
        print("it runs", flush=True)
        os._exit(0)
if how == "told":
    os.kill(program, signal.SIGTERM)
    os.write(told, b".")
if how != "gone":
    print(os.waitstatus_to_exitcode(os.waitpid(program, 0)[1]), flush=True)
os._exit(0)
"""


@pytest.mark.parametrize(("how", "said"), [("fine", "it runs\n0\n"), ("gone", ""), ("told", "-15\n")])
def test_a_fork_ends_with_its_supervisord_and_when_it_is_told(how: str, said: str) -> None:
    """A killed supervisord left an ingress behind, which kept its port and the lock until it was killed by hand."""
    done = subprocess.run([sys.executable, "-P", "-c", _FORKS, how], capture_output=True, text=True, timeout=20)
    assert done.stdout == said, done.stderr
