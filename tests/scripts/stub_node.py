"""A node of stub programs: the whole command line in a process of its own, with another table of programs."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from scripts.cli.main import main
from scripts.node.programs import PROGRAMS, Program
from tests.conftest import free_ports

__all__ = ["StubNode"]

_STUB = Path(__file__).with_name("stub.py")
_ROOT = Path(__file__).resolve().parents[2]


class StubNode:
    """Runs `everlog` verbs on one data directory. `modes`: program -> what is wrong with it (stub.py)."""

    def __init__(self, data_dir: Path, modes: dict[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self._modes = modes or {}
        ports = free_ports(3)
        self.ports = dict(zip(("--ingress-port", "--admin-port", "--sql-port"), ports, strict=True))
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("EVERLOG_")}
        self.environ["PYTHONPATH"] = str(_ROOT)
        self.environ["EVERLOG_WORKERS"] = "2"

    def command(self, verb: str, *words: str) -> list[str]:
        flags = ["--data-dir", str(self.data_dir)]
        if verb == "up":
            flags += [str(word) for pair in self.ports.items() for word in pair]
        return [sys.executable, __file__, json.dumps(self._modes), verb, *flags, *words]

    def run(self, verb: str, *words: str, timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(verb, *words), env=self.environ, cwd="/", capture_output=True, text=True, timeout=timeout
        )

    def start(self, verb: str, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(verb, *words),
            env=self.environ,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def status(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.run("status", "--json").stdout)
        return report

    def program(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(row for row in self.status()["programs"] if row["name"] == name)
        return found

    def pid(self, name: str) -> int:
        return int(self.program(name)["pid"])

    def processes(self) -> list[int]:
        """Every living process that names the data directory."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and os.fsencode(self.data_dir) in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
        return found


def _table(modes: dict[str, str]) -> list[Program]:
    def arguments(name: str) -> tuple[str, ...]:
        return (str(_STUB), name, *([modes[name]] if name in modes else []))

    return [dataclasses.replace(program, arguments=arguments(program.name), module="") for program in PROGRAMS]


if __name__ == "__main__":
    # As the process that it is: with `argv`, `main` would be called by another program.
    sys.exit(main(programs=_table(json.loads(sys.argv.pop(1)))))
