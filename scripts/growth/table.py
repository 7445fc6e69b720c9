"""The numbers of growth as text: for a terminal, and as Markdown between two marks of a page. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scripts.benchmark.measurement import EVERLOG, ORACLE
from scripts.benchmark.table import align
from scripts.growth.points import QUESTIONS, Answer, Numbers, Point, answers

__all__ = ["BEGIN", "END", "markdown", "replaced", "table"]

BEGIN = "<!-- the numbers of scripts/bench growth -->"
END = "<!-- end of the numbers -->"
_HEAD = ("req/s", "p50 ms", "p99 ms", "CPU µs", "PSS MB")


def _size(x: int) -> str:
    for factor, letter in ((1_000_000, "M"), (1_000, "k")):
        if x >= factor and x % factor == 0:
            return f"{x // factor}{letter}"
    return str(x)


def _cells(answer: Answer) -> list[str]:
    shown = f"{answer.rps:.0f}" if answer.rps >= 100 else f"{answer.rps:.1f}"
    cells = [shown, f"{answer.p50_ms:.2f}", f"{answer.p99_ms:.2f}", f"{answer.cpu_us:.0f}", f"{answer.pss_mb:.0f}"]
    return [*cells, f"{answer.mb_s:.1f}" if answer.mb_s else ""]


def table(numbers: Numbers) -> str:
    """Question, x, both sides below one another, and what was invalid."""
    found = answers(numbers.points)
    lines: list[list[str]] = [["question", "x", "side", *_HEAD, "MB/s", "runs"]]
    for answer in found:
        ours = _ratio(found, answer)
        lines.append([answer.question, _size(answer.x), answer.configuration, *_cells(answer), f"{answer.runs}{ours}"])
    bad = [f"{p.question} {_size(p.x)} {p.configuration}: INVALID {p.invalid}" for p in _unanswered(numbers)]
    legend = "CPU: of the runtime's process tree, a call. MB/s: both directions. In brackets: req/s × the oracle's."
    return "\n\n".join(["\n".join(numbers.facts), align(lines, left=3), legend, *(["\n".join(bad)] if bad else [])])


def _unanswered(numbers: Numbers) -> list[Point]:
    """Invalid runs of points that have no valid one."""
    have = {(answer.question, answer.x, answer.side) for answer in answers(numbers.points)}
    return [point for point in numbers.points if (point.question, point.x, point.side) not in have]


def _ratio(found: Sequence[Answer], answer: Answer) -> str:
    theirs = next((a for a in found if (a.question, a.x, a.side) == (answer.question, answer.x, ORACLE)), None)
    if answer.side != EVERLOG or theirs is None or not theirs.rps:
        return ""
    return f" (× {answer.rps / theirs.rps:.2f})"


def markdown(numbers: Numbers) -> str:
    """A table for each question, Everlog beside the oracle."""
    found = answers(numbers.points)
    parts = ["\n".join(f"- {fact}" for fact in numbers.facts)]
    for question in QUESTIONS.values():
        xs = sorted({answer.x for answer in found if answer.question == question.name})
        if not xs:
            continue
        more = ("MB/s",) if question.name == "payload" else ()
        heads = [f"{side} {head}" for head in (*_HEAD, *more) for side in ("Everlog", "oracle")]
        lines = [f"| {' | '.join([question.title, *heads])} |", f"|{'---|' * (len(heads) + 1)}"]
        for x in xs:
            pairs = zip(*(_side(found, question.name, x, side) for side in (EVERLOG, ORACLE)), strict=True)
            cells = [cell for pair in pairs for cell in pair]
            lines.append(f"| {' | '.join([f'{x:,}', *cells[: len(heads)]])} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _side(found: Iterable[Answer], question: str, x: int, side: str) -> list[str]:
    for answer in found:
        if (answer.question, answer.x, answer.side) == (question, x, side):
            return _cells(answer)
    return ["–"] * (len(_HEAD) + 1)


def replaced(page: str, numbers: Numbers) -> str:
    """The page with the numbers between its marks. Raises ValueError when it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{markdown(numbers)}\n{END}{after}"
