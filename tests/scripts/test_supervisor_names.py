"""`scripts/node/supervisor.py` overrides private names of supervisor: are they still there?"""

from __future__ import annotations

import errno
import inspect
import io
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from supervisor.loggers import Handler, LevelsByName, LogRecord, RotatingFileHandler
from supervisor.medusa import asyncore_25
from supervisor.options import ProcessConfig, ServerOptions, SignalReceiver
from supervisor.process import Subprocess
from supervisor.supervisord import Supervisor

from scripts.node.supervisor import _keep_logging, _NodeSupervisor, _Options, _Program


def test_version_is_the_one_that_was_read() -> None:
    assert version("supervisor") == "4.3.0"


def test_what_we_override_is_there_and_takes_the_same() -> None:
    for ours, theirs in ((_Program, Subprocess), (_NodeSupervisor, Supervisor), (_Options, ServerOptions)):
        for name in ("spawn", "change_state", "transition", "finish", "_prepare_child_fds", "handle_signal", "execve"):
            if name in vars(ours):
                wanted = list(inspect.signature(getattr(theirs, name)).parameters)
                assert list(inspect.signature(getattr(ours, name)).parameters) == wanted, name


def test_what_we_reach_into_is_there() -> None:
    assert list(inspect.signature(Handler.handleError).parameters) == ["self"]
    assert list(inspect.signature(RotatingFileHandler.emit).parameters) == ["self", "record"]
    assert "self.handleError()" in inspect.getsource(Handler.emit)
    assert "options.execve(filename, argv, env)" in inspect.getsource(Subprocess._spawn_as_child)
    assert isinstance(asyncore_25.socket_map, dict)
    assert SignalReceiver()._signals_recvd == []
    assert "from supervisor.process import Subprocess" in inspect.getsource(ProcessConfig.make_process)
    assert "asyncore.socket_map" in inspect.getsource(ServerOptions.get_socket_map)
    assert "poller.poll(timeout)" in inspect.getsource(Supervisor.runforever)


class _FullDisk(io.RawIOBase):
    """A file on it."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_on_a_full_disk_loses_lines_and_nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """supervisord's stderr is on the same disk: the stock handler tells of its failure there, and fails for good."""
    monkeypatch.setattr(Handler, "handleError", Handler.handleError)
    monkeypatch.setattr(RotatingFileHandler, "emit", RotatingFileHandler.emit)
    handler = RotatingFileHandler(str(tmp_path / "log"))
    file, handler.stream = handler.stream, _FullDisk()
    monkeypatch.setattr(sys, "stderr", _FullDisk())
    with pytest.raises(OSError, match="No space left"):
        handler.emit(LogRecord(LevelsByName.INFO, "the stock handler raises"))
    _keep_logging()
    handler.emit(LogRecord(LevelsByName.INFO, "lost"))
    handler.stream.close()
    handler.emit(LogRecord(LevelsByName.INFO, "lost, as a rotation failed half-way; the file is opened again"))
    handler.emit(LogRecord(LevelsByName.INFO, "there is room"))
    assert (tmp_path / "log").read_text() == "there is room"
    handler.close()
    file.close()
