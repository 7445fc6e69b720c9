"""The same questions, of the same story, give the answers that the oracle gave (`golden.json`).

By hand, with the oracle itself: `python -m tests.sqld.differential.golden --check`.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from shared.tables.registry import TABLES, VIEWS
from tests.conftest import eventually
from tests.processes.node import Node, running_node
from tests.sqld.differential.golden import asked, load
from tests.sqld.differential.queries import PLAIN, SCOPED, Query
from tests.sqld.differential.stage import Answer, running_service
from tests.sqld.slow_reader import ROWS, query_workers, read_slowly
from tests.sqld.test_query_api import cpu_s

#: Everlog's own, which the oracle has not.
OWN = {"partitions", "nodes", "log_groups", "daemons", "log"}


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.timeout(180)
def test_a_node_answers_as_the_oracle_did(tmp_path: Path) -> None:
    """One test, since the node and the service are what takes the time."""
    with running_service(tmp_path) as service, running_node(partitions=2, workers=1) as node:
        answers = asyncio.run(asked("e", node.ingress, node.admin, service))
        _own_tables_tell_of_a_healthy_node(node)
        _who_reads_slowly_and_leaves_costs_no_memory(node)
    golden = load()
    problems = [
        problem for query in (*PLAIN, *SCOPED) if (problem := _problem(query, answers[query.name], golden[query.name]))
    ]
    assert not problems, f"{len(problems)} of {len(answers)} differ:\n" + "\n".join(problems)


def _own_tables_tell_of_a_healthy_node(node: Node) -> None:
    """Real programs say the same as the played ones of `test_own_tables.py`."""
    partitions = _rows(node, "SELECT * FROM partitions ORDER BY partition")
    assert [(row["partition"], row["state"], row["leader"]) for row in partitions] == [
        (0, "leads", "node-1"),
        (1, "leads", "node-1"),
    ]
    assert all(row["epoch"] > 0 and row["store_bytes"] > 0 and row["log_bytes"] > 0 for row in partitions)
    assert {row["state"] for row in _rows(node, "SELECT * FROM daemons")} == {"up"}
    assert [row["name"] for row in _rows(node, "SELECT name FROM log_groups ORDER BY name")] == ["meta", "p-0", "p-1"]
    (host,) = _rows(node, "SELECT * FROM nodes")
    assert (host["partitions"], host["leads"]) == (2, 2)
    (first,) = _rows(node, "SELECT command, words FROM log WHERE partition = 1 ORDER BY lsn LIMIT 1")
    assert first["command"] == "AnnounceLeader"
    (counted,) = _rows(node, "SELECT count(*) AS n FROM log WHERE problem IS NOT NULL OR json IS NULL OR words IS NULL")
    assert counted == {"n": 0}


def _who_reads_slowly_and_leaves_costs_no_memory(node: Node) -> None:
    """Of a million rows a client takes a little and goes: nothing gathers on the way, and the query ends."""
    sqld = node.pid("sqld")
    (worker,) = query_workers(sqld)
    pids = {"metad": node.pid("metad"), "sqld": sqld}
    accept = "application/x-ndjson"
    reading = read_slowly(node, ROWS.format(1_000_000), accept, bytes_per_s=2e6, within_s=1.5, pids=pids)
    assert not reading.whole
    assert reading.bytes > 100_000
    assert max(reading.most_mb.values()) < 30, reading
    eventually(lambda: _is_still(worker), what="the query of who left has ended")


def _is_still(pid: int) -> bool:
    """It uses no CPU over a fifth of a second."""
    before = cpu_s(pid)
    time.sleep(0.2)
    return cpu_s(pid) == before


def _rows(node: Node, sql: str) -> list[dict[str, Any]]:
    headers = {"accept": "application/json", "content-type": "application/json"}
    request = urllib.request.Request(f"{node.admin}/query", json.dumps({"query": sql}).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        rows: list[dict[str, Any]] = json.loads(answer.read())["rows"]
        return rows


def _problem(query: Query, answer: Answer, golden: dict[str, Any]) -> str:
    """What differs without a reason that the query names; or nothing."""
    ours = answer.as_json()
    wanted = {**golden, "status": query.status or golden["status"]}
    if wanted["status"] != 200:
        # A write is refused in our own words.
        wanted.pop("message", None)
        ours.pop("message", None)
    if query.kinds:
        wanted["columns"] = _kinds(wanted["columns"])
        ours["columns"] = _kinds(ours.get("columns", []))
    if query.differs:
        wanted.pop("rows", None)
        ours.pop("rows", None)
    lines = [
        f"  {name}: {_difference(ours.get(name), wanted.get(name))}"
        for name in wanted
        if ours.get(name) != wanted[name]
    ]
    lines += [f"  {name}: {_short(ours[name])} instead of nothing" for name in ours if name not in wanted]
    return "\n".join([f"{query.name}: {query.sql}", *lines]) if lines else ""


def _kinds(columns: list[list[str]]) -> list[list[str]]:
    """All types of text are one, and all units of time."""
    texts, units = r"string_view|large_string|extension<arrow\.json>", r"\[(s|ms|us|ns)\b"
    return [[name, re.sub(units, "[", re.sub(texts, "string", kind))] for name, kind in columns]


def _difference(ours: Any, theirs: Any) -> str:
    if not isinstance(ours, list) or not isinstance(theirs, list):
        return f"{_short(ours)} instead of {_short(theirs)}"
    more = [_short(row) for row in ours if row not in theirs]
    less = [_short(row) for row in theirs if row not in ours]
    return "\n    ".join(["", *(f"+ {row}" for row in more[:5]), *(f"- {row}" for row in less[:5])]) or "another order"


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)[:2000]


def test_tables_have_the_oracles_columns() -> None:
    """Names, order and types as they are written down in shared/tables."""
    theirs: dict[str, list[tuple[str, str]]] = {}
    for row in load()["every table's columns"]["rows"]:
        theirs.setdefault(row["table_name"], []).append((row["column_name"], row["data_type"]))
    ours = {table.name: table.columns for table in (*TABLES.values(), *VIEWS.values())}
    assert ours.keys() - theirs.keys() == OWN
    for name, columns in theirs.items():
        assert [(column.name, column.type.value) for column in ours[name]] == columns, name


def test_there_are_enough_queries() -> None:
    names = [query.name for query in (*PLAIN, *SCOPED)]
    assert len(names) == len(set(names)) >= 80
    assert set(names) == load().keys()
