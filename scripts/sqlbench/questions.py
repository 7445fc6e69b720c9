"""Questions to a runtime that has much in it, timed. Owns: a connection each."""

from __future__ import annotations

import http.client
import json
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from scripts.benchmark.load import LoadResult, run_load
from scripts.benchmark.rows import Row
from shared.errors import UnavailableError

__all__ = [
    "Asker",
    "count_of",
    "lookups",
    "lookups_by_wire",
    "nothings",
    "percentile",
    "sampled_ids",
    "scans",
    "under_scan",
]

_COUNT = "SELECT count(*) AS n FROM sys_invocation_status"
#: Each reads every invocation. The second is what a console asks, the third decodes every row.
SCANS = {
    "count": _COUNT,
    "by status": "SELECT status, count(*) AS n FROM sys_invocation GROUP BY status",
    "filter": "SELECT count(*) AS n FROM sys_invocation_status WHERE target_handler_name = 'nope'",
}
_LOAD = Row("cheap-64", "cheap", "/Cheap/greet", '"Hello"', clients=64)
_LOOKUP = "SELECT * FROM sys_invocation WHERE id = '{}'"


class Asker:
    """POST /query over one connection."""

    def __init__(self, admin_port: int, *, timeout_s: float = 300.0) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", admin_port, timeout=timeout_s)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Raises UnavailableError with what was answered."""
        headers = {"content-type": "application/json", "accept": "application/json"}
        self._connection.request("POST", "/query", body=json.dumps({"query": sql}), headers=headers)
        response = self._connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise UnavailableError(f"{sql} was answered with {response.status}: {body[:300]!r}")
        rows: list[dict[str, Any]] = json.loads(body)["rows"]
        return rows

    def close(self) -> None:
        self._connection.close()


@contextmanager
def _asker(admin_port: int) -> Iterator[Asker]:
    asker = Asker(admin_port)
    try:
        yield asker
    finally:
        asker.close()


def count_of(admin_port: int) -> int:
    """How many invocations there are."""
    with _asker(admin_port) as asker:
        return int(asker.rows(_COUNT)[0]["n"])


def sampled_ids(admin_port: int, count: int) -> list[str]:
    """Ids from all over the key space."""
    source = random.Random(4711)
    ids: list[str] = []
    with _asker(admin_port) as asker:
        for _ in range(200):
            place = source.getrandbits(64)
            sql = f"SELECT id FROM sys_invocation_status WHERE partition_key >= {place} LIMIT 10"
            ids += [row["id"] for row in asker.rows(sql)]
            if len(ids) >= count:
                break
    source.shuffle(ids)
    return ids[:count]


def lookups(admin_port: int, ids: list[str]) -> list[float]:
    """Seconds of each look-up by `/query`."""
    with _asker(admin_port) as asker:

        def look(one: str) -> None:
            _assert_one(asker.rows(_LOOKUP.format(one)))

        return _timed(look, ids)


def nothings(admin_port: int, count: int) -> list[float]:
    """Seconds of each question that reads nothing: what is not the look-up's."""
    with _asker(admin_port) as asker:
        return _timed(lambda _: _assert_one(asker.rows("SELECT 1 AS a")), [""] * count)


def _assert_one(rows: list[dict[str, Any]]) -> None:
    """One row was answered."""
    assert len(rows) == 1, rows


def lookups_by_wire(sql_port: int, ids: list[str]) -> list[float] | None:
    """Seconds of each by the PostgreSQL wire protocol; None without psycopg, which is for tests alone."""
    try:
        import psycopg
    except ImportError:
        return None
    dsn = f"host=127.0.0.1 port={sql_port} user=everlog dbname=everlog"
    with psycopg.connect(dsn, autocommit=True) as client:

        def look(one: str) -> None:
            assert len(client.execute(_LOOKUP.format(one)).fetchall()) == 1

        return _timed(look, ids)


def _timed(look: Callable[[str], None], ids: list[str]) -> list[float]:
    for one in ids[:20]:
        look(one)
    taken = []
    for one in ids:
        began = time.perf_counter()
        look(one)
        taken.append(time.perf_counter() - began)
    return taken


def percentile(values: list[float], share: float) -> float:
    """The value under which so many are."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def scans(admin_port: int, *, rounds: int) -> dict[str, float]:
    """Median seconds of each question that reads everything."""
    with _asker(admin_port) as asker:
        found = {}
        for name, sql in SCANS.items():
            taken = []
            for _ in range(rounds):
                began = time.perf_counter()
                asker.rows(sql)
                taken.append(time.perf_counter() - began)
            found[name] = statistics.median(taken)
        return found


def under_scan(ingress_port: int, admin_port: int, *, seconds: int) -> tuple[LoadResult, LoadResult, int]:
    """The same load without and with full scans one after the other beside it; how many scans ended in that time."""
    ingress = f"http://127.0.0.1:{ingress_port}"
    alone = run_load(_LOAD, ingress=ingress, seconds=seconds)
    stop = threading.Event()
    ended = [0]

    def scan() -> None:
        with _asker(admin_port) as asker:
            while not stop.is_set():
                asker.rows(SCANS["filter"])
                ended[0] += 1

    scanner = threading.Thread(target=scan, daemon=True)
    scanner.start()
    # The scan is on its way before the load is measured.
    time.sleep(0.5)
    beside = run_load(_LOAD, ingress=ingress, seconds=seconds)
    count = ended[0]
    stop.set()
    scanner.join()
    return alone, beside, count
