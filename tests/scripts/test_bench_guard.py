"""What a call costs beside a stored baseline."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts.benchmark import campaign as campaign_module
from scripts.benchmark import guarding
from scripts.benchmark.calibration import Calibrator, calibrate
from scripts.benchmark.campaign import Campaign
from scripts.benchmark.facts import processor
from scripts.benchmark.guard import (
    ONE_CLIENT_TOLERANCE,
    PROGRAM_TOLERANCE,
    WHOLE,
    WHOLE_TOLERANCE,
    Baseline,
    Judging,
    RowCost,
    Verdict,
    baseline_for,
    compare,
    costs,
    decode_baselines,
    encode_baselines,
    guard_report,
    worse,
)
from scripts.benchmark.guarding import BASELINE, guarded, make_sure, store
from scripts.benchmark.main import main
from scripts.benchmark.measurement import Measurement, ProcessUse
from scripts.benchmark.rows import QUICK_ROWS, Row, pick
from scripts.benchmark.services import Endpoint
from scripts.benchmark.session import Session
from scripts.benchmark.targets import Everlog
from shared.errors import ConfigError
from tests.scripts.bench_runs import campaign_of, facts, run_of

_ROWS = pick("cheap-1,cheap-64")


def _run(row: str = "cheap-64", *, ingress_us: float = 60.0, calibration_s: float = 0.05) -> Measurement:
    """5000 calls of a runtime of three programs; a calibration of 50 ms makes 1 µs 0.02 units."""
    uses = {"partitiond": 100.0, "ingress": ingress_us, "logd": 40.0, "metad": 0.0, "query worker": 500.0}
    processes = {name: ProcessUse(us * 4e-3, us * 1e-3, 10, 4096) for name, us in uses.items()}
    run = run_of(row, "everlog")
    return dataclasses.replace(run, processes=processes, calibration_s=calibration_s, syncs_per_call=2.0, build="pure")


def _costs(*runs: Measurement) -> dict[str, RowCost]:
    return costs(runs, clients={row.name: row.clients for row in _ROWS})


def test_cost_is_told_in_calibrations() -> None:
    cost = _costs(_run())["cheap-64"]
    assert cost.cpu == pytest.approx({WHOLE: 4.0, "partitiond": 2.0, "ingress": 1.2, "logd": 0.8})
    assert next(iter(cost.cpu)) == WHOLE, "what does nothing, or nothing for a call, is left out"
    assert cost.clients == 64


def test_machine_that_is_half_as_fast_costs_the_same() -> None:
    fast, slow = _run(ingress_us=60.0), _run(ingress_us=60.0, calibration_s=0.1)
    slow = dataclasses.replace(slow, processes={name: use + use for name, use in slow.processes.items()})
    assert _costs(fast)["cheap-64"].cpu == pytest.approx(_costs(slow)["cheap-64"].cpu)


def test_invalid_and_uncalibrated_runs_and_the_oracle_are_left_out() -> None:
    invalid = dataclasses.replace(_run(ingress_us=900.0), invalid="3 failed reads")
    assert _costs(invalid, run_of("cheap-1", "everlog"), run_of("cheap-64", "oracle/4")) == {}
    assert _costs(invalid, _run())["cheap-64"].cpu["ingress"] == pytest.approx(1.2)


def test_cheapest_run_counts() -> None:
    """What else runs on the machine makes calls dearer, never cheaper."""
    runs = [_run(ingress_us=200.0), _run(ingress_us=60.0), _run(ingress_us=90.0)]
    assert _costs(*runs)["cheap-64"].cpu[WHOLE] == pytest.approx(4.0)


def test_slower_ingress_is_told_with_its_name() -> None:
    """15 µs more in one program of a call of 200 µs: under the tolerance of the whole, over that of the program."""
    changes = compare(_costs(_run()), _costs(_run(ingress_us=75.0)))
    found = {change.what: change.verdict for change in changes}
    assert found == {
        WHOLE: Verdict.SAME,
        "ingress": Verdict.WORSE,
        "partitiond": Verdict.SAME,
        "logd": Verdict.SAME,
    }
    assert worse(changes)


def test_on_a_disturbed_machine_a_program_is_judged_by_its_part() -> None:
    """Others make all programs dearer alike. One that is dearer than the others are is still told."""
    before = {"cheap-64": RowCost({WHOLE: 4.9, "partitiond": 2.34, "ingress": 1.69, "logd": 0.87}, clients=64)}
    noise = {"cheap-64": RowCost({WHOLE: 5.7, "partitiond": 2.72, "ingress": 1.99, "logd": 0.99})}
    assert worse(compare(before, noise))
    assert not worse(compare(before, noise, Judging.PARTS))
    slower = {"cheap-64": RowCost({WHOLE: 6.1, "partitiond": 2.80, "ingress": 2.29, "logd": 1.02})}
    found = {change.what: change.verdict for change in compare(before, slower, Judging.PARTS)}
    assert found == {
        WHOLE: Verdict.UNJUDGED,
        "ingress": Verdict.WORSE,
        "partitiond": Verdict.SAME,
        "logd": Verdict.SAME,
    }
    cheaper = {"cheap-64": RowCost({WHOLE: 3.9, "partitiond": 2.34, "ingress": 0.69, "logd": 0.87})}
    found = {change.what: change.verdict for change in compare(before, cheaper, Judging.PARTS)}
    assert found["ingress"] is Verdict.BETTER
    assert found["partitiond"] is Verdict.SAME, "its part has grown, but it costs what it did"


def test_where_one_client_calls_the_whole_is_judged_by_a_wide_bound() -> None:
    """What waking up costs is of the minute: the same build was told to be worse by a quarter."""
    before = {"cheap-1": RowCost({WHOLE: 13.1, "partitiond": 6.3, "logd": 4.6, "ingress": 2.2}, clients=1)}
    after = {"cheap-1": RowCost({WHOLE: 16.7, "partitiond": 7.9, "logd": 5.5, "ingress": 3.3}, clients=1)}
    for judging in (Judging.PARTS, Judging.SYNCS):
        assert {change.verdict for change in compare(before, after, judging)} == {Verdict.UNJUDGED}
    found = {change.what: change.verdict for change in compare(before, after)}
    programs = dict.fromkeys(("partitiond", "logd", "ingress"), Verdict.UNJUDGED)
    assert found == {WHOLE: Verdict.SAME, **programs}
    after["cheap-1"].cpu[WHOLE] = before["cheap-1"].cpu[WHOLE] * (1.01 + ONE_CLIENT_TOLERANCE)
    assert worse(compare(before, after))


def test_what_got_better_is_no_failure() -> None:
    changes = compare(_costs(_run()), _costs(_run(ingress_us=30.0)))
    assert {change.what for change in changes if change.verdict is Verdict.BETTER} == {WHOLE, "ingress"}
    assert not worse(changes)


@pytest.mark.parametrize("sign", [-1, 1])
def test_within_the_tolerance_nothing_has_changed(sign: int) -> None:
    near = 60.0 * (1 + sign * (PROGRAM_TOLERANCE - 0.01))
    changes = compare(_costs(_run()), _costs(_run(ingress_us=near)))
    assert {change.verdict for change in changes} == {Verdict.SAME}
    assert WHOLE_TOLERANCE < PROGRAM_TOLERANCE


def test_program_that_was_idle_may_not_begin_to_work_and_small_ones_may_change() -> None:
    before = {"cheap-64": RowCost({WHOLE: 10.0, "logd": 0.1})}
    busy = {"cheap-64": RowCost({WHOLE: 10.5, "logd": 0.25, "metad": 0.5})}
    found = {change.what: change.verdict for change in compare(before, busy)}
    assert found == {WHOLE: Verdict.SAME, "logd": Verdict.SAME, "metad": Verdict.WORSE}


def test_syncs_are_judged_where_one_client_calls() -> None:
    """With more of them the disk decides how many calls share one."""
    for row, clients, verdicts in (("cheap-1", 1, [Verdict.WORSE]), ("cheap-64", 64, [])):
        before = {row: RowCost({WHOLE: 1.0}, syncs=2.0, clients=clients)}
        after = {row: RowCost({WHOLE: 1.0}, syncs=3.0, clients=clients)}
        for judging in Judging:
            changes = compare(before, after, judging)
            assert [change.verdict for change in changes if change.what == "syncs"] == verdicts


def _baseline(rows: dict[str, RowCost], *, processor: str = "Fast One", taken_at: str = "2026-01-01 10:00") -> Baseline:
    return Baseline("pure", processor, "Everlog 0.1.0 (abc)", "3.11.7", "a machine", taken_at, 50.0, rows)


def test_report_names_what_got_worse_and_warns() -> None:
    changes = compare(_costs(_run()), _costs(_run(ingress_us=75.0)))
    text = guard_report(_baseline({}), changes, calibration_ms=55.0, python="3.12.1", processor="Slow", others=0.5)
    lines = [line.split() for line in text.splitlines()]
    assert ["ingress", "1.200", "1.500", "×", "1.25", "WORSE"] in lines
    assert not [line for line in lines if line[:1] == ["logd"]], "what did not change is not told"
    assert "WARNING: Python is 3.12.1 here" in text
    assert "WARNING: there is no baseline of this processor, Slow" in text
    text = guard_report(_baseline({}), changes, calibration_ms=55.0, python="3.11.7", processor="Fast One", others=0.5)
    assert "WARNING: others used 0.50 cores" in text
    assert text.endswith("1 figures got worse.")


def test_guard_fails_against_a_stored_baseline(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    good = campaign_of([_run("cheap-1"), _run("cheap-64")])
    assert guarded(good, _ROWS, path=path).problem, "there is no baseline yet"
    assert "'pure'" in store(good, _ROWS, facts(), path=path)
    assert not guarded(good, _ROWS, path=path).failed
    bad = guarded(campaign_of([_run("cheap-1"), _run("cheap-64", ingress_us=75.0)]), _ROWS, path=path)
    assert bad.failed
    assert "WORSE" in bad.text
    compiled = [dataclasses.replace(run, build="compiled") for run in good.measurements]
    assert guarded(campaign_of(compiled), _ROWS, path=path).problem, "of another build"
    store(campaign_of(compiled), _ROWS, facts(), path=path)
    found = decode_baselines(path.read_bytes())
    assert {build: list(of) for build, of in found.items()} == {"pure": [processor()], "compiled": [processor()]}


def test_another_kind_of_processor_has_a_baseline_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There programs were dearer by 10 to 50 %, in terms of the calibration, of a build that was as good."""
    path = tmp_path / "baseline.json"
    store(campaign_of([_run("cheap-1"), _run("cheap-64")]), _ROWS, facts(), path=path)
    monkeypatch.setattr(guarding, "processor", lambda: "Another")

    def dearer(**figures: float) -> Campaign:
        return campaign_of([_run(row, calibration_s=0.04, **figures) for row in ("cheap-1", "cheap-64")])

    found = guarded(dearer(ingress_us=75.0), _ROWS, path=path)
    assert not found.failed
    assert "no baseline of this processor, Another" in found.text
    assert {change.verdict for change in found.changes if change.what != "syncs"} == {Verdict.UNJUDGED}
    store(dearer(), _ROWS, facts(), path=path)
    assert len(decode_baselines(path.read_bytes())["pure"]) == 2
    assert "WARNING" not in guarded(dearer(), _ROWS, path=path).text
    monkeypatch.undo()
    assert guarded(dearer(), _ROWS, path=path).failed, "each is judged by its own"


