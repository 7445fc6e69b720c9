"""`everlog up`: start a node and stay with it, or leave it running (`--detach`). Owns: this process's signals."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType

from scripts.cli import options, show
from scripts.node.launch import DamagedError, Node, StartError, start_node, stop_node, wait_ready
from scripts.node.ports import local_address
from scripts.node.programs import Program
from shared.config import Settings
from shared.formats import DATA_FORMAT

__all__ = ["add_arguments", "run", "run_node"]

#: A node with a long log to replay may need a while; a program that cannot start is told much sooner.
_READY_WITHIN_S = 300.0
#: Exit status of `--detach`: the node runs, but not with all of its partitions.
_DAMAGED = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog up` takes."""
    options.add_settings(parser)
    parser.add_argument("--detach", action="store_true", help="return when it is ready to serve; it keeps running")


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """Start the node; see `run_node`."""
    return run_node(options.load(arguments), programs, detach=arguments.detach)


def run_node(
    settings: Settings,
    programs: Sequence[Program],
    *,
    detach: bool,
    when_ready: Callable[[Settings], None] | None = None,
) -> int:
    """Start and, unless `detach`, stay until SIGINT or SIGTERM or `everlog down`. A second signal kills what drains."""
    signals = _Signals()
    print(f"Everlog starts in {settings.data_dir}", flush=True)
    node = start_node(settings, programs, detach=detach)
    signals.watch(node)
    if node.raised_from is not None:
        print(f"  its data is raised from format {node.raised_from} to {DATA_FORMAT}: older versions refuse it now")
    try:
        ready = wait_ready(node, _Progress(signals, settings), within_s=_READY_WITHIN_S)
        if ready:
            _say_ready(node)
            if when_ready is not None:
                when_ready(settings)
    except StartError as error:
        stop_node(node)
        print(f"everlog up: {error}\nNothing is left running.", file=sys.stderr)
        return 1
    except DamagedError as error:
        print(f"everlog up: not all partitions can serve:\n{error}\nThe others do.", file=sys.stderr, flush=True)
        return _DAMAGED if detach else _stay(node, signals)
    except BaseException:
        stop_node(node)
        raise
    if ready and detach:
        print(f"It keeps running. Stop it with: everlog down --data-dir {settings.data_dir}", flush=True)
        return 0
    if ready:
        print("Ctrl-C stops it.", flush=True)
    return _stay(node, signals)


class _Signals:
    """SIGINT and SIGTERM go on to supervisord, once it is there."""

    def __init__(self) -> None:
        self.received = 0
        self.node: Node | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def watch(self, node: Node) -> None:
        """From now on signals go on to this node; one that came before goes there now."""
        self.node = node
        if self.received:
            node.supervisord.send_signal(signal.SIGTERM)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.received += 1
        if self.received == 1:
            # Not `print`: the signal may have come in the middle of one.
            with contextlib.suppress(OSError):
                os.write(sys.stdout.fileno(), "\nEverlog stops…\n".encode())
        if self.node is not None:
            self.node.supervisord.send_signal(signal.SIGTERM)


class _Progress:
    """What people see while the node starts."""

    def __init__(self, signals: _Signals, settings: Settings) -> None:
        self._signals = signals
        self._settings = settings

    def answers(self, program: Program, seconds: float) -> None:
        print(f"  {program.name:<11} answers after {seconds:.2f} s", flush=True)

    def still_waiting(self, what: str) -> None:
        print(f"  still waiting: {what} (see: everlog logs --data-dir {self._settings.data_dir})", flush=True)

    def stopping(self) -> bool:
        return self._signals.received > 0


def _say_ready(node: Node) -> None:
    settings = node.settings
    where = show.addresses(
        host=local_address(settings.bind),
        ingress_port=settings.ingress_port,
        admin_port=settings.admin_port,
        sql_port=settings.sql_port,
    )
    print(f"Everlog is ready:\n  ingress     {where['ingress']}\n  admin API   {where['admin']}")
    print(f"  SQL         psql {where['sql']}")
    identity = options.request_identity(settings)
    if identity is not None:
        print(f"  identity    {identity} (services may check it)")
    sys.stdout.flush()


def _stay(node: Node, signals: _Signals) -> int:
    status = node.supervisord.wait()
    # Before it listens to signals, and when it is about to end, SIGTERM ends it like any process.
    if status == 0 or (signals.received and status == -signal.SIGTERM):
        print("Everlog has stopped.", flush=True)
        return 0
    print(f"everlog up: supervisord ended with status {status}; see {node.log_path}/supervisord.log", file=sys.stderr)
    return 1
