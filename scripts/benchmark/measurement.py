"""What one run found, and what many runs come to. Pure: no I/O.

Rules that always hold:
    - an invalid run (errors, a wrong answer, a start that failed) is counted and shown, and is in no median;
    - the oracle is compared in its best configuration, chosen for each row or metric;
    - a ratio is the median of the ratios within each round: the speed of a machine drifts by more from one round to the
      next than the two sides differ, and what ran within the same minute shares it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field

from scripts.benchmark.rows import BUDGET, METRICS, Budget, Row

__all__ = [
    "EVERLOG",
    "ORACLE",
    "Figures",
    "Measurement",
    "ProcessUse",
    "Summary",
    "Verdict",
    "best",
    "ratio",
    "summarize",
    "verdicts",
]

EVERLOG = "everlog"
ORACLE = "oracle"


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one run."""

    requests: int
    seconds: float
    rps: float
    #: None: no client waited for an answer.
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    #: User and system time of the runtime's whole process tree for one call.
    cpu_ms: float
    #: Cores in use during the run: by the runtime, the service, the client and everything else on the machine.
    runtime_cores: float
    service_cores: float
    client_cores: float
    other_cores: float
    #: Of the runtime's process tree, right after the load.
    pss_mb: float
    rss_mb: float
    processes: int
    #: Flushes of the disk under the data, by whomever. None: the kernel does not tell.
    disk_flushes_per_s: float | None


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """Counters since the process started, or what it used between two moments."""

    user_s: float = 0.0
    system_s: float = 0.0
    #: Times that it gave its core away, because it waited or because another was to run.
    switches: int = 0
    #: Bytes that it caused to be written to the disk, in whole pages of the cache.
    written: int = 0

    @property
    def cpu_s(self) -> float:
        return self.user_s + self.system_s

    def __add__(self, other: ProcessUse) -> ProcessUse:
        return self._combined(other, 1)

    def __sub__(self, other: ProcessUse) -> ProcessUse:
        return self._combined(other, -1)

    def _combined(self, other: ProcessUse, sign: int) -> ProcessUse:
        mine, others = asdict(self), asdict(other)
        return ProcessUse(**{name: value + sign * others[name] for name, value in mine.items()})


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run of one row on one configuration. Invariant: `figures` is None only when `invalid` says why."""

    row: str
    side: str
    configuration: str
    round: int
    figures: Figures | None
    #: From the start of the program to the first answered call. None: it was not reached.
    start_s: float | None
    #: Calls of fsync and its like a second by the runtime itself, during the warm-up. None: not counted.
    syncs_per_s: float | None
    #: Why this run does not count; empty when it does.
    invalid: str = ""
    #: From the start after a kill, with the data of the load, to the first answered call.
    restart_s: float | None = None
    #: From the moment at which the first of the sleepers was due until the last of them ran; they are due within 1 s.
    wake_s: float | None = None
    #: The same syncs for each call of the warm-up.
    syncs_per_call: float | None = None
    #: What each program of the runtime used during the run.
    processes: dict[str, ProcessUse] = field(default_factory=dict)
    #: Everlog's own code: pure Python, or compiled. Empty: not ours, or it did not start.
    build: str = ""
    #: CPU time of a calibration beside the load, seconds. None: there was none.
    calibration_s: float | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """Medians over the valid runs of one row on one configuration; no figures when none was valid."""

    row: str
    side: str
    configuration: str
    medians: dict[str, float]
    #: Figure -> number of the round -> what that round found.
    rounds: dict[str, dict[int, float]]
    valid: int
    invalid: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the budget, measured. None: that side has no figure."""

    budget: Budget
    everlog: float | None
    oracle: float | None
    oracle_configuration: str
    ratio: float | None
    met: bool | None


_FIGURES = tuple(Figures.__slots__)
#: What is told of a run beside its figures.
_OF_A_RUN = ("start_s", "syncs_per_s", "syncs_per_call", "restart_s", "wake_s")


def summarize(measurements: Iterable[Measurement]) -> list[Summary]:
    """One summary for each row and configuration, in the order of first appearance."""
    groups: dict[tuple[str, str], list[Measurement]] = {}
    for measurement in measurements:
        groups.setdefault((measurement.row, measurement.configuration), []).append(measurement)
    return [_summary(runs) for runs in groups.values()]


def _summary(runs: Sequence[Measurement]) -> Summary:
    valid = [run for run in runs if not run.invalid]
    rounds: dict[str, dict[int, float]] = {}
    for run in valid:
        assert run.figures is not None
        found = {name: getattr(run.figures, name) for name in _FIGURES}
        found |= {name: getattr(run, name) for name in _OF_A_RUN}
        for name, value in found.items():
            if value is not None:
                rounds.setdefault(name, {})[run.round] = float(value)
    medians = {name: statistics.median(values.values()) for name, values in rounds.items()}
    reasons = tuple(f"round {run.round}: {run.invalid}" for run in runs if run.invalid)
    return Summary(runs[0].row, runs[0].side, runs[0].configuration, medians, rounds, len(valid), reasons)


def best(summaries: Iterable[Summary], *, row: str, side: str, metric: str) -> Summary | None:
    """The side's configuration with the best median of `metric` on this row; None when it has no valid run."""
    candidates = [s for s in summaries if s.row == row and s.side == side and metric in s.medians]
    if not candidates:
        return None
    choose: Callable[..., Summary] = max if METRICS[metric].more_is_better else min
    return choose(candidates, key=lambda summary: summary.medians[metric])


def ratio(summaries: Sequence[Summary], row: Row, metric: str) -> float | None:
    """Everlog / oracle, the oracle in its best configuration for this row. None: a side has no figure."""
    ours = best(summaries, row=row.name, side=EVERLOG, metric=row.metric)
    theirs = best(summaries, row=row.name, side=ORACLE, metric=row.metric)
    if ours is None or theirs is None:
        return None
    return _divide(ours, theirs, metric)


def verdicts(summaries: Sequence[Summary], rows: Iterable[Row]) -> list[Verdict]:
    """The budget of the rows that were measured. The oracle's best configuration is chosen anew for each metric."""
    names = {row.name for row in rows}
    return [_verdict(summaries, budget) for budget in BUDGET if budget.row in names]


def _verdict(summaries: Sequence[Summary], budget: Budget) -> Verdict:
    metric = budget.metric
    ours = best(summaries, row=budget.row, side=EVERLOG, metric=metric)
    theirs = best(summaries, row=budget.row, side=ORACLE, metric=metric)
    our_value = ours.medians[metric] if ours else None
    their_value = theirs.medians[metric] if theirs else None
    quotient = _divide(ours, theirs, metric) if ours and theirs else None
    met = None
    compared = our_value if budget.absolute else quotient
    if compared is not None:
        met = compared >= budget.bound if METRICS[metric].more_is_better else compared <= budget.bound
    return Verdict(budget, our_value, their_value, theirs.configuration if theirs else "", quotient, met)


def _divide(ours: Summary, theirs: Summary, metric: str) -> float | None:
    """None: there is no round in which both have a figure, or theirs is 0."""
    of_ours, of_theirs = ours.rounds.get(metric, {}), theirs.rounds.get(metric, {})
    quotients = [value / of_theirs[number] for number, value in of_ours.items() if of_theirs.get(number)]
    return statistics.median(quotients) if quotients else None
