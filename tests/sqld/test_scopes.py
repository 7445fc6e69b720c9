"""Scopes in SQL: the rule book, the counters, and rows of one key in several scopes."""

from __future__ import annotations

import msgspec
import pytest

from shared.ids import encode_invocation_id, scope_partition_key, target_partition_key
from shared.limits import Rule
from shared.storage import keys
from shared.storage.values import CounterRow, InvocationRow, LockRow, PromiseRow, Status, encode
from shared.wal.commands import HandlerKind, Target
from tests.conftest import eventually
from tests.fakes.meta_push import example_catalog
from tests.fakes.partition_store import invocation_id
from tests.sqld.node import Node

pytestmark = [pytest.mark.slow, pytest.mark.processes]

_SCOPES = (None, "gold", "silver")
_T0 = 1_790_000_000_000


def _rows() -> dict[bytes, bytes]:
    """An object `c1` with state, lock, inbox and promise, and an invocation, in each scope."""
    rows: dict[bytes, bytes] = {}
    for number, scope in enumerate(_SCOPES):
        place = target_partition_key(scope, "c1")
        id = invocation_id(place, number)
        target = Target("Counter", "add", "c1", HandlerKind.OBJECT_EXCLUSIVE, scope)
        limit_key = None if scope is None else f"{scope}-key/l2"
        invocation = InvocationRow(Status.INVOKED, target, 1, 1, 1, _T0, _T0, 0, 0, limit_key=limit_key)
        rows[keys.invocation_key(id)] = encode(invocation)
        rows[keys.state_key(place, "Counter", "c1", b"of", scope)] = str(scope).encode()
        rows[keys.lock_key(place, "Counter", "c1", scope)] = encode(LockRow(id, 3, 5))
        rows[keys.inbox_key(place, "Counter", "c1", 3, scope)] = id
        # A change of state, which is not shown.
        rows[keys.inbox_key(place, "Counter", "c1", 4, scope)] = b""
        rows[keys.promise_key(place, "Counter", "c1", "p", scope)] = encode(PromiseRow(True, b"1", []))
    place = scope_partition_key("gold")
    for path, counted in (("gold", CounterRow(4, 9)), ("gold/k", CounterRow(1, 9)), ("gold/k/l2", CounterRow(0, 5))):
        rows[keys.counter_key(place, path)] = encode(counted)
    return rows


@pytest.fixture
def scoped(node: Node) -> Node:
    for partition in node.partitions:
        bounds = partition.partition
        partition.write(
            {
                key: value
                for key, value in _rows().items()
                if bounds.start_key <= int.from_bytes(key[1:9], "big") <= bounds.end_key
            }
        )
    rules = [
        Rule("gold", 3, 5, _T0, "a note"),
        Rule("*", None, 1, _T0),
        Rule("gold/*", 2, 2, _T0),
        Rule("gold/k", 9, 3, _T0, disabled=True),
    ]
    catalog = example_catalog(partitions=2)
    node.meta.catalog = msgspec.structs.replace(catalog, rules={rule.pattern: rule for rule in rules}, rules_version=5)
    node.start()
    return node


def test_rows_of_one_key_are_told_apart_by_scope(scoped: Node) -> None:
    def found(sql: str) -> list[object]:
        return [row.get("scope") for row in scoped.rows(sql)]

    for table in ("state", "sys_promise"):
        by_key = f"SELECT scope FROM {table} WHERE service_key = 'c1'"
        assert found(f"{by_key} ORDER BY scope NULLS FIRST") == [None, "gold", "silver"]
        assert found(f"{by_key} AND service_name = 'Counter' ORDER BY scope NULLS FIRST") == [None, "gold", "silver"]
        assert found(f"{by_key} AND scope = 'gold'") == ["gold"]
        assert found(f"{by_key} AND scope = 'gold' AND service_name = 'Counter'") == ["gold"]
        assert found(f"{by_key} AND scope IS NULL") == [None]
        assert found(f"{by_key} AND scope IN ('silver', 'gold', 'no scope') ORDER BY 1") == ["gold", "silver"]
        assert found(f"{by_key} AND (scope IS NULL OR scope = 'silver') ORDER BY 1 NULLS FIRST") == [None, "silver"]
        assert found(f"{by_key} AND scope IS NOT NULL ORDER BY 1") == ["gold", "silver"]
        assert found(f"SELECT scope FROM {table} ORDER BY 1 NULLS FIRST") == [None, "gold", "silver"]
    values = scoped.rows("SELECT scope, value_utf8 FROM state WHERE scope = 'gold'")
    assert values == [{"scope": "gold", "value_utf8": "gold"}]


