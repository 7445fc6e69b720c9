"""The numbers of growth as a picture: a column for each question, with requests a second, p99 and CPU a call below one
another, both sides in each. Needs matplotlib, which is a development dependency.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scripts.benchmark.measurement import EVERLOG, ORACLE
from scripts.growth.points import QUESTIONS, Answer, Numbers, answers
from shared.errors import ConfigError

__all__ = ["plot"]

_ROWS = (("rps", "requests/s"), ("p99_ms", "p99, ms"), ("cpu_us", "CPU a call, µs"))
_LOOKS = {EVERLOG: ("Everlog", "#1b6ca8", "o", "-"), ORACLE: ("oracle", "#d1495b", "s", "--")}


def plot(numbers: Numbers, path: Path) -> None:
    """Draw `path`, a PNG. Raises ConfigError when matplotlib is missing or there is nothing to draw."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("matplotlib is missing, which draws the picture: scripts/test installs it") from error
    found = answers(numbers.points)
    names = [name for name in QUESTIONS if any(answer.question == name for answer in found)]
    if not names:
        raise ConfigError("there is no valid point to draw")
    figure = Figure(figsize=(4.4 * len(names), 9.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(_ROWS), len(names), squeeze=False, sharex="col")
    for column, name in enumerate(names):
        of_question = [answer for answer in found if answer.question == name]
        for row, (metric, label) in enumerate(_ROWS):
            _panel(axes[row][column], of_question, metric, label)
        axes[0][column].set_title(QUESTIONS[name].title)
        axes[-1][column].set_xlabel(QUESTIONS[name].unit, fontsize=8)
    axes[0][0].legend()
    figure.suptitle("What a call costs as work grows", fontsize=14)
    figure.text(0.5, -0.01, "; ".join(numbers.facts[-1:]), ha="center", va="top", fontsize=7)
    figure.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})


def _panel(axis: Any, found: list[Answer], metric: str, label: str) -> None:
    for side, (name, colour, marker, style) in _LOOKS.items():
        points = [(answer.x, getattr(answer, metric)) for answer in found if answer.side == side]
        if points:
            xs, ys = zip(*points, strict=True)
            axis.plot(xs, ys, style, color=colour, marker=marker, label=name)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_ylabel(label)
    axis.grid(visible=True, which="both", alpha=0.25)
