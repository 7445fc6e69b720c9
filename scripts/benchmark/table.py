"""The report as text for people. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from scripts.benchmark.measurement import ORACLE, Summary, best, ratio, verdicts
from scripts.benchmark.rows import METRICS, Metric, Row

__all__ = ["align", "report", "run_line"]

#: Columns after the metrics: figure -> title. Cores in use, and syncs of the runtime.
_EXTRAS = {
    "runtime_cores": "runtime",
    "service_cores": "service",
    "client_cores": "client",
    "other_cores": "others",
    "syncs_per_s": "syncs/s",
}
_LEGEND = """\
Medians of the valid runs; `*` is the oracle's best configuration for the row, which the ratios (Everlog / oracle) take:
medians of the ratios within each round, for the machine's speed drifts from one round to the next.
CPU ms/call: user + system of the runtime's whole process tree. PSS, RSS: of that tree, right after the load.
start: from starting the program to the first answered call; restart: the same after kill -9, with the data of the load.
woken: from when the first sleeper is due until the last one ran; they are due within one second.
runtime, service, client, others: cores in use during the run (others: all else on the machine; over 0.1 the figures
are disturbed). syncs/s: fsync, fdatasync and the like by the runtime itself, counted during the warm-up."""


def report(rows: Sequence[Row], summaries: Sequence[Summary], *, notes: Iterable[str] = ()) -> str:
    """The whole text: the rows, the budget, and what did not work."""
    parts = [align(_row_table(rows, summaries), left=2), _LEGEND]
    budget = _budget_table(rows, summaries)
    if len(budget) > 1:
        parts.append("Budget (the oracle's best configuration for each figure)\n" + align(budget, left=2))
    bad = [f"{s.row} {s.configuration}: INVALID {reason}" for s in summaries for reason in s.invalid]
    parts.extend("\n".join(lines) for lines in (bad, list(notes)) if lines)
    return "\n\n".join(parts)


def _row_table(rows: Sequence[Row], summaries: Sequence[Summary]) -> list[list[str]]:
    metrics = [metric for metric in METRICS.values() if any(metric.name in s.medians for s in summaries)]
    table = [["row", "side", *(metric.title for metric in metrics), *_EXTRAS.values(), "runs"]]
    for row in rows:
        winner = best(summaries, row=row.name, side=ORACLE, metric=row.metric)
        of_row = [summary for summary in summaries if summary.row == row.name]
        for summary in of_row:
            mark = " *" if summary is winner else ""
            runs = f"{summary.valid}/{summary.valid + len(summary.invalid)}"
            figures = [_figure(metric, summary.medians) for metric in metrics]
            extras = [_number(summary.medians.get(name), 0 if name == "syncs_per_s" else 2) for name in _EXTRAS]
            table.append([row.name, f"{summary.configuration}{mark}", *figures, *extras, runs])
        ratios = [ratio(summaries, row, metric.name) for metric in metrics]
        if any(ratios):
            cells = [f"× {value:.2f}" if value is not None else "-" for value in ratios]
            table.append([row.name, "ratio", *cells, *("" for _ in _EXTRAS), ""])
    return table


def _budget_table(rows: Sequence[Row], summaries: Sequence[Summary]) -> list[list[str]]:
    table = [["row", "figure", "everlog", "oracle", "configuration", "ratio", "must be", ""]]
    for verdict in verdicts(summaries, rows):
        metric = METRICS[verdict.budget.metric]
        sign = "≥" if metric.more_is_better else "≤"
        bound = f"{verdict.budget.bound:g}" + (" itself" if verdict.budget.absolute else "")
        met = {True: "met", False: "NOT MET", None: "not measured"}[verdict.met]
        table.append(
            [
                verdict.budget.row,
                metric.title,
                _number(verdict.everlog, metric.digits),
                _number(verdict.oracle, metric.digits),
                verdict.oracle_configuration or "-",
                f"× {verdict.ratio:.2f}" if verdict.ratio is not None else "-",
                f"{sign} {bound}",
                met,
            ]
        )
    return table


def run_line(figures: Mapping[str, float | None]) -> str:
    """One run for the progress on stderr."""
    shown = [METRICS[name] for name in ("rps", "p50_ms", "p99_ms", "cpu_ms", "pss_mb")]
    return ", ".join(f"{_figure(metric, figures)} {metric.title}" for metric in shown)


def _figure(metric: Metric, medians: Mapping[str, float | None] | Mapping[str, float]) -> str:
    return _number(medians.get(metric.name), metric.digits)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def align(table: Sequence[Sequence[str]], *, left: int) -> str:
    """Columns of equal width, the first `left` flush left, the others right. Lines that begin alike are one block."""
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    lines: list[str] = []
    before: str | None = None
    for line in table:
        shown = ["" if line[0] == before else line[0], *line[1:]]
        if shown[0] and len(lines) > 1 and lines[-1].startswith(" "):
            lines.append("")
        before = line[0]
        padded = [
            cell.ljust(width) if number < left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(shown, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)
