"""What the figures were taken on: the machine, the versions, the sync. Owns: nothing."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scripts.benchmark.owned import CommandError, run_command
from scripts.benchmark.synced import check_disk, sync_cost_ms
from scripts.benchmark.targets import Oracle
from scripts.benchmark.usage import machine_busy_seconds
from scripts.node.version import is_compiled, version

__all__ = ["Facts", "gather", "processor"]

_IDLE_SAMPLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Facts:
    """For the head of the report and for --json."""

    taken_at: str
    everlog: str
    oracle: str
    machine: str
    cores: int
    #: Cores that others use while nothing of ours runs: over 0.1 the figures are disturbed from the start.
    busy_cores: float
    file_system: str
    sync_ms: float
    #: Settings of the oracle that give durability up; must be empty.
    oracle_unsynced: tuple[str, ...]

    def lines(self) -> list[str]:
        """The head of the report."""
        lines = [
            f"{self.everlog} against {self.oracle}, {self.taken_at}",
            f"{self.machine}, {self.cores} cores; before the start others used {self.busy_cores:.2f} cores",
            f"Data on {self.file_system}; one fdatasync alone takes {self.sync_ms:.2f} ms.",
            "Synced on both sides: Everlog has no setting that turns its syncs off, the oracle runs with its defaults"
            + (" (checked: none disables its WAL or fsync)" if self.oracle_is_checked else "")
            + "; syncs/s below is the kernel's count.",
        ]
        if self.oracle_unsynced:
            lines.append(f"WARNING: the oracle is set to lose data: {', '.join(self.oracle_unsynced)}")
        if self.busy_cores > 0.1:
            lines.append("WARNING: this machine is busy with other things: figures are noise, ratios little better.")
        return lines

    @property
    def oracle_is_checked(self) -> bool:
        return self.oracle != "no oracle" and not self.oracle_unsynced

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def gather(*, folder: Path, root: Path, oracle: Oracle | None) -> Facts:
    """Look at everything once, before anything is started. Raises ConfigError when `folder` is in memory."""
    kind = check_disk(folder)
    before = machine_busy_seconds()
    time.sleep(_IDLE_SAMPLE_S)
    busy = (machine_busy_seconds() - before) / _IDLE_SAMPLE_S
    return Facts(
        taken_at=time.strftime("%Y-%m-%d %H:%M"),
        everlog=f"Everlog {version()}{_commit(root)}{', compiled' if is_compiled() else ''}",
        oracle=oracle.version() if oracle else "no oracle",
        machine=f"{processor()}, Linux {platform.release()}, Python {platform.python_version()}",
        cores=len(os.sched_getaffinity(0)),
        busy_cores=busy,
        file_system=kind,
        sync_ms=sync_cost_ms(folder),
        oracle_unsynced=tuple(oracle.unsynced_settings()) if oracle else (),
    )


def _commit(root: Path) -> str:
    try:
        text = run_command(["git", "-C", str(root), "describe", "--always", "--dirty"], within_s=5.0)
    except CommandError:
        return ""
    return f" ({text.strip()})"


def processor() -> str:
    """The kind of this machine's processor, as it names itself."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
