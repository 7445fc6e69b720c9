"""`everlog sql`: forms of output, files that are whole or not there, and what a cut answer is told as."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.console.screen import Screen
from scripts.console.watching import watch
from shared.errors import ConfigError
from tests.fakes.http_node import HttpNode
from tests.scripts.console.conftest import Everlog
from tests.scripts.console.people_world import furnish


@pytest.fixture
def node(stub: HttpNode) -> HttpNode:
    furnish(stub)
    return stub


def test_csv_and_json_lines_have_all_rows(node: HttpNode, everlog: Everlog) -> None:
    rows = list(csv.DictReader(io.StringIO(everlog("sql", "select * from t", "--csv").out)))
    assert [row["name"] for row in rows] == ["Ada", "Grace, “of COBOL”", ""]
    assert rows[0] == {
        "name": "Ada",
        "n": "1",
        "at": "2026-03-01T12:00:00.000Z",
        "kept": "PT86400S",
        "raw": "00ff",
        "waits": "[1,2]",
        "there": "true",
    }
    lines = [json.loads(line) for line in everlog("sql", "select * from t", "--jsonl").out.splitlines()]
    assert lines == everlog("sql", "select * from t", "--json").json
    assert lines[1] == {
        "name": "Grace, “of COBOL”",
        "n": 20000,
        "at": "2026-03-01T12:00:00.001Z",
        "kept": "PT1.5S",
        "raw": "",
        "waits": [],
        "there": False,
    }
    assert set(lines[2].values()) == {None}


def test_nothing_is_an_empty_array_and_a_head(stub: HttpNode, everlog: Everlog) -> None:
    stub.arrow["nothing"] = [pa.RecordBatch.from_pydict({"a": pa.array([], pa.int64())})]
    assert everlog("sql", "select nothing", "--json").out == "[]\n"
    assert everlog("sql", "select nothing", "--csv").out == "a\n"
    assert everlog("sql", "select nothing").out == "a\n"


def test_files_hold_the_answer_with_its_types(node: HttpNode, everlog: Everlog, tmp_path: Path) -> None:
    arrow, parquet = tmp_path / "t.arrow", tmp_path / "t.parquet"
    done = everlog("sql", "select * from t", "--arrow", str(arrow))
    assert done == (0, "", f"3 rows in {arrow}\n")
    assert everlog("sql", "select * from t", "--parquet", str(parquet)).status == 0
    whole = pa.Table.from_batches(node.arrow["select * from t"])
    assert pa.ipc.open_file(arrow).read_all() == whole
    assert pq.read_table(parquet).to_pylist() == whole.to_pylist()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.arrow", "t.parquet"]


def test_cut_answer_fails_and_leaves_no_file(node: HttpNode, everlog: Everlog, tmp_path: Path) -> None:
    """The status was sent long ago: that the connection ends is all that tells."""
    node.cut = True
    done = everlog("sql", "select * from t", "--parquet", str(tmp_path / "t.parquet"))
    assert done.status == 3
    assert done.err.startswith("everlog sql: http://127.0.0.1:")
    assert done.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_file_that_cannot_be_written_is_wrong_usage(node: HttpNode, everlog: Everlog, tmp_path: Path) -> None:
    done = everlog("sql", "select * from t", "--arrow", str(tmp_path / "no" / "t.arrow"))
    assert done.status == 2
    assert "cannot write" in done.err
    assert everlog("sql", "select 1; select 2", "--arrow", str(tmp_path / "t")).status == 2


def test_script_comes_from_stdin(node: HttpNode, everlog: Everlog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("select * from t; -- twice\nselect * from t"))
    assert everlog("sql", "--jsonl").out.count("\n") == 6
    # A word after --watch may be the statement.
    assert everlog("sql", "--watch").status == 2
    assert everlog("sql", "--watch", "0", "select * from t").status == 2


def test_refusal_is_one_line(node: HttpNode, everlog: Everlog) -> None:
    done = everlog("sql", "select nonsense")
    assert done == (1, "", "everlog sql: Datafusion error: nobody told what select nonsense gives\n")


def test_watch_draws_again_and_shows_a_failure_in_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    drawn = iter([["a", "b"], ConfigError("away"), ["c"]])

    @contextlib.contextmanager
    def draw() -> Iterator[Iterator[str]]:
        found = next(drawn, None)
        if found is None:
            raise KeyboardInterrupt
        if isinstance(found, ConfigError):
            raise found
        yield iter(found)

    with pytest.raises(KeyboardInterrupt):
        watch(Screen(), "select\n1", 0.001, draw)
    blocks = [block.split("\n", 1) for block in capsys.readouterr().out.strip().split("\n\n")]
    assert [block[1] for block in blocks] == ["a\nb", "away", "c"]
    assert all(block[0].startswith("every 0.001 s, ") and block[0].endswith(": select 1") for block in blocks)


def test_table_of_many_columns_is_a_block_for_each_row(
    stub: HttpNode, everlog: Everlog, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = {f"column_{number}": pa.array([number, None]) for number in range(30)}
    stub.arrow["wide"] = [pa.RecordBatch.from_pydict(wide)]
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    assert everlog("sql", "select wide").out.startswith("column_0  column_1")
    monkeypatch.setattr(Screen, "width", property(lambda screen: 80))
    assert everlog("sql", "select wide").out.startswith("── 1 ──\ncolumn_0   0\ncolumn_1   1\n")