def test_locks_and_inboxes_of_all_scopes_are_shown(scoped: Node) -> None:
    ids = sorted(encode_invocation_id(invocation_id(target_partition_key(s, "c1"), n)) for n, s in enumerate(_SCOPES))
    for table, column in (("sys_inbox", "id"), ("sys_keyed_service_status", "invocation_id")):
        for where in ("", "WHERE service_key = 'c1' AND service_name = 'Counter'"):
            rows = scoped.rows(f"SELECT {column} AS id FROM {table} {where} ORDER BY 1")
            assert [row["id"] for row in rows] == ids


@pytest.mark.parametrize("table", ["sys_invocation_status", "sys_invocation"])
def test_invocations_have_scope_and_limit_key(scoped: Node, table: str) -> None:
    rows = scoped.rows(f"SELECT scope, limit_key, target FROM {table} ORDER BY scope NULLS FIRST")
    assert rows == [
        {"target": "Counter/c1/add"},
        {"scope": "gold", "limit_key": "gold-key/l2", "target": "Counter/c1/add"},
        {"scope": "silver", "limit_key": "silver-key/l2", "target": "Counter/c1/add"},
    ]
    assert scoped.rows(f"SELECT limit_key FROM {table} WHERE scope = 'silver'") == [{"limit_key": "silver-key/l2"}]
    assert scoped.rows(f"SELECT count(*) AS n FROM {table} WHERE scope IS NULL") == [{"n": 1}]


def test_the_rule_book_is_a_table(scoped: Node) -> None:
    time = "2026-09-21T14:13:20Z"
    assert scoped.rows("SELECT * FROM sys_rules ORDER BY pattern") == [
        {"pattern": "*", "disabled": False, "version": 1, "last_modified": time},
        {
            "pattern": "gold",
            "concurrency": 3,
            "description": "a note",
            "disabled": False,
            "version": 5,
            "last_modified": time,
        },
        {"pattern": "gold/*", "concurrency": 2, "disabled": False, "version": 2, "last_modified": time},
        {"pattern": "gold/k", "concurrency": 9, "disabled": True, "version": 3, "last_modified": time},
    ]


def test_counters_stand_beside_the_rule_that_bounds_them(scoped: Node) -> None:
    place = scope_partition_key("gold")
    assert scoped.rows("SELECT * FROM sys_user_limits ORDER BY l1 NULLS FIRST, l2 NULLS FIRST") == [
        {
            "partition_key": place,
            "scope": "gold",
            "level": "Scope",
            "usage": 4,
            "concurrency_limit": 3,
            "rule_pattern": "gold",
            "available": 0,
            "num_waiters": 9,
        },
        {
            "partition_key": place,
            "scope": "gold",
            "l1": "k",
            "level": "Level1",
            "usage": 1,
            "concurrency_limit": 2,
            "rule_pattern": "gold/*",
            "available": 1,
            "num_waiters": 9,
        },
        {
            "partition_key": place,
            "scope": "gold",
            "l1": "k",
            "l2": "l2",
            "level": "Level2",
            "usage": 0,
            "num_waiters": 5,
        },
    ]
    assert scoped.rows("SELECT level FROM sys_user_limits WHERE scope = 'silver'") == []
    # Raised, the limit shows at once.
    catalog = scoped.meta.catalog
    scoped.push(msgspec.structs.replace(catalog, version=2, rules={"gold": Rule("gold", 6, 6, _T0)}, rules_version=6))
    sql = "SELECT available FROM sys_user_limits WHERE scope = 'gold' AND level = 'Scope'"
    eventually(lambda: scoped.rows(sql) == [{"available": 2}], what="the new rule book is shown")
