"""The real server, for tests that compare with it. Started when it is down, never stopped: others use it too."""

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

from tests.sqld.node import ROOT

__all__ = ["ask", "ask_error", "need_oracle"]

ADMIN = "http://127.0.0.1:19070"


def need_oracle() -> None:
    """Have the oracle up, or skip loudly."""
    with (Path(tempfile.gettempdir()) / "everlog-oracle.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_up():
            return
        script = Path(os.environ.get("EVERLOG_ORACLE", ROOT / "../shared/oracle/restate"))
        if not script.exists():
            pytest.skip(f"NOT COMPARED WITH THE ORACLE: no {script}; set EVERLOG_ORACLE to its script")
        started = subprocess.run([script, "up", "4"], capture_output=True, text=True, timeout=120)
        if started.returncode or not _is_up():
            pytest.skip(f"NOT COMPARED WITH THE ORACLE: it does not start: {started.stdout}{started.stderr}")


def _is_up() -> bool:
    try:
        with urllib.request.urlopen(f"{ADMIN}/health", timeout=2):
            return True
    except OSError:
        return False


def _post(sql: str, *, again: bool = True) -> bytes:
    request = urllib.request.Request(
        f"{ADMIN}/query",
        data=json.dumps({"query": sql}).encode(),
        headers={"accept": "application/json", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            body: bytes = answer.read()
            return body
    except urllib.error.HTTPError:
        raise
    except OSError:
        if not again:
            raise
        # Somebody else who uses it has just started it anew.
        need_oracle()
        return _post(sql, again=False)


def ask(sql: str) -> list[dict[str, Any]]:
    """The oracle's rows."""
    rows: list[dict[str, Any]] = json.loads(_post(sql))["rows"]
    return rows


def ask_error(sql: str) -> tuple[int, str]:
    """Status and message of a query that the oracle refuses."""
    try:
        _post(sql)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())["message"]
    raise AssertionError(f"the oracle answers {sql!r}")
