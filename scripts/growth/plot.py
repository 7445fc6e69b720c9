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
#: An axis shows at least this factor to either side of its middle.
_LEAST_RANGE = 8.0
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
    figure.text(0.5, -0.01, "\n".join(numbers.facts), ha="center", va="top", fontsize=7)
    figure.savefig(path, dpi=80, bbox_inches="tight", metadata={"Software": None})


def _panel(axis: Any, found: list[Answer], metric: str, label: str) -> None:
    for side, (name, colour, marker, style) in _LOOKS.items():
        points = [(answer.x, getattr(answer, metric)) for answer in found if answer.side == side]
        if points:
            xs, ys = zip(*points, strict=True)
            axis.plot(xs, ys, style, color=colour, marker=marker, label=name)
    axis.set_xscale("log")
    axis.set_yscale("log")
    # A range of its own for each would make a slope of noise.
    low, high = axis.get_ylim()
    middle = (low * high) ** 0.5
    axis.set_ylim(min(low, middle / _LEAST_RANGE), max(high, middle * _LEAST_RANGE))
    axis.set_ylabel(label)
    axis.grid(visible=True, which="both", alpha=0.25)
