"""What a filter says about keys: never less than the filter takes."""

from __future__ import annotations

import operator
import random

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from shared.ids import encode_invocation_id, key_partition_key, scope_partition_key, target_partition_key
from shared.storage.keys import INVOCATION, STATE, invocation_key, state_key
from sqld.engine.expressions import predicate_of
from sqld.engine.predicates import bounds_of_columns, fields_of
from sqld.tables.keyspace import Bounds, KeyRange, after_prefix, clip, ranges_by_id, ranges_by_object

ID = bytes(range(24))


def _bounds(expression: pc.Expression) -> dict[str, Bounds]:
    return bounds_of_columns(predicate_of(expression))


def test_equalities_and_lists_give_values() -> None:
    assert _bounds(pc.field("id") == "x") == {"id": Bounds(frozenset({"x"}))}
    assert _bounds(pc.scalar("x") == pc.field("id")) == {"id": Bounds(frozenset({"x"}))}
    assert _bounds(pc.field("id").isin(["a", "b"])) == {"id": Bounds(frozenset({"a", "b"}))}
    either = (pc.field("id") == "a") | (pc.field("id") == "b")
    assert _bounds(either)["id"].values == {"a", "b"}
    assert _bounds(either & (pc.field("id") == "b") & (pc.field("n") > 3)) == {
        "id": Bounds(frozenset({"b"})),
        "n": Bounds(low=3),
    }


def test_null_is_a_value() -> None:
    assert _bounds(pc.field("id").is_null()) == {"id": Bounds(frozenset({None}))}
    assert _bounds((pc.field("id") == "a") | pc.field("id").is_null())["id"].values == {"a", None}


def test_what_is_not_understood_says_nothing() -> None:
    assert _bounds(~(pc.field("id") == "x")) == {}
    assert _bounds((pc.field("id") == "x") | pc.field("n").is_null()) == {}
    assert _bounds(pc.field("id").is_valid()) == {}
    assert _bounds(pc.field("id") != "x") == {}
    assert _bounds(pc.field("a") == pc.field("b")) == {}
    odd = (pc.field("it's") == "a 'quoted'\ntext") & pc.field("flag")
    assert fields_of(predicate_of(odd)) == {"it's", "flag"}