def test_where_a_processor_has_no_baseline_the_newest_serves() -> None:
    old, new = _baseline({}), _baseline({}, processor="Slow", taken_at="2026-02-01 10:00")
    known = {"pure": {"Fast One": old, "Slow": new}, "compiled": {}}
    assert baseline_for(known, "pure", "Fast One") is old
    assert baseline_for(known, "pure", "Another") is new
    assert baseline_for(known, "compiled", "Slow") is baseline_for(known, "unknown", "Slow") is None


@pytest.mark.parametrize(
    ("later", "runs", "failed"),
    [([60.0], 1, False), ([75.0, 60.0], 2, False), ([75.0, 75.0, 60.0], 2, True)],
    ids=["a bad minute", "two", "worse for good"],
)
def test_guard_makes_sure_of_what_got_worse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: list[float], runs: int, failed: bool
) -> None:
    path = tmp_path / "baseline.json"
    store(campaign_of([_run("cheap-1"), _run("cheap-64")]), _ROWS, facts(), path=path)
    campaign = campaign_of([_run("cheap-1"), _run("cheap-64", ingress_us=75.0)])
    again: list[list[str]] = []

    def measure(rows: Sequence[Row]) -> None:
        again.append([row.name for row in rows])
        campaign.measurements.append(_run("cheap-64", ingress_us=later[len(again) - 1]))

    monkeypatch.setattr(Campaign, "run", lambda self, rows: measure(rows))
    make_sure(campaign, _ROWS, path=path)
    assert again == [["cheap-64"]] * runs
    assert guarded(campaign, _ROWS, path=path).failed is failed


