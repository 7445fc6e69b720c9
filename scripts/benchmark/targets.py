"""What is measured: Everlog and the oracle, each started on fresh data and free ports. Owns: nothing; see `Owned`."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from scripts.benchmark.measurement import EVERLOG, ORACLE
from scripts.benchmark.net import call, free_ports, wait_for
from scripts.benchmark.owned import CommandError, Owned, run_command
from scripts.node.layout import lock_holder
from shared.errors import UnavailableError

__all__ = ["Everlog", "Oracle", "Running", "Target", "find_oracle"]

_READY_WITHIN_S = 60.0
_STOP_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Running:
    """A started runtime; `pid` is the root of its process tree."""

    pid: int
    ingress_port: int
    admin_port: int
    #: time.monotonic() just before its program was started.
    started_at: float


class Target(Protocol):
    """A runtime in one configuration."""

    side: str
    configuration: str

    def start(self, owned: Owned, folder: Path) -> Running:
        """Start it with its data in `folder`, which is empty; return when its admin API is ready.

        Raises EverlogError that says what failed. Ordering: what runs is in `owned` before this can fail.
        """
        ...


class Everlog:
    """A node by `everlog up --detach`."""

    side = EVERLOG
    configuration = EVERLOG

    def __init__(self, command: Sequence[str] = (), arguments: str = "") -> None:
        self._command = list(command) or [sys.executable, "-P", "-m", "scripts.cli.main"]
        self._arguments = shlex.split(arguments)

    def start(self, owned: Owned, folder: Path) -> Running:
        ingress_port, admin_port, sql_port = free_ports(3)
        data = folder / "data"
        ports = ["--ingress-port", str(ingress_port), "--admin-port", str(admin_port), "--sql-port", str(sql_port)]
        up = [*self._command, "up", "--detach", "--data-dir", str(data), *ports, *self._arguments]
        started_at = time.monotonic()
        try:
            run_command(up, within_s=_READY_WITHIN_S, environment=_without(os.environ, "EVERLOG_"))
        finally:
            _, pid = lock_holder(data)
            if pid is not None:
                owned.adopt(pid)
        if pid is None:
            raise CommandError(f"`everlog up` returned, but no node holds the lock of {data}")
        return Running(pid, ingress_port, admin_port, started_at)


class Oracle:
    """The restate-server binary, one node, with a number of partitions. Everything else is its default."""

    side = ORACLE

    def __init__(self, binary: Path, partitions: int) -> None:
        self.configuration = f"{ORACLE}/{partitions}"
        self._binary = binary
        self._partitions = partitions

    def start(self, owned: Owned, folder: Path) -> Running:
        ingress_port, admin_port, node_port = free_ports(3)
        environment = _without(os.environ, "RESTATE_") | {
            "DO_NOT_TRACK": "1",
            "RESTATE_DISABLE_TELEMETRY": "true",
            "RESTATE_LOG_FILTER": "warn",
            "RESTATE_DEFAULT_NUM_PARTITIONS": str(self._partitions),
            "RESTATE_LISTEN_MODE": "tcp",
            "RESTATE_BIND_IP": "127.0.0.1",
            "RESTATE_INGRESS__BIND_PORT": str(ingress_port),
            "RESTATE_ADMIN__BIND_PORT": str(admin_port),
            "RESTATE_BIND_PORT": str(node_port),
        }
        command = [str(self._binary), "--no-logo", "--node-name", "bench", "--base-dir", str(folder / "data")]
        started_at = time.monotonic()
        log = folder / "oracle.log"
        pid = owned.spawn(command, log=log, environment=environment)
        try:
            wait_for(
                lambda: _health_problem(admin_port),
                within_s=_READY_WITHIN_S,
                what="the oracle is not ready",
                alive=lambda: owned.alive(pid),
            )
        except UnavailableError as error:
            raise CommandError(f"{error}; its log ends: {log.read_text(errors='replace')[-600:]}") from error
        return Running(pid, ingress_port, admin_port, started_at)

    def version(self) -> str:
        """Such as `restate-server 1.7.12`. Raises CommandError when the binary does not run."""
        return run_command([str(self._binary), "--version"], within_s=10.0).strip().splitlines()[0]

    def unsynced_settings(self) -> list[str]:
        """Its settings that give durability up: lines of --dump-config that disable a WAL or its fsync."""
        output = run_command(
            [str(self._binary), "--dump-config"], within_s=10.0, environment=_without(os.environ, "RESTATE_")
        )
        lines = [line.strip() for line in output.splitlines()]
        return [line for line in lines if line in ("rocksdb-disable-wal = true", "rocksdb-disable-wal-fsync = true")]


def _health_problem(admin_port: int) -> str:
    status, text = call(admin_port, "/health", timeout_s=1.0)
    return "" if status == 200 else f"health {status} {text[:200]}"


def _without(environment: os._Environ[str], prefix: str) -> dict[str, str]:
    """Settings of whoever calls would make another runtime than the one that is said to be measured."""
    return {name: value for name, value in environment.items() if not name.startswith(prefix)}


def find_oracle(given: str | None, *, root: Path) -> Path | None:
    """The binary: `--oracle-binary`, $EVERLOG_ORACLE, or what ../shared/oracle/restate installs; None: there is none.

    A script among these is asked by `SCRIPT bin`. Raises CommandError when what was named is not there.
    """
    named = given or os.environ.get("EVERLOG_ORACLE", "")
    path = Path(named) if named else root.parent / "shared" / "oracle" / "restate"
    if not path.is_file():
        if named:
            raise CommandError(f"there is no oracle at {named}")
        return None
    with path.open("rb") as file:
        is_script = file.read(2) == b"#!"
    if not is_script:
        return path
    binary = Path(run_command([str(path), "bin"], within_s=300.0).strip().splitlines()[-1])
    if not os.access(binary, os.X_OK):
        raise CommandError(f"{path} says that the oracle is {binary}, which cannot be run")
    return binary
