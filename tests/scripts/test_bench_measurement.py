"""Medians, the best configuration, ratios and the budget."""

from __future__ import annotations

import dataclasses

import pytest

from scripts.benchmark.measurement import EVERLOG, ORACLE, Measurement, best, ratio, summarize, verdicts
from scripts.benchmark.rows import Row, pick
from tests.scripts.bench_runs import run_of

_CHEAP_64: Row = pick("cheap-64")[0]
_CHEAP_1: Row = pick("cheap-1")[0]


def test_medians_are_taken_for_each_configuration() -> None:
    runs = [run_of("cheap-64", "everlog", round_=n, rps=rps) for n, rps in enumerate((900.0, 5000.0, 1000.0), 1)]
    runs.insert(1, run_of("cheap-64", "oracle/4", rps=400.0))
    ours, theirs = summarize(runs)
    assert (ours.side, ours.medians["rps"], ours.valid) == (EVERLOG, 1000.0, 3)
    assert (theirs.side, theirs.configuration, theirs.medians["rps"]) == (ORACLE, "oracle/4", 400.0)
    assert ours.medians["start_s"] == 1.5


def test_invalid_runs_are_in_no_median() -> None:
    runs = [
        run_of("cheap-64", "everlog", round_=1, rps=100.0),
        run_of("cheap-64", "everlog", round_=2, rps=9000.0, invalid="12 answers that were not 2xx"),
    ]
    (summary,) = summarize(runs)
    assert summary.medians["rps"] == 100.0
    assert summary.valid == 1
    assert summary.invalid == ("round 2: 12 answers that were not 2xx",)


def test_configuration_that_never_started_has_no_medians() -> None:
    failed = Measurement("cheap-64", EVERLOG, EVERLOG, 1, None, None, None, "it did not start")
    (summary,) = summarize([failed])
    assert summary.medians == {}
    assert best([summary], row="cheap-64", side=EVERLOG, metric="rps") is None
    assert ratio([summary], _CHEAP_64, "rps") is None


def test_syncs_that_were_not_counted_are_no_zero() -> None:
    run = run_of("cheap-64", "everlog")
    unknown = Measurement(run.row, run.side, run.configuration, 1, run.figures, 1.0, None)
    assert "syncs_per_s" not in summarize([unknown])[0].medians


def test_oracle_is_taken_in_its_best_configuration_for_the_row() -> None:
    """At 64 clients that is the one with most requests, at one client the one with the shortest wait."""
    runs = [
        run_of("cheap-64", "everlog", rps=3000.0, p50_ms=20.0),
        run_of("cheap-64", "oracle/1", rps=1000.0, p50_ms=10.0),
        run_of("cheap-64", "oracle/4", rps=2000.0, p50_ms=40.0),
        run_of("cheap-1", "everlog", rps=3000.0, p50_ms=1.0),
        run_of("cheap-1", "oracle/1", rps=1000.0, p50_ms=4.0),
        run_of("cheap-1", "oracle/4", rps=2000.0, p50_ms=5.0),
    ]
    summaries = summarize(runs)
    assert ratio(summaries, _CHEAP_64, "rps") == pytest.approx(1.5)
    assert ratio(summaries, _CHEAP_64, "p50_ms") == pytest.approx(0.5), "of oracle/4, which has most requests"
    assert ratio(summaries, _CHEAP_1, "p50_ms") == pytest.approx(0.25), "of oracle/1, which answers soonest"


def test_ratio_is_taken_within_rounds_because_the_machine_drifts() -> None:
    """It grew faster between the runs of the second round: the medians alone would say 2."""
    speeds = (("everlog", (100.0, 200.0, 300.0)), ("oracle/4", (60.0, 100.0, 200.0)))
    runs = [run_of("cheap-64", name, round_=n, rps=rps) for name, found in speeds for n, rps in enumerate(found, 1)]
    assert ratio(summarize(runs), _CHEAP_64, "rps") == pytest.approx(100 / 60)
    assert verdicts(summarize(runs), [_CHEAP_64])[0].ratio == pytest.approx(100 / 60)


def test_round_counts_only_where_both_have_a_figure() -> None:
    runs = [run_of("cheap-64", "everlog", round_=n, rps=300.0 * n) for n in (1, 2)]
    runs.append(run_of("cheap-64", "oracle/4", round_=1, rps=100.0, invalid="3 failed reads"))
    assert ratio(summarize(runs), _CHEAP_64, "rps") is None
    runs.append(run_of("cheap-64", "oracle/4", round_=2, rps=200.0))
    assert ratio(summarize(runs), _CHEAP_64, "rps") == pytest.approx(3.0)


def test_budget_takes_the_best_configuration_for_each_figure() -> None:
    runs = [
        run_of("cheap-64", "everlog", rps=3000.0, cpu_ms=0.3),
        run_of("cheap-64", "oracle/1", rps=1000.0, cpu_ms=0.4),
        run_of("cheap-64", "oracle/4", rps=2000.0, cpu_ms=0.6),
    ]
    found = {verdict.budget.metric: verdict for verdict in verdicts(summarize(runs), [_CHEAP_64])}
    assert found["rps"].oracle_configuration == "oracle/4"
    assert found["rps"].met is True
    assert found["cpu_ms"].oracle_configuration == "oracle/1"
    assert found["cpu_ms"].ratio == pytest.approx(0.75)
    assert found["cpu_ms"].met is False


def test_budget_without_an_oracle_is_neither_met_nor_missed() -> None:
    found = verdicts(summarize([run_of("cheap-64", "everlog")]), [_CHEAP_64])
    assert found
    assert all(verdict.met is None and verdict.ratio is None for verdict in found)
    assert all(verdict.everlog is not None for verdict in found)


@pytest.mark.parametrize(("seconds", "met"), [(1.9, True), (2.1, False)])
def test_an_absolute_bound_is_one_of_our_own_figure(seconds: float, met: bool) -> None:
    """Nobody asks whether the oracle wakes its sleepers sooner."""
    ours = dataclasses.replace(run_of("sleeper-wake-10000", "everlog"), wake_s=seconds)
    theirs = dataclasses.replace(run_of("sleeper-wake-10000", "oracle/4"), wake_s=0.1)
    (found,) = verdicts(summarize([ours, theirs]), pick("sleeper-wake"))
    assert (found.budget.metric, found.everlog, found.met) == ("wake_s", seconds, met)
