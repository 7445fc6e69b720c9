"""py-spy on every Python process of a runtime during a run. Owns: the py-spy processes.

A profiled run is one more run: sampling costs, so its figures are in no median.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.benchmark.usage import tree_of
from scripts.node.procfs import command_line
from shared.errors import ConfigError

__all__ = ["Profiler", "profile_name"]

#: py-spy's format -> the ending of its file.
_FORMATS = {"flamegraph": "svg", "raw": "txt", "speedscope": "json"}
_SAMPLES_A_SECOND = 200


class Profiler:
    """`start` before the load, `finish` after it; one file a process, in `folder`."""

    FORMATS = tuple(_FORMATS)

    def __init__(self, folder: Path, *, format_: str) -> None:
        beside = Path(sys.executable).with_name("py-spy")
        program = str(beside) if beside.exists() else shutil.which("py-spy")
        if program is None:
            raise ConfigError("py-spy is missing, which --profile needs: pip install py-spy")
        self._program = program
        self._folder = folder
        self._format = format_
        self._running: list[tuple[Path, subprocess.Popen[bytes]]] = []
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, row: str, root: int, *, seconds: int) -> None:
        """Attach to every Python process of the tree."""
        for process in tree_of(root):
            command = command_line(process.pid)
            if "python" not in command.partition(" ")[0]:
                continue
            path = self._folder / f"{row}.{profile_name(command)}.{process.pid}.{_FORMATS[self._format]}"
            arguments = ["--pid", str(process.pid), "--duration", str(seconds), "--rate", str(_SAMPLES_A_SECOND)]
            spy = subprocess.Popen(
                [self._program, "record", *arguments, "--format", self._format, "--output", str(path), "--nonblocking"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            self._running.append((path, spy))

    def finish(self) -> None:
        """Wait until all have written their files; what failed is told on stderr."""
        try:
            for path, spy in self._running:
                try:
                    _, said = spy.communicate(timeout=20.0)
                except subprocess.TimeoutExpired:
                    said = b"did not end"
                if spy.returncode != 0:
                    print(f"py-spy: {path.name}: {said.decode(errors='replace').strip()[-300:]}", file=sys.stderr)
                if path.exists() and not path.stat().st_size:
                    # It was idle all the time.
                    path.unlink()
        finally:
            self.end()

    def end(self) -> None:
        """Kill those that still run."""
        for _, spy in self._running:
            if spy.poll() is None:
                spy.kill()
            spy.communicate()
        self._running.clear()


def profile_name(command: str) -> str:
    """What a process is, for a file name: the module it was started with, or its multiprocessing title."""
    module = re.search(r" -m ([\w.]+)(?:.* worker (\d+)$)?", command)
    if module:
        return "-".join(filter(None, module.groups()))
    return "worker" if "spawn_main" in command or "forkserver" in command else "python"
