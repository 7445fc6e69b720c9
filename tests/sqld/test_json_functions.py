"""JSON functions and operators: what Restate's users have in their queries."""

from __future__ import annotations

from typing import Any

import pytest

from sqld.engine.json_sql import with_json_functions
from tests.sqld.node import Node


@pytest.mark.parametrize(
    ("sql", "planned"),
    [
        ("SELECT '->' AS a, \"json_get\" -- x -> 'a'\nFROM t", None),
        ("SELECT a FROM t WHERE json_get_str(j, 'a') = 'b'", None),
        ("SELECT JSON_GET_STR ( j , 'a' )", "SELECT json_get_str(j, 'a')"),
        ("SELECT json_get_str(j, 'a', 'b')", "SELECT json_get_str_2(j, 'a', 'b')"),
        ("SELECT json_length(j)", "SELECT json_length_0(j)"),
        ("SELECT json_get(j, 0, 'a,b', (1))", "SELECT json_get_3(j, '0', 'a,b', (1))"),
        (
            "SELECT json_get_int(json_get_json(j, 'a', 'b'), 'c')",
            "SELECT json_get_int(json_get_json_2(j, 'a', 'b'), 'c')",
        ),
        ("SELECT j->'a' FROM t", "SELECT json_get(j, 'a') FROM t"),
        ("SELECT t.\"J\" -> 'a' ->> 0, 1", "SELECT json_as_text(json_get(t.\"J\", 'a'), '0'), 1"),
        ("SELECT lower(a || b) ->> c", "SELECT json_as_text(lower(a || b), c)"),
        ("SELECT (a)::text->>'x'", "SELECT json_as_text((a)::text, 'x')"),
        ("SELECT '{}' ->> $1", "SELECT json_as_text('{}', $1)"),
        ("SELECT -> 'a'", None),
        ("SELECT (a -> 'b') ->> 'c'", "SELECT json_as_text((json_get(a, 'b')), 'c')"),
        ("SELECT a ->", None),
        ("SELECT (a -> 'b'", "SELECT (json_get(a, 'b')"),
    ],
)
def test_calls_and_operators_are_planned_as_functions_of_a_fixed_length(sql: str, planned: str | None) -> None:
    assert with_json_functions(sql) == (planned or sql)


@pytest.mark.processes
@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("json_get_str(j, 'text')", "x"),
        ("json_get_str(j, 'number')", None),
        ("json_get_int(j, 'number')", 7),
        ("json_get_int(j, 'list', 1)", 2),
        ("json_get_int(j, 'list', 9)", None),
        ("json_get_float(j, 'number')", 7.0),
        ("json_get_bool(j, 'yes')", True),
        ("json_get_bool(j, 'number')", None),
        ("json_get_int(j, 'yes')", None),
        ("json_get_json(j, 'list')", "[1,2]"),
        ("json_get_array(j, 'list')", ["1", "2"]),
        ("json_as_text(j, 'list')", "[1,2]"),
        ("json_as_text(j, 'nothing')", None),
        ("json_as_text(j, 'deep', 'a', 'b')", "c"),
        ("json_length(j)", 6),
        ("json_length(j, 'list')", 2),
        ("json_object_keys(j, 'deep')", ["a"]),
        ("json_contains(j, 'nothing')", True),
        ("json_contains(j, 'none')", False),
        ("j -> 'deep' -> 'a' ->> 'b'", "c"),
        ("(j ->> 'number')::int + 1", 8),
        ("json_get_str('no json', 'a')", None),
        ("json_get_str(null, 'a')", None),
    ],
)
def test_values(examples: Node, expression: str, value: Any) -> None:
    text = '{"text":"x","number":7,"yes":true,"list":[1,2],"nothing":null,"deep":{"a":{"b":"c"}}}'
    (row,) = examples.rows(f"SELECT {expression} AS v FROM (SELECT '{text}' AS j)")
    assert row.get("v") == value


@pytest.mark.processes
def test_columns_of_json_are_searched(examples: Node) -> None:
    sql = "SELECT count(*) AS n FROM sys_journal WHERE entry_lite_json -> 'Command' ->> 'Run' IS NOT NULL"
    assert examples.rows(sql) == [{"n": 1}]