def test_bounds_never_leave_out_a_row_that_passes() -> None:
    """Random filters over random rows: each row that Arrow lets through lies within the bounds."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    source = random.Random(seed)
    rows = pa.record_batch(
        {"a": [source.randrange(6) for _ in range(60)], "b": [source.randrange(6) for _ in range(60)]}
    )

    def expression(depth: int) -> pc.Expression:
        kind = source.randrange(7 if depth else 5)
        field = pc.field(source.choice("ab"))
        if kind < 3:
            compare = source.choice([operator.eq, operator.lt, operator.le, operator.gt, operator.ge, operator.ne])
            made: pc.Expression = compare(field, source.randrange(6))
            return made
        if kind == 3:
            return field.isin([source.randrange(6) for _ in range(3)])
        if kind == 4:
            return ~(field == source.randrange(6))
        left, right = expression(depth - 1), expression(depth - 1)
        return left & right if kind == 5 else left | right

    for _ in range(300):
        made = expression(3)
        bounds = _bounds(made)
        for row in rows.filter(made).to_pylist():
            for column, bound in bounds.items():
                assert bound.values is None or row[column] in bound.values, made
                assert bound.low is None or row[column] >= bound.low, made
                assert bound.high is None or row[column] <= bound.high, made


def test_ids_become_their_keys() -> None:
    text = encode_invocation_id(ID)
    (found,) = ranges_by_id(INVOCATION, {"id": Bounds(frozenset({text, "no id", 5}))}, id_column="id")
    assert found.start == invocation_key(ID) < found.end
    assert ranges_by_id(INVOCATION, {"id": Bounds(frozenset({"no id"}))}, id_column="id") == []


def test_objects_become_their_prefix() -> None:
    both = {"service_name": Bounds(frozenset({"S"})), "service_key": Bounds(frozenset({"k"}))}
    found, scoped = ranges_by_object(STATE, both)
    key = state_key(key_partition_key("k"), "S", "k", b"name")
    assert found.start <= key < found.end
    assert not found.start <= state_key(key_partition_key("k"), "T", "k", b"name") < found.end
    assert scoped.start <= state_key(7, "S", "k", b"name", scope="s") < scoped.end
    wider, _ = ranges_by_object(STATE, {"service_key": Bounds(frozenset({"k"}))})
    assert wider.start <= state_key(key_partition_key("k"), "T", "k", b"name") < wider.end


def _holds(ranges: list[KeyRange], key: bytes) -> bool:
    within = [each for each in ranges if each.start <= key < each.end]
    assert len(within) <= 1, "a row in two ranges is shown twice"
    return bool(within)


_OBJECTS = [(scope, service, key) for scope in (None, "s", "t") for service in "AB" for key in "kl"]


@pytest.mark.parametrize("services", [None, {"A"}, {"A", None}, {"A", "B"}])
@pytest.mark.parametrize("keys", [None, {"k"}, {"k", "l"}])
@pytest.mark.parametrize("scopes", [None, {None}, {"s"}, {"s", None, "no scope", 5}, {"s", "t"}, {"no scope"}])
def test_ranges_of_objects_hold_what_is_asked_for(
    scopes: set[object] | None, services: set[object] | None, keys: set[object] | None
) -> None:
    asked = {"scope": scopes, "service_name": services, "service_key": keys}
    constraints = {name: Bounds(frozenset(values)) for name, values in asked.items() if values is not None}
    ranges = ranges_by_object(STATE, constraints)
    for scope, service, key in _OBJECTS:
        row = state_key(target_partition_key(scope, key), service, key, b"name", scope)
        wanted = all(
            values is None or value in values for values, value in ((scopes, scope), (services, service), (keys, key))
        )
        assert _holds(ranges, row) or not wanted
        if scopes is not None and scope not in scopes:
            assert not _holds(ranges, row), "a scope that is not asked for is not read"


def test_a_scope_is_the_place_of_its_invocations() -> None:
    ranges = ranges_by_id(INVOCATION, {"scope": Bounds(frozenset({"s", "no scope"}))}, id_column="id")
    assert _holds(ranges, invocation_key(scope_partition_key("s").to_bytes(8, "big") + bytes(16)))
    assert not _holds(ranges, invocation_key(scope_partition_key("t").to_bytes(8, "big") + bytes(16)))
    either = ranges_by_id(INVOCATION, {"scope": Bounds(frozenset({"s", None}))}, id_column="id")
    assert _holds(either, invocation_key(scope_partition_key("t").to_bytes(8, "big") + bytes(16)))


@pytest.mark.parametrize(
    ("bounds", "inside", "outside"),
    [
        (Bounds(frozenset({5, -1, 1 << 64, "x"})), [5], [4, 6]),
        (Bounds(low=5, high=7), [5, 7], [4, 8]),
        (Bounds(low=-5), [0, (1 << 64) - 1], []),
        (Bounds(low=5, high=4), [], [4, 5]),
        (Bounds(high=1 << 70), [0, (1 << 64) - 1], []),
    ],
)
def test_partition_keys_become_ranges(bounds: Bounds, inside: list[int], outside: list[int]) -> None:
    ranges = ranges_by_id(INVOCATION, {"partition_key": bounds}, id_column="id")

    def holds(partition_key: int) -> bool:
        key = invocation_key(partition_key.to_bytes(8, "big") + bytes(16))
        return any(r.start <= key < r.end for r in ranges)

    assert all(holds(key) for key in inside)
    assert not any(holds(key) for key in outside)


def test_ranges_are_clipped_to_the_partition() -> None:
    whole = KeyRange(INVOCATION, after_prefix(INVOCATION))
    part = clip(whole, first_key=10, last_key=20)
    assert part is not None
    assert part.start == INVOCATION + (10).to_bytes(8, "big")
    assert part.end == INVOCATION + (21).to_bytes(8, "big")
    last = clip(whole, first_key=10, last_key=(1 << 64) - 1)
    assert last is not None
    assert last.end == b"\x02"
    assert clip(part, first_key=21, last_key=30) is None
