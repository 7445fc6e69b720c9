"""Everlog, the oracle and the two services, started for one session and stopped with it. Owns: their processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import aiohttp
import pytest

from scripts.benchmark.services import installed_sdk
from shared.errors import EverlogError
from tests.compat.journals import Story, Tables
from tests.compat.modes import MODES
from tests.compat.scene import Run, Scene, Side
from tests.conftest import eventually, free_ports
from tests.fakes.private_oracle import private_oracle
from tests.processes.node import running_node

__all__ = ["Stage", "Told", "play", "running_stage"]

_ROOT = Path(__file__).resolve().parents[2]
_TYPESCRIPT = Path(__file__).with_name("typescript")
_START_S = 60.0
#: How many cases are under way at once on each side.
_TOGETHER = 16


class Stage(NamedTuple):
    """Base URLs: of each side (ingress, admin), and of the service of each SDK."""

    everlog: tuple[str, str]
    oracle: tuple[str, str]
    services: dict[str, str]


class Told(NamedTuple):
    """What one side had to say of a run: what its steps saw, and its invocations by SQL."""

    seen: list[object]
    story: Story


@contextlib.contextmanager
def running_stage(folder: Path) -> Iterator[Stage]:
    """All four, listening. Skips the test, saying why, when the oracle or the TypeScript SDK cannot be had."""
    _lay_out_typescript(folder)
    python_port, typescript_port = free_ports(2)
    services = {"Py": f"http://127.0.0.1:{python_port}", "Ts": f"http://127.0.0.1:{typescript_port}"}
    quiet = os.environ | {"PYTHONPATH": str(_ROOT), "RESTATE_LOGGING": "ERROR", "NODE_ENV": "production"}
    with contextlib.ExitStack() as stack:
        logs = {name: stack.enter_context((folder / f"{name}.log").open("wb")) for name in ("python", "typescript")}
        python = [sys.executable, "-m", "tests.compat.python.main", str(python_port)]
        typescript = [shutil.which("node") or "node", str(folder / "main.mjs"), str(typescript_port)]
        stack.enter_context(_child(python, logs["python"], quiet))
        stack.enter_context(_child(typescript, logs["typescript"], quiet))
        (folder / "oracle").mkdir()
        oracle = stack.enter_context(private_oracle(folder / "oracle"))
        node = stack.enter_context(running_node(partitions=2, workers=1))
        for name, port in (("python", python_port), ("typescript", typescript_port)):
            log = folder / f"{name}.log"
            eventually(lambda port=port: _listens(port), _START_S, what=f"the service of {log} listens")
        yield Stage((node.ingress, node.admin), (oracle.ingress, oracle.admin), services)


def _lay_out_typescript(folder: Path) -> None:
    """Our files beside what npm has installed."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("NOT COMPARED WITH THE ORACLE: install Node 20 or newer, with npm, for the TypeScript SDK")
    try:
        sdk = installed_sdk(npm)
    except (OSError, EverlogError) as error:
        pytest.skip(f"NOT COMPARED WITH THE ORACLE: the TypeScript SDK cannot be installed: {error}")
    for name in ("node_modules", "polyfill.mjs", "package.json"):
        (folder / name).symlink_to(sdk / name)
    for file in _TYPESCRIPT.glob("*.mjs"):
        shutil.copy(file, folder)


@contextlib.contextmanager
def _child(command: list[str], log: BinaryIO, environment: dict[str, str]) -> Iterator[None]:
    """A process, killed at the end."""
    with subprocess.Popen(command, stdout=log, stderr=log, env=environment) as process:
        try:
            yield
        finally:
            process.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def play(stage: Stage, runs: list[Run]) -> dict[str, tuple[Told, Told]]:
    """All runs on both sides at once. -> of each run, by name: (Everlog's, the oracle's)."""
    return asyncio.run(_play(stage, runs))


async def _play(stage: Stage, runs: list[Run]) -> dict[str, tuple[Told, Told]]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        sides = (Side("e", *stage.everlog, session), Side("o", *stage.oracle, session))
        both = await asyncio.gather(*(_on_one_side(side, stage, runs) for side in sides))
    return {run.name: (both[0][run.name], both[1][run.name]) for run in runs}


async def _on_one_side(side: Side, stage: Stage, runs: list[Run]) -> dict[str, Told]:
    await _register(side, stage, {(run.sdk, run.mode) for run in runs})
    room = asyncio.Semaphore(_TOGETHER)
    scenes = [Scene(side, run) for run in runs]

    async def in_turn(scene: Scene) -> None:
        async with room:
            await scene.play()

    try:
        await asyncio.gather(*(in_turn(scene) for scene in scenes))
        tables = await Tables.read(side)
    finally:
        await side.stop()
    return {scene.run.name: Told(scene.seen, tables.story(scene)) for scene in scenes}


async def _register(side: Side, stage: Stage, wanted: set[tuple[str, str]]) -> None:
    """The deployments of these SDKs and modes, and those of any mode that a case names."""
    for sdk, mode in sorted(wanted):
        # hypercorn makes request-response of HTTP/1.1; Node's is told to, over HTTP/2.
        old = sdk == "Py" and not MODES[mode].both_ways
        body = {"uri": f"{stage.services[sdk]}/{side.name}/{mode}", "use_http_11": old}
        status, answer, _ = await side.request("POST", f"{side.admin}/deployments", body)
        assert status == 201, f"{side.name}: {sdk} {mode}: {answer[:300]!r}"
