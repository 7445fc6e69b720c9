"""The supervisord configuration of a node, as text. Written to `<data>/run/supervisord.conf` at every start."""

from __future__ import annotations

import os
import shlex
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import scripts
from scripts.node.programs import Program
from shared.config import Settings

__all__ = ["GROUP", "SOCKET", "checkout_path", "supervisord_conf"]

#: All programs are in one group, so that they are stopped at the same time.
GROUP = "everlog"

#: Of supervisord, in `run/`.
SOCKET = "supervisor.sock"

#: Seconds after which a program that does not end is killed.
STOP_WAIT_S = 8

_HEAD = """\
; Made by `everlog up`, which writes it anew at every start.
[supervisord]
nodaemon=true
silent=true
logfile={logs}/supervisord.log
logfile_maxbytes=10MB
logfile_backups=2
pidfile={run}/supervisord.pid
childlogdir={logs}
directory={data}
umask=077
minfds=64

[unix_http_server]
file={run}/{socket}
chmod=0600

[supervisorctl]
serverurl=unix://{run}/{socket}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[rpcinterface:everlog]
supervisor.rpcinterface_factory=scripts.node.supervisor:make_rpc_interface

[group:{group}]
programs={names}
"""

# `startretries` is beyond reach: `supervisor.Program` waits 0.1 s to 5 s between tries and never gives up.
_PROGRAM = """
[program:{name}]
command={command}
priority={priority}
autostart=true
autorestart=true
startsecs=1
startretries=1000000000
stopsignal=TERM
stopwaitsecs={stop_wait_s}
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile={logs_twice}/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""


def supervisord_conf(settings: Settings, programs: Sequence[Program]) -> str:
    """The whole file. `settings.data_dir` is absolute, and free of what the format cannot say (layout._check)."""
    data = settings.data_path
    places = {"data": _escape(data), "run": _escape(data / "run"), "logs": _escape(data / "logs")}
    parts = [_HEAD.format(group=GROUP, socket=SOCKET, names=",".join(program.name for program in programs), **places)]
    for number, program in enumerate(programs):
        command = _escape(shlex.join(program.command(data)))
        # supervisord 4.3.0 expands this one value twice.
        logs_twice = _escape(_escape(data / "logs"))
        parts.append(
            _PROGRAM.format(
                name=program.name,
                command=command,
                priority=number + 1,
                stop_wait_s=STOP_WAIT_S,
                logs_twice=logs_twice,
                **places,
            )
        )
    return "".join(parts)


def _escape(text: Path | str) -> str:
    return str(text).replace("%", "%%")


def checkout_path() -> str | None:
    """PYTHONPATH for the programs when Everlog runs out of a checkout, None when it is installed."""
    root = Path(scripts.__file__).resolve().parents[1]
    if root in {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}:
        return None
    before = os.environ.get("PYTHONPATH")
    return f"{root}{os.pathsep}{before}" if before else str(root)
