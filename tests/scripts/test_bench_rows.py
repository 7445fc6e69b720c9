"""The rows and the budget of `scripts/bench` as data."""

from __future__ import annotations

import pytest

from scripts.benchmark.main import parser, partition_counts
from scripts.benchmark.rows import BUDGET, METRICS, QUICK_ROWS, ROWS, Kind, UnknownRowError, pick
from scripts.benchmark.services import SERVICES
from shared.config import SETTING_DOCS
from shared.errors import ConfigError


def test_every_row_has_a_service_and_a_metric() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert row.service in SERVICES
        assert row.beside is None or row.beside in SERVICES
        assert row.metric in METRICS
        assert ("{key}" in row.path) == (row.keys > 0)


def test_rows_of_sleepers_say_how_many() -> None:
    for row in ROWS:
        assert (row.kind is not Kind.LOAD) == (row.count > 0)
        assert not (row.restarts and row.kind is not Kind.LOAD)


def test_budget_is_about_rows_and_metrics_that_there_are() -> None:
    names = {row.name for row in ROWS}
    assert {budget.row for budget in BUDGET} <= names
    assert {budget.metric for budget in BUDGET} <= set(METRICS)
    assert set(QUICK_ROWS) <= names
    for budget in BUDGET:
        if not budget.absolute:
            assert (budget.bound >= 1.0) == METRICS[budget.metric].more_is_better or budget.bound == 1.0


def test_rows_are_picked_by_name_or_prefix_in_their_own_order() -> None:
    assert [row.name for row in pick("ts-run3-64, cheap-1")] == ["cheap-1", "ts-run3-64"]
    assert [row.name for row in pick("cheap,cheap-64")] == ["cheap-1", "cheap-64", "cheap-256", "cheap-send-64"]


@pytest.mark.parametrize("names", ["", "cheap-6", "cheap-64,nothing"])
def test_unknown_rows_are_refused_with_the_list(names: str) -> None:
    with pytest.raises(UnknownRowError, match="there are cheap-1, "):
        pick(names)


def test_partitions_of_the_oracle() -> None:
    assert partition_counts("1, 4,24,4") == [1, 4, 24]
    for text in ("", "0", "4,x", "-1"):
        with pytest.raises(ConfigError, match="--oracle-partitions"):
            partition_counts(text)


def test_arguments_default_to_the_full_measurement() -> None:
    arguments = parser().parse_args([])
    assert not arguments.quick
    assert arguments.rows is None
    assert arguments.only is None


def test_everlog_has_no_setting_that_turns_syncs_off() -> None:
    """The report says so."""
    assert not [name for name in SETTING_DOCS if "sync" in name or "wal" in name or "durab" in name]
