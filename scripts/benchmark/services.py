"""The services that the rows call, each one process that both sides share. Owns: nothing; see `Owned`."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmark.cheap import MissingProgramError, start_cheap
from scripts.benchmark.net import free_ports, wait_for
from scripts.benchmark.owned import Owned, run_command

__all__ = ["SERVICES", "Endpoint", "installed_sdk", "start_service"]

_NODE_FILES = Path(__file__).with_name("node")
_INSTALL_WITHIN_S = 300.0
_UP_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A service that answers on loopback."""

    name: str
    title: str
    pid: int
    port: int
    #: Addresses of other services, which it calls.
    beside: tuple[str, ...] = ()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a service is to be."""

    owned: Owned
    folder: Path
    root: Path
    port: int

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def start_service(name: str, *, owned: Owned, folder: Path, root: Path) -> Endpoint:
    """Start a service of SERVICES with its files in `folder`. Raises EverlogError that says what is missing."""
    place = _Place(owned, folder, root, free_ports(1)[0])
    pid, title = SERVICES[name](place)

    def problem() -> str:
        try:
            socket.create_connection(("127.0.0.1", place.port), timeout=1.0).close()
        except OSError as error:
            log = place.log(name)
            return f"{error.strerror} {log.read_text(errors='replace')[-400:] if log.exists() else ''}".strip()
        return ""

    wait_for(problem, within_s=_UP_WITHIN_S, what=f"the service {name} is not up", alive=lambda: owned.alive(pid))
    return Endpoint(name, title, pid, place.port)


def _cheap(place: _Place) -> tuple[int, str]:
    script = place.root.parent / "shared" / "oracle" / "cheap-endpoint"
    return start_cheap(place.owned, folder=place.folder, script=script, port=place.port)


def _sleeper(place: _Place) -> tuple[int, str]:
    node = _program("node")
    pid = place.owned.spawn([node, str(_NODE_FILES / "sleeper.mjs"), str(place.port)], log=place.log("sleeper"))
    return pid, "sleepers on Node, without an SDK"


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise MissingProgramError(f"{name} is missing, for the services in JavaScript: install Node 20 or newer")
    return path


def _node(place: _Place) -> tuple[int, str]:
    node, npm = _program("node"), _program("npm")
    version = run_command([node, "--version"], within_s=10.0).strip()
    pid = place.owned.spawn(
        [node, "service.mjs", str(place.port)],
        log=place.log("ts"),
        environment=os.environ | {"NODE_ENV": "production", "RESTATE_LOGGING": "ERROR"},
        folder=installed_sdk(npm),
    )
    return pid, f"TypeScript SDK on Node {version}"


def installed_sdk(npm: str) -> Path:
    """A folder outside the repository with our files and, by `npm ci`, what the lock says; made once a content."""
    names = ("package.json", "package-lock.json", "polyfill.mjs", "service.mjs")
    digest = hashlib.sha256(b"\0".join((_NODE_FILES / name).read_bytes() for name in names)).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "everlog-bench"
    home = cache / digest
    if home.is_dir():
        return home
    print(f"installing the TypeScript SDK into {home}", file=sys.stderr, flush=True)
    making = cache / f"{digest}.{os.getpid()}"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        for name in names:
            shutil.copyfile(_NODE_FILES / name, making / name)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev"]
        run_command(command, within_s=_INSTALL_WITHIN_S, folder=making)
        # Renamed when it is whole: an interrupted install is not taken for one.
        making.rename(home)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return home


def _python(place: _Place) -> tuple[int, str]:
    command = [sys.executable, "-P", "-m", "scripts.benchmark.endpoint_python", "--bind", f"127.0.0.1:{place.port}"]
    environment = os.environ | {"RESTATE_LOGGING": "ERROR", "PYTHONPATH": str(place.root)}
    return place.owned.spawn(command, log=place.log("py"), environment=environment), "Python SDK under hypercorn"


#: Name of a row's service -> what starts it: (pid, title).
SERVICES: dict[str, Callable[[_Place], tuple[int, str]]] = {
    "cheap": _cheap,
    "sleeper": _sleeper,
    "ts": _node,
    "py": _python,
}
