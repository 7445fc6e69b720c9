"""Our own cheap endpoint: what it answers, and that nginx takes its configuration."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from scripts.benchmark.cheap import ANSWER, MissingProgramError, start_cheap
from scripts.benchmark.owned import Owned, run_command
from tests.conftest import eventually, free_ports


def test_answer_is_output_and_end() -> None:
    """Golden bytes, the same as those of ../shared/oracle/cheap-endpoint."""
    output = b'\x04\x01\x00\x00\x00\x00\x00\x0b\x72\x09\x0a\x07"Hello"'
    assert output + b"\x00\x03\x00\x00\x00\x00\x00\x00" == ANSWER


def test_missing_nginx_is_told_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    with pytest.raises(MissingProgramError, match="nginx-light"):
        start_cheap(Owned(), folder=tmp_path, script=tmp_path / "none", port=1)


@pytest.mark.slow
@pytest.mark.processes
def test_nginx_serves_discovery_and_the_answer() -> None:
    """Twice in one folder: rows that got worse are measured again, with a service of their own."""
    if shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") is None or shutil.which("curl") is None:
        pytest.skip("nginx or curl is not installed")
    with tempfile.TemporaryDirectory(prefix="evbench-") as name:
        for _ in range(2):
            _check_answers(Path(name))


def _check_answers(folder: Path) -> None:
    owned = Owned()
    (port,) = free_ports(1)
    try:
        pid, _ = start_cheap(owned, folder=folder, script=folder / "none", port=port)
        curl = ["curl", "-s", "-m", "5", "--retry", "20", "--retry-connrefused", "--retry-delay", "1"]
        curl += ["--http2-prior-knowledge", "-w", " %{http_code} %{content_type}", f"http://127.0.0.1:{port}"]
        eventually(lambda: any(folder.glob("cheap-*/nginx.pid")))
        found = run_command([*curl[:-1], f"{curl[-1]}/discover"], within_s=30.0)
        assert found.endswith(" 200 application/vnd.restate.endpointmanifest.v1+json")
        # Without a body: nginx answers before one has come, which curl 7.88 takes for a broken stream.
        call = run_command([*curl[:-1], "-X", "POST", f"{curl[-1]}/invoke/Cheap/greet"], within_s=30.0)
        assert call == f"{ANSWER.decode()} 200 application/vnd.restate.invocation.v5"
    finally:
        owned.end_all()
    assert not owned.alive(pid)
