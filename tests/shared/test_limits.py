"""Scopes, limit keys, patterns and which rule holds."""

from __future__ import annotations

import itertools

import pytest

from shared.limits import Rule, RuleBook, check_limit_key, check_pattern, check_scope, counters_of


def book(**rules: int | None) -> RuleBook:
    return RuleBook([Rule(pattern, concurrency, 1, 0) for pattern, concurrency in rules.items()])


@pytest.mark.parametrize("scope", ["a", "A-b_c.9", "x" * 36])
def test_good_scopes_are_taken(scope: str) -> None:
    check_scope(scope)
    check_limit_key(scope)
    check_limit_key(f"{scope}/{scope}")


@pytest.mark.parametrize(
    ("scope", "said"),
    [("", "empty"), ("x" * 37, "37 bytes"), ("a b", "characters"), ("ä", "characters"), ("a\n", "characters")],
)
def test_bad_scopes_are_refused_with_the_reason(scope: str, said: str) -> None:
    for check in (check_scope, check_limit_key, check_pattern):
        with pytest.raises(ValueError, match=said):
            check(scope)


def test_a_scope_has_one_part_and_a_limit_key_at_most_two() -> None:
    with pytest.raises(ValueError, match="characters"):
        check_scope("a/b")
    with pytest.raises(ValueError, match="3 levels"):
        check_limit_key("a/b/c")
    with pytest.raises(ValueError, match="empty"):
        check_limit_key("a/")


@pytest.mark.parametrize("pattern", ["*", "s", "s/*", "s/l1", "*/l1", "s/*/*", "s/*/l2", "s/l1/*", "s/l1/l2", "*/*/*"])
def test_patterns_of_one_to_three_parts_are_taken(pattern: str) -> None:
    check_pattern(pattern)


@pytest.mark.parametrize(("pattern", "said"), [("a/b/c/d", "4 parts"), ("a//b", "empty"), ("a*", "characters")])
def test_bad_patterns_are_refused_with_the_reason(pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_pattern(pattern)


def test_an_invocation_counts_at_each_level_of_its_key() -> None:
    assert counters_of("s", None) == [("s",)]
    assert counters_of("s", "a") == [("s",), ("s", "a")]
    assert counters_of("s", "a/b") == [("s",), ("s", "a"), ("s", "a", "b")]


def test_a_rule_holds_for_counters_of_its_own_depth_only() -> None:
    rules = book(**{"s": 1})
    assert rules.rule_of(("s",)) is not None
    assert rules.rule_of(("s", "a")) is None
    assert rules.rule_of(("t",)) is None


def test_of_matching_rules_the_one_holds_that_is_exact_earlier() -> None:
    """Restate's order: scope before level 1 before level 2, whatever else is exact."""
    order = ["/".join(parts) for parts in itertools.product(("s", "*"), ("a", "*"), ("b", "*"))]
    while order:
        held = book(**dict.fromkeys(order, 1)).rule_of(("s", "a", "b"))
        assert held is not None
        assert held.pattern == order.pop(0)


def test_a_disabled_rule_is_none() -> None:
    held = RuleBook([Rule("s", 1, 1, 0, disabled=True), Rule("*", 5, 1, 0)]).rule_of(("s",))
    assert held is not None
    assert held.concurrency == 5


def test_a_rule_without_a_limit_lifts_the_wider_one() -> None:
    held = book(**{"s": None, "*": 5}).rule_of(("s",))
    assert held is not None
    assert held.concurrency is None
