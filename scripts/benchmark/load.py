"""One load: wrk with a row's request. Owns: the wrk process."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmark.owned import run_command
from scripts.benchmark.rows import Row
from shared.errors import EverlogError

__all__ = ["CALL_TIMEOUT_S", "LoadError", "LoadResult", "find_wrk", "parse_result", "run_load"]

_SCRIPT = Path(__file__).with_name("wrk.lua")
CALL_TIMEOUT_S = 10
#: wrk ends by itself when the time is over; this is for one that does not.
_GRACE_S = 30


class LoadError(EverlogError):
    """wrk is not there, or said what we do not understand."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What wrk counted. `errors` names each kind that occurred, with its number."""

    requests: int
    seconds: float
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    errors: dict[str, int]

    @property
    def invalid(self) -> str:
        """Why the run does not count; empty when it does: not one failed call, and at least one that succeeded."""
        if self.errors:
            return ", ".join(f"{count} {name}" for name, count in self.errors.items())
        return "" if self.requests else "no call was answered"


_ERRORS = {
    "status": "answers that were not 2xx",
    "connect": "connections that failed",
    "read": "failed reads",
    "write": "failed writes",
    "timeout": "calls over the time limit",
}


def find_wrk() -> str:
    """The program, or LoadError that names the package."""
    found = shutil.which("wrk")
    if found is None:
        raise LoadError("wrk is missing, which makes the load: install it (such as: apt-get install wrk)")
    return found


def run_load(row: Row, *, ingress: str, seconds: int, timeout_s: int = CALL_TIMEOUT_S) -> LoadResult:
    """POST for `seconds` seconds from `row.clients` connections and one thread. Raises CommandError or LoadError."""
    command = [find_wrk(), "--threads", "1", "--connections", str(row.clients), "--duration", f"{seconds}s"]
    command += ["--timeout", f"{timeout_s}s", "--latency", "--script", str(_SCRIPT), ingress]
    command += ["--", row.path, row.body, str(row.keys), str(row.body_bytes)]
    return parse_result(run_command(command, within_s=seconds + _GRACE_S))


def parse_result(output: str) -> LoadResult:
    """The RESULT line that wrk.lua prints."""
    line = next((line for line in output.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise LoadError(f"wrk printed no result: {output.strip()[-400:]}")
    found: dict[str, int] = json.loads(line.removeprefix("RESULT "))
    return LoadResult(
        requests=found["requests"],
        seconds=found["duration_us"] / 1e6,
        p50_ms=found["p50_us"] / 1e3,
        p99_ms=found["p99_us"] / 1e3,
        max_ms=found["max_us"] / 1e3,
        errors={text: found[name] for name, text in _ERRORS.items() if found[name]},
    )
