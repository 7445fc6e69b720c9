"""What is asked as work grows, and the numbers that answer it. Pure: no I/O."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from scripts.benchmark.measurement import EVERLOG, ORACLE
from scripts.benchmark.rows import Row
from shared.errors import ConfigError

__all__ = [
    "PAYLOAD_CLIENTS",
    "QUESTIONS",
    "Answer",
    "Numbers",
    "Point",
    "Question",
    "answers",
    "load_of",
    "missing",
    "pick",
]

#: Few: ten megabytes on the way for each of 64 would be a question about memory.
PAYLOAD_CLIENTS = 8
_CLIENTS = 64


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that grows: `points` are what is measured, `few` what `--small` takes of them."""

    name: str
    title: str
    unit: str
    points: tuple[int, ...]
    few: tuple[int, ...]


QUESTIONS: dict[str, Question] = {
    question.name: question
    for question in (
        Question(
            "stored",
            "Stored invocations",
            "completed invocations in the store",
            (100, 10_000, 1_000_000),
            (100, 10_000),
        ),
        Question("partitions", "Partitions", "partitions", (1, 2, 4, 8, 16, 32, 64), (1, 8, 64)),
        Question(
            "payload",
            "Size of request and answer",
            "bytes of the request, and as many of the answer",
            (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000),
            (100, 10_000, 1_000_000),
        ),
        Question(
            "clients",
            "Clients that wait",
            "connections with an unanswered call, beside the load",
            (1, 10, 100, 1_000, 10_000),
            (1, 1_000),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Point:
    """One run at one point. Invariant: the figures are 0 only when `invalid` says why."""

    question: str
    x: int
    side: str
    configuration: str
    round: int
    rps: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    #: User and system time of the runtime's process tree for one call.
    cpu_us: float = 0.0
    #: Of the runtime's process tree, right after the load.
    pss_mb: float = 0.0
    invalid: str = ""
    taken_at: str = ""


@dataclass(slots=True)
class Numbers:
    """All that was measured, as it is kept in a file."""

    #: One line for each time that something was measured: machine and versions.
    facts: list[str]
    points: list[Point]

    def encode(self) -> str:
        """JSON, a line for each point."""
        lines = ",\n    ".join(msgspec.json.encode(point).decode() for point in self.points)
        facts = msgspec.json.format(msgspec.json.encode(self.facts), indent=2).decode().replace("\n", "\n  ")
        return f'{{\n  "facts": {facts},\n  "points": [\n    {lines}\n  ]\n}}\n'

    @classmethod
    def decode(cls, text: str | bytes) -> Numbers:
        """Raises ConfigError for what is none."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise ConfigError(f"these are no numbers of growth: {error}") from error


@dataclass(frozen=True, slots=True)
class Answer:
    """Medians of one side at one point; MB/s counts both directions."""

    question: str
    x: int
    side: str
    configuration: str
    rps: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    pss_mb: float
    runs: int

    @property
    def mb_s(self) -> float:
        return self.rps * 2 * self.x / 1e6 if self.question == "payload" else 0.0


_FIGURES = ("rps", "p50_ms", "p99_ms", "cpu_us", "pss_mb")


def answers(points: Iterable[Point]) -> list[Answer]:
    """By question, x and side; points without a valid run are left out."""
    groups: dict[tuple[str, int, str], list[Point]] = {}
    for point in points:
        if not point.invalid:
            groups.setdefault((point.question, point.x, point.side), []).append(point)
    order = list(QUESTIONS)
    found = sorted(groups.items(), key=lambda item: (order.index(item[0][0]), item[0][1], item[0][2]))
    return [_answer(runs) for _, runs in found]


def _answer(runs: Sequence[Point]) -> Answer:
    medians: dict[str, Any] = {name: statistics.median(getattr(run, name) for run in runs) for name in _FIGURES}
    first = runs[0]
    return Answer(first.question, first.x, first.side, first.configuration, runs=len(runs), **medians)


def missing(points: Iterable[Point], question: str, x: int, side: str, rounds: int) -> list[int]:
    """The rounds that are not measured yet; an invalid run is made again."""
    have = {p.round for p in points if (p.question, p.x, p.side) == (question, x, side) and not p.invalid}
    return [round_ for round_ in range(1, rounds + 1) if round_ not in have]


def load_of(question: str, x: int) -> Row:
    """What is called at a point, and by how many."""
    if question == "payload":
        path, answer = f"/Payload/b{x}", f'"[-_A-Za-z0-9]{{{x - 2}}}"'
        return Row("payload", "payload", path, answer, clients=PAYLOAD_CLIENTS, body_bytes=x)
    return Row("cheap-64", "cheap", "/Cheap/greet", '"Hello"', clients=_CLIENTS)


def pick(only: str) -> tuple[list[str], list[str]]:
    """(questions, sides) of a list such as `stored,everlog`; of what it does not name, all. Raises ConfigError."""
    words = [word.strip() for word in only.split(",") if word.strip()]
    unknown = [word for word in words if word not in QUESTIONS and word not in (EVERLOG, ORACLE)]
    if unknown:
        raise ConfigError(f"--only has {', '.join(unknown)}; there are {', '.join([*QUESTIONS, EVERLOG, ORACLE])}")
    questions = [name for name in QUESTIONS if name in words] or list(QUESTIONS)
    sides = [side for side in (EVERLOG, ORACLE) if side in words] or [EVERLOG, ORACLE]
    return questions, sides
