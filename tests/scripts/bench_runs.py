"""Measurements for the tests of `scripts/bench`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scripts.benchmark.campaign import Campaign
from scripts.benchmark.facts import Facts
from scripts.benchmark.measurement import Figures, Measurement
from scripts.benchmark.session import Session, Times


def figures(**changed: float) -> Figures:
    """A run of 5 s; `changed` names what matters to the test."""
    values = {
        "seconds": 5.0,
        "rps": 1000.0,
        "p50_ms": 2.0,
        "p99_ms": 5.0,
        "max_ms": 9.0,
        "cpu_ms": 0.5,
        "runtime_cores": 0.5,
        "service_cores": 0.1,
        "client_cores": 0.1,
        "other_cores": 0.0,
        "pss_mb": 200.0,
        "rss_mb": 300.0,
        "disk_flushes_per_s": 100.0,
    }
    return Figures(requests=5000, processes=3, **(values | changed))


def run_of(row: str, configuration: str, *, round_: int = 1, invalid: str = "", **changed: float) -> Measurement:
    """One run; valid unless `invalid` says why not."""
    side = configuration.partition("/")[0]
    return Measurement(row, side, configuration, round_, figures(**changed), 1.5, 300.0, invalid, 1.0)


def campaign_of(runs: Sequence[Measurement]) -> Campaign:
    """One that has measured these."""
    session = Session(folder=Path(), times=Times(warm_up_s=1, duration_s=1))
    return Campaign(session, [], 1, Path(), Path(), measurements=list(runs))


def facts() -> Facts:
    """Of some machine."""
    return Facts("2026-01-01 10:00", "Everlog 0.1.0 (abc)", "no oracle", "a machine", 2, 0.0, "ext4", 0.1, ())
