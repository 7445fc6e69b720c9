"""`scripts/node/supervisor.py` overrides private names of supervisor: are they still there?"""

from __future__ import annotations

import inspect
from importlib.metadata import version

from supervisor.loggers import Handler, RotatingFileHandler
from supervisor.medusa import asyncore_25
from supervisor.options import ProcessConfig, ServerOptions, SignalReceiver
from supervisor.process import Subprocess
from supervisor.supervisord import Supervisor

from scripts.node.supervisor import _NodeSupervisor, _Program


def test_version_is_the_one_that_was_read() -> None:
    assert version("supervisor") == "4.3.0"


def test_what_we_override_is_there_and_takes_the_same() -> None:
    for ours, theirs in ((_Program, Subprocess), (_NodeSupervisor, Supervisor)):
        for name in ("spawn", "change_state", "transition", "finish", "_prepare_child_fds", "handle_signal"):
            if name in vars(ours):
                wanted = list(inspect.signature(getattr(theirs, name)).parameters)
                assert list(inspect.signature(getattr(ours, name)).parameters) == wanted, name


def test_what_we_reach_into_is_there() -> None:
    assert list(inspect.signature(Handler.handleError).parameters) == ["self"]
    assert list(inspect.signature(RotatingFileHandler.emit).parameters) == ["self", "record"]
    assert "self.handleError()" in inspect.getsource(Handler.emit)
    assert isinstance(asyncore_25.socket_map, dict)
    assert SignalReceiver()._signals_recvd == []
    assert "from supervisor.process import Subprocess" in inspect.getsource(ProcessConfig.make_process)
    assert "asyncore.socket_map" in inspect.getsource(ServerOptions.get_socket_map)
    assert "poller.poll(timeout)" in inspect.getsource(Supervisor.runforever)
