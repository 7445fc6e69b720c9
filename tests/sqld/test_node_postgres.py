"""node-postgres: `pg` and `pg-cursor` from npm, as `node_postgres/package-lock.json` has them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.sqld.node import Node

pytestmark = [pytest.mark.processes, pytest.mark.slow]

_FILES = Path(__file__).parent / "node_postgres"


def _installed() -> Path:
    """A folder outside of the repository, made once for each lock file."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node or npm is missing: node-postgres is NOT tested")
    names = ("package.json", "package-lock.json")
    digest = hashlib.sha256(b"\0".join((_FILES / name).read_bytes() for name in names)).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "everlog-tests"
    home = cache / f"node-postgres-{digest}"
    if home.is_dir():
        return home
    making = cache / f"{home.name}.{os.getpid()}"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        for name in names:
            shutil.copyfile(_FILES / name, making / name)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=making, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            pytest.skip(f"npm cannot install, node-postgres is NOT tested: {done.stderr.strip()[-300:]}")
        # Renamed when it is whole: an interrupted install is not taken for one.
        making.rename(home)
    except subprocess.TimeoutExpired:
        pytest.skip("npm installs nothing within 120 s: node-postgres is NOT tested")
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return home


@pytest.mark.timeout(180)
def test_node_postgres_asks(examples: Node, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(_installed() / "node_modules")
    for name in ("package.json", "ask.mjs"):
        shutil.copy(_FILES / name, tmp_path)
    command = ["node", "ask.mjs", str(examples.settings.sql_port)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "rows": [{"one": "1", "text": "x", "yes": True, "nothing": None}],
        "found": 1,
        "any": "2",
        "date": True,
        "bytes": "ff00",
        "list": ["1", "2"],
        "prepared": ["2", "42"],
        "several": [1, 1],
        "error": ["42703", "8"],
        "notices": ["25P01"],
        "cursor": [4, 4, 2],
        "after": "1",
        "pool": 190,
    }
