"""What meets when one build is put in the place of another: refused by version, with nothing touched."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.node import layout
from scripts.node.layout import hold_stopped, open_data_dir, raise_format
from shared.config import Settings, write_settings
from shared.errors import FormatError
from shared.formats import DATA_FORMAT, INTERFACES
from tests.formats.golden_node import unpack
from tests.shared.golden import NEWEST, RELEASES

_ROOT = Path(__file__).resolve().parents[2]


def everything(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file with its time and bytes."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


def test_an_older_build_refuses_the_whole_directory_and_touches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A downgrade. Simulated: builds up to 0.3 knew format 1, and refused by the same lines of code."""
    unpack(NEWEST, tmp_path)
    before = everything(tmp_path)
    monkeypatch.setattr(layout, "DATA_FORMAT", DATA_FORMAT - 1)
    with pytest.raises(FormatError, match=rf"has format {DATA_FORMAT}, .*up to {DATA_FORMAT - 1}: .*\(everlog .*\)"):
        open_data_dir(Settings(data_dir=str(tmp_path / "data")))
    with (
        pytest.raises(FormatError, match=rf"has format {DATA_FORMAT}, .*up to {DATA_FORMAT - 1}"),
        hold_stopped(tmp_path / "data"),
    ):
        pass
    assert everything(tmp_path) == before


def test_the_format_of_a_directory_is_raised_once_and_tells_who_did(tmp_path: Path) -> None:
    unpack("0.3", tmp_path)
    data = tmp_path / "data"
    settings = Settings(data_dir=str(data))
    made = json.loads((data / "FORMAT").read_text())
    open_data_dir(settings).close()
    assert json.loads((data / "FORMAT").read_text()) == made, "whoever only opens it has not written anything yet"
    assert raise_format(data) == 1
    raised = json.loads((data / "FORMAT").read_text())
    assert (raised["format"], raised["created_by"]) == (DATA_FORMAT, made["created_by"])
    assert raised["raised_by"].startswith("everlog ")
    assert raise_format(data) is None
    open_data_dir(settings).close()


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.parametrize("program", ["logd", "partitiond"])
def test_a_program_does_not_join_a_node_of_another_build(program: str, tmp_path: Path) -> None:
    """Another version was installed while the node ran, and one program died or was restarted."""
    unpack(RELEASES[-1], tmp_path)
    data = tmp_path / "data"
    (data / "run").mkdir()
    file = data / "run" / "settings.json"
    write_settings(Settings(data_dir=str(data)), file)
    file.write_text(file.read_text().replace(f'"interfaces": {INTERFACES}', f'"interfaces": {INTERFACES + 1}'))
    before = everything(data)
    command = [sys.executable, "-P", "-m", program, "--data-dir", str(data)]
    done = subprocess.run(command, env={"PYTHONPATH": str(_ROOT)}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    text = f"{file} is of a node whose programs speak version {INTERFACES + 1}, and this program speaks {INTERFACES}: "
    assert text in done.stderr
    assert "everlog down, then up" in done.stderr
    assert "Traceback" not in done.stderr
    assert everything(data) == before
