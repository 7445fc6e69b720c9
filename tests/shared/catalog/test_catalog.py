"""Look-ups of routers: options of a handler, and the partition of a key."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.catalog.catalog import Catalog
from shared.catalog.defaults import Defaults
from shared.catalog.partitions import KEY_SPACE, PartitionTable, even_partitions
from shared.catalog.services import Handler, RetryPolicy, Service, ServiceKind
from shared.config import Settings
from shared.wal.commands import HandlerKind

CATALOG = Catalog(1, {}, {}, PartitionTable(1, even_partitions(1)))
DAY_MS = 86_400_000

#: Option -> (its name in handler and service, in a retry policy or not; the default; two other values).
OPTIONS: dict[str, tuple[str, bool, object, object, object]] = {
    "inactivity_timeout_ms": ("inactivity_timeout_ms", False, 60_000, 1, 2),
    "abort_timeout_ms": ("abort_timeout_ms", False, 600_000, 1, 0),
    "journal_retention_ms": ("journal_retention_ms", False, DAY_MS, 0, 2),
    "idempotency_retention_ms": ("idempotency_retention_ms", False, DAY_MS, 1, 0),
    "workflow_completion_retention_ms": ("workflow_completion_retention_ms", False, DAY_MS, 1, 2),
    "enable_lazy_state": ("enable_lazy_state", False, False, False, True),
    "retry_initial_ms": ("initial_interval_ms", True, 500, 1, 2),
    "retry_factor": ("exponentiation_factor", True, 2.0, 1.0, 3.5),
    "retry_max_ms": ("max_interval_ms", True, 60_000, 1, 2),
    "retry_attempts": ("max_attempts", True, 70, 1, 2),
    "retry_kills": ("on_max_attempts", True, False, "Kill", "Pause"),
}


def options(option: str, of_handler: object, of_service: object) -> object:
    """What holds when handler and service say so; None: they say nothing."""
    name, in_policy, _, _, _ = OPTIONS[option]

    def fields(value: object) -> dict[str, object]:
        return {"retry_policy": RetryPolicy(**{name: value})} if in_policy else {name: value}  # type: ignore[arg-type]

    handler = Handler("h", HandlerKind.SERVICE, **fields(of_handler))  # type: ignore[arg-type]
    service = Service("S", ServiceKind.SERVICE, {"h": handler}, "dp_1", 1, **fields(of_service))  # type: ignore[arg-type]
    return getattr(CATALOG.options_of(service, handler), option)


def test_every_option_is_in_the_table() -> None:
    handler = Handler("h", HandlerKind.SERVICE)
    made = CATALOG.options_of(Service("S", ServiceKind.SERVICE, {"h": handler}, "dp_1", 1), handler)
    assert set(made.__struct_fields__) == set(OPTIONS)


@pytest.mark.parametrize("option", OPTIONS)
def test_the_handler_beats_the_service_and_that_beats_the_default(option: str) -> None:
    _, _, default, left, right = OPTIONS[option]

    def meant(value: object) -> object:
        return value == "Kill" if option == "retry_kills" else value

    assert options(option, None, None) == default
    for value in (left, right):
        assert options(option, None, value) == meant(value)
        assert options(option, value, None) == meant(value)
    for mine, other in itertools.permutations((left, right)):
        assert options(option, mine, other) == meant(mine)


def test_no_limit_of_attempts_is_none() -> None:
    assert options("retry_attempts", 0, 5) is None
    assert options("retry_attempts", None, 0) is None
    assert options("retry_attempts", 5, 0) == 5


def test_fields_of_a_retry_policy_are_merged_one_by_one() -> None:
    handler = Handler("h", HandlerKind.SERVICE, retry_policy=RetryPolicy(initial_interval_ms=9))
    policy = RetryPolicy(initial_interval_ms=1, max_attempts=3, on_max_attempts="Kill")
    made = CATALOG.options_of(Service("S", ServiceKind.SERVICE, {}, "dp_1", 1, retry_policy=policy), handler)
    assert (made.retry_initial_ms, made.retry_attempts, made.retry_kills, made.retry_factor) == (9, 3, True, 2.0)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 24, 1000, 4096, 65535])
def test_partitions_cover_the_key_space_without_gap_or_overlap(count: int) -> None:
    partitions = even_partitions(count)
    assert [partition.id for partition in partitions] == list(range(count))
    assert (partitions[0].start_key, partitions[-1].end_key) == (0, KEY_SPACE - 1)
    for left, right in itertools.pairwise(partitions):
        assert left.end_key + 1 == right.start_key
    sizes = {partition.end_key - partition.start_key for partition in partitions}
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("count", [1, 2, 3, 24, 4096])
def test_a_key_at_a_bound_is_on_its_own_side(count: int) -> None:
    table = PartitionTable(1, even_partitions(count))
    for partition in table.partitions:
        assert table.partition_of(partition.start_key) is partition
        assert table.partition_of(partition.end_key) is partition
    assert table.partition_of(0).id == 0
    assert table.partition_of(KEY_SPACE - 1).id == count - 1


@settings(deadline=None)
@given(st.integers(1, 100), st.integers(0, KEY_SPACE - 1))
def test_any_key_is_within_its_partition(count: int, key: int) -> None:
    partition = PartitionTable(1, even_partitions(count)).partition_of(key)
    assert partition.start_key <= key <= partition.end_key


@pytest.mark.parametrize("count", [0, -1, 65536])
def test_no_or_too_many_partitions_are_a_bug(count: int) -> None:
    with pytest.raises(AssertionError):
        even_partitions(count)


def test_the_nodes_defaults_hold_where_nobody_says_otherwise() -> None:
    known = Catalog(
        1,
        {},
        {},
        CATALOG.partition_table,
        defaults=Defaults(
            inactivity_timeout_ms=0,
            abort_timeout_ms=5,
            retry_initial_interval_ms=6,
            retry_factor=7.0,
            retry_max_interval_ms=8,
            retry_max_attempts=9,
            retry_on_max_attempts="Kill",
        ),
    )
    handler = Handler("h", HandlerKind.SERVICE)
    made = known.options_of(Service("S", ServiceKind.SERVICE, {"h": handler}, "dp_1", 1), handler)
    assert (made.inactivity_timeout_ms, made.abort_timeout_ms) == (0, 5)
    assert (made.retry_initial_ms, made.retry_factor, made.retry_max_ms) == (6, 7.0, 8)
    assert (made.retry_attempts, made.retry_kills) == (9, True)


def test_a_nodes_settings_are_its_defaults() -> None:
    assert Settings().handler_defaults == Defaults()
    other = Settings(inactivity_timeout_s=0.5, retry_max_attempts=0, retry_on_max_attempts="kill").handler_defaults
    assert other == Defaults(inactivity_timeout_ms=500, retry_max_attempts=0, retry_on_max_attempts="Kill")
