"""The report as people read it."""

from __future__ import annotations

from scripts.benchmark.measurement import summarize
from scripts.benchmark.rows import pick
from scripts.benchmark.table import align, report
from tests.scripts.bench_runs import run_of


def _lines(text: str, *beginning: str) -> list[list[str]]:
    words = [line.split() for line in text.splitlines()]
    return [line for line in words if line[: len(beginning)] == list(beginning)]


def test_report_has_sides_ratios_and_budget() -> None:
    runs = [
        run_of("cheap-64", "everlog", rps=3000.0, p50_ms=20.0),
        run_of("cheap-64", "oracle/1", rps=1000.0, p50_ms=60.0),
        run_of("cheap-64", "oracle/4", rps=2500.0, p50_ms=25.0),
    ]
    text = report(pick("cheap-64"), summarize(runs), notes=["SKIPPED the ts rows: no node"])
    assert _lines(text, "cheap-64", "everlog")[0][2:4] == ["3000", "20.00"]
    assert _lines(text, "oracle/4", "*"), "the best configuration is marked"
    assert _lines(text, "oracle/1")[0][1] == "1000"
    assert _lines(text, "ratio")[0][:5] == ["ratio", "×", "1.20", "×", "0.80"]
    assert "NOT MET" in text
    assert text.endswith("SKIPPED the ts rows: no node")


def test_report_names_invalid_runs_and_counts_the_others() -> None:
    runs = [run_of("cheap-64", "everlog", round_=1), run_of("cheap-64", "everlog", round_=2, invalid="3 failed reads")]
    text = report(pick("cheap-64"), summarize(runs))
    assert "cheap-64 everlog: INVALID round 2: 3 failed reads" in text
    assert _lines(text, "cheap-64", "everlog")[0][-1] == "1/2"


def test_report_of_one_side_has_no_ratio() -> None:
    text = report(pick("cheap-64"), summarize([run_of("cheap-64", "everlog")]))
    assert not _lines(text, "ratio")
    assert "not measured" in text


def test_columns_are_aligned_and_blocks_set_apart() -> None:
    table = [["row", "side", "n"], ["a", "x", "1"], ["a", "yy", "10"], ["b", "x", "2"]]
    assert align(table, left=2).splitlines() == ["row  side   n", "a    x      1", "     yy    10", "", "b    x      2"]
