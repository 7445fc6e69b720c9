"""The real server whose admin API we match, shared by all tests that run at once.

Found by EVERLOG_ORACLE or at `../shared/oracle/restate` beside the repository; started when it is down.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.metad.harness import Reply

__all__ = ["ADMIN", "ask_oracle", "require_oracle"]

ADMIN = "http://127.0.0.1:19070"
_LOCK = Path(tempfile.gettempdir()) / "everlog-oracle.lock"
_START_TIMEOUT_S = 60.0


def require_oracle() -> None:
    """Start it if it is down; skip the test, saying why, when that cannot be."""
    with _LOCK.open("w") as lock:
        # One starts it, the others wait and find it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _answers():
            return
        script = os.environ.get("EVERLOG_ORACLE") or str(Path(__file__).parents[3] / "shared/oracle/restate")
        try:
            done = subprocess.run(
                [script, "up", "4"], capture_output=True, text=True, timeout=_START_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"NOT COMPARED WITH THE ORACLE: {script} cannot be run: {error}")
        if not _answers():
            pytest.skip(f"NOT COMPARED WITH THE ORACLE: {script} up: {done.stdout} {done.stderr}")


def _answers() -> bool:
    try:
        return ask_oracle("GET", "/health").status == 200
    except OSError:
        return False


def ask_oracle(
    method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, admin: str = ADMIN
) -> Reply:
    """As `Node.call`."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json"} if data is not None else {}
    request = urllib.request.Request(admin + path, data=data, method=method, headers=sent | (headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=40) as reply:
            return Reply(reply.status, _title(reply.headers), reply.read())
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, _title(error.headers), error.read())


def _title(headers: Any) -> dict[str, str]:
    return {name.title(): value for name, value in headers.items()}
