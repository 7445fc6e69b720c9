"""Measurements for the tests of `scripts/bench`."""

from __future__ import annotations

from scripts.benchmark.measurement import Figures, Measurement


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
