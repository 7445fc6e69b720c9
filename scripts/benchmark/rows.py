"""What is measured: the rows and the budget. Pure: no I/O.

A row is one handler of one service under a number of clients, or many invocations that sleep (`Kind`). The budget is
what Everlog must reach against the oracle (DESIGN.md §10), metric by metric.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = [
    "BUDGET",
    "COUNTER_KEYS",
    "METRICS",
    "QUICK_ROWS",
    "ROWS",
    "STATE_BYTES",
    "Budget",
    "Kind",
    "Metric",
    "Row",
    "UnknownRowError",
    "pick",
]

#: Virtual objects that the counter rows spread their calls over.
COUNTER_KEYS = 1000
#: What a call of the state row reads and writes.
STATE_BYTES = 1 << 20


class Kind(Enum):
    """What is done in a row."""

    #: Calls from `clients` connections for a time.
    LOAD = "load"
    #: `count` invocations are asleep, and wake within one second.
    WAKE = "wake"
    #: `count` invocations are suspended, and stay so.
    SUSPEND = "suspend"


@dataclass(frozen=True, slots=True)
class Row:
    """One load: POST `body` to `path` from `clients` connections, each with one call at a time."""

    name: str
    #: Which endpoint serves it: a name in `services.SERVICES`.
    service: str
    #: At the ingress; `{key}` becomes a number under `keys`, another for each call.
    path: str
    #: What the answer to one call must match, whole (a regular expression).
    answer: str
    clients: int
    body: str = '"wrk"'
    keys: int = 0
    #: The body is instead a JSON string of so many bytes, quotes included. 0: it is `body`.
    body_bytes: int = 0
    #: The metric that decides which of the oracle's configurations is the best for this row.
    metric: str = "rps"
    #: Of the right answer.
    status: int = 200
    kind: Kind = Kind.LOAD
    #: How many invocations, for a kind that counts them.
    count: int = 0
    #: Whether the runtime is killed behind the load, and started again with the data of it.
    restarts: bool = False
    #: Another of these, whose handlers that service calls.
    beside: str | None = None
    #: For a row that takes long: no more rounds than this.
    rounds_max: int | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of a run; `title` heads its column."""

    name: str
    title: str
    more_is_better: bool = False
    digits: int = 1


@dataclass(frozen=True, slots=True)
class Budget:
    """Everlog / oracle must be at least (at most, where less is better) `bound`; or Everlog's own figure."""

    row: str
    metric: str
    bound: float
    absolute: bool = False


class UnknownRowError(ValueError):
    """A row was asked for that there is not. The text lists all."""


ROWS: tuple[Row, ...] = (
    Row("cheap-1", "cheap", "/Cheap/greet", '"Hello"', clients=1, metric="p50_ms"),
    Row("cheap-64", "cheap", "/Cheap/greet", '"Hello"', clients=64, restarts=True),
    Row("cheap-256", "cheap", "/Cheap/greet", '"Hello"', clients=256),
    Row(
        "cheap-send-64",
        "cheap",
        "/Cheap/greet/send",
        r'\{"invocationId":"inv_\w+","status":"Accepted"\}',
        clients=64,
        status=202,
    ),
    Row("ts-greet-64", "ts", "/BenchGreeter/greet", '"Hello, wrk!"', clients=64),
    Row("ts-greet-256", "ts", "/BenchGreeter/greet", '"Hello, wrk!"', clients=256),
    Row("ts-counter-64", "ts", "/BenchCounter/{key}/add", r"\d+", clients=64, body="1", keys=COUNTER_KEYS),
    Row("ts-hot-64", "ts", "/BenchCounter/hot/add", r"\d+", clients=64, body="1"),
    Row("ts-run3-64", "ts", "/BenchGreeter/threeSteps", '"wrk-1-2-3"', clients=64),
    Row("ts-chain-16", "ts", "/BenchFirst/call", '"wrk-3-2-1"', clients=16),
    Row("ts-fan-1", "ts", "/BenchFan/out", "1000", clients=1, body="1000"),
    Row("ts-fan-cheap-1", "ts", "/BenchFan/outCheap", "1000", clients=1, body="1000", beside="cheap"),
    Row("ts-state-8", "ts", "/BenchBlob/{key}/turn", str(STATE_BYTES), clients=8, body=str(STATE_BYTES), keys=64),
    Row(
        "sleeper-wake-10000",
        "sleeper",
        "/BenchSleeper/nap/send",
        "",
        clients=64,
        metric="wake_s",
        kind=Kind.WAKE,
        count=10_000,
    ),
    Row(
        "sleeper-suspend-100000",
        "sleeper",
        "/BenchSleeper/nap/send",
        "",
        clients=64,
        metric="pss_mb",
        kind=Kind.SUSPEND,
        count=100_000,
        rounds_max=1,
    ),
    Row("py-greet-64", "py", "/BenchGreeter/greet", '"Hello, wrk!"', clients=64),
    Row("py-counter-64", "py", "/BenchCounter/{key}/add", r"\d+", clients=64, body="1", keys=COUNTER_KEYS),
    Row("py-run3-64", "py", "/BenchGreeter/threeSteps", '"wrk-1-2-3"', clients=64),
)

QUICK_ROWS = ("cheap-1", "cheap-64")

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("rps", "req/s", more_is_better=True, digits=0),
        Metric("p50_ms", "p50 ms", digits=2),
        Metric("p99_ms", "p99 ms", digits=2),
        Metric("cpu_ms", "CPU ms/call", digits=3),
        Metric("pss_mb", "PSS MB", digits=0),
        Metric("rss_mb", "RSS MB", digits=0),
        Metric("start_s", "start s", digits=2),
        Metric("restart_s", "restart s", digits=2),
        Metric("wake_s", "woken s", digits=2),
    )
}

BUDGET: tuple[Budget, ...] = (
    Budget("cheap-1", "p50_ms", 0.6),
    Budget("cheap-1", "p99_ms", 0.6),
    Budget("cheap-64", "rps", 1.5),
    Budget("cheap-256", "rps", 1.5),
    Budget("cheap-64", "cpu_ms", 0.6),
    Budget("cheap-send-64", "rps", 1.5),
    Budget("ts-greet-64", "rps", 1.1),
    Budget("ts-greet-256", "rps", 1.1),
    Budget("ts-counter-64", "rps", 1.1),
    Budget("ts-hot-64", "rps", 1.25),
    Budget("ts-run3-64", "rps", 1.25),
    Budget("ts-chain-16", "rps", 1.25),
    Budget("ts-fan-1", "rps", 1.25),
    Budget("ts-fan-cheap-1", "rps", 1.25),
    Budget("ts-state-8", "rps", 1.0),
    Budget("sleeper-wake-10000", "wake_s", 2.0, absolute=True),
    Budget("cheap-64", "pss_mb", 1.0),
    Budget("sleeper-suspend-100000", "pss_mb", 1.0),
    Budget("cheap-64", "start_s", 1.0),
    Budget("cheap-64", "restart_s", 1.0),
)


def pick(names: str) -> list[Row]:
    """The rows of a list as `cheap-64,ts-run3-64`, in the order of ROWS; a prefix (`ts`) means all that begin so."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    found = {name: [row for row in ROWS if row.name == name or row.name.startswith(f"{name}-")] for name in wanted}
    unknown = [name for name, rows in found.items() if not rows]
    if unknown or not wanted:
        known = ", ".join(row.name for row in ROWS)
        raise UnknownRowError(f"no such row: {', '.join(unknown) or names!r}; there are {known}")
    chosen = {row.name for rows in found.values() for row in rows}
    return [row for row in ROWS if row.name in chosen]