def test_what_is_measured_again_goes_on_counting_its_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a figure would take the place of the one that has its number."""
    monkeypatch.setattr(Session, "measure", lambda *_, round_: run_of("cheap-64", "everlog", round_=round_))
    monkeypatch.setattr(campaign_module, "start_service", lambda *_, **__: Endpoint("cheap", "nginx", 1, 1))
    campaign = campaign_of([])
    campaign.rounds, campaign.targets = 2, [Everlog((), "")]
    for _ in range(2):
        campaign.run(pick("cheap-64"))
    assert [run.round for run in campaign.measurements] == [1, 2, 3, 4]


def test_half_a_baseline_is_not_stored(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    with pytest.raises(ConfigError, match="missing or invalid"):
        store(campaign_of([_run("cheap-1")]), _ROWS, facts(), path=path)
    path.write_text("{")
    with pytest.raises(ConfigError, match="holds no baselines"):
        guarded(campaign_of([_run()]), _ROWS, path=path)


def test_stored_baselines_are_whole() -> None:
    for build, processors in decode_baselines(BASELINE.read_bytes()).items():
        for name, baseline in processors.items():
            assert (baseline.build, baseline.processor) == (build, name)
            assert set(baseline.rows) >= set(QUICK_ROWS)
            for cost in baseline.rows.values():
                assert cost.cpu[WHOLE] == pytest.approx(sum(cost.cpu.values()) / 2, rel=0.1)


def test_baselines_are_read_back() -> None:
    baselines = {"pure": {"Fast One": _baseline(_costs(_run()))}}
    assert decode_baselines(encode_baselines(baselines)) == baselines


def test_calibration_is_beside_the_load() -> None:
    assert 0 < calibrate() < 5
    late = Calibrator(3600.0)
    late.start()
    assert late.result() is None, "the load ended before the first"


def test_rounds_and_lengths_below_one_are_refused() -> None:
    assert main(["--quick", "--guard", "--rounds", "0"]) == 2
