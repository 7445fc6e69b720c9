"""The rule book: what a command of many rules changes, and when it changes nothing."""

from __future__ import annotations

import random

import msgspec
import pytest

from metad.registry.commands import (
    AtVersion,
    CreatePartitionTable,
    DeleteRules,
    IsAbsent,
    MetaCommand,
    Precondition,
    Proposal,
    RuleDelete,
    RuleUpsert,
    UpsertRules,
)
from metad.registry.outcomes import Outcome, Rejected, Rejection, RulesDeleted, RulesUpserted
from metad.registry.registry import apply
from metad.registry.rules import BOOK_BYTES_MAX
from metad.registry.state import EMPTY, RegistryState
from shared.catalog.defaults import Defaults
from shared.limits import RULES_MAX, Rule


def _upsert(
    pattern: str,
    concurrency: int | None = None,
    *,
    description: str | None = None,
    disabled: bool = False,
    when: Precondition = None,
) -> RuleUpsert:
    return RuleUpsert(pattern, concurrency, description, disabled, when)


class Book:
    """Applies commands and holds what always holds."""

    def __init__(self) -> None:
        self.state: RegistryState = EMPTY
        self._count = 0
        self.apply(CreatePartitionTable(1))

    def apply(self, command: MetaCommand) -> Outcome:
        self._count += 1
        before = self.state
        kept = dict(before.rules)
        self.state, outcome = apply(before, Proposal(self._count.to_bytes(16, "big"), command))
        assert outcome is not None
        assert before.rules == kept, "a state is a value"
        changed = self.state.rules != before.rules
        assert (self.state.rules_version > before.rules_version) == changed
        if isinstance(outcome, Rejected):
            assert (changed, self.state.version) == (False, before.version)
        elif not isinstance(command, CreatePartitionTable):
            assert self.state.version == before.version + changed
        catalog = self.state.catalog(Defaults())
        assert catalog is not None
        assert (catalog.rules, catalog.rules_version) == (self.state.rules, self.state.rules_version)
        for pattern, rule in self.state.rules.items():
            assert rule.pattern == pattern
            assert 1 <= rule.version <= self.state.rules_version
        return outcome

    def upsert(self, *rules: RuleUpsert, at_ms: int = 0) -> list[Rule]:
        outcome = self.apply(UpsertRules(at_ms, list(rules)))
        assert isinstance(outcome, RulesUpserted)
        return outcome.rules

    def delete(self, *patterns: str) -> list[str]:
        outcome = self.apply(DeleteRules([RuleDelete(pattern) for pattern in patterns]))
        assert isinstance(outcome, RulesDeleted)
        return outcome.patterns

    def refused(self, command: MetaCommand) -> Rejected:
        outcome = self.apply(command)
        assert isinstance(outcome, Rejected)
        return outcome


def test_a_rules_version_grows_with_its_limit_and_its_switch_but_not_with_its_description() -> None:
    book = Book()
    assert book.upsert(_upsert("s", 2), at_ms=10) == [Rule("s", 2, 1, 10)]
    assert book.upsert(_upsert("s", 2), at_ms=20) == [Rule("s", 2, 1, 10)]
    assert book.state.rules_version == 1
    assert book.upsert(_upsert("s", 2, description="d"), at_ms=30) == [Rule("s", 2, 1, 10, "d")]
    assert book.state.rules_version == 2
    assert book.upsert(_upsert("s", 3, description="d"), at_ms=40) == [Rule("s", 3, 2, 40, "d")]
    assert book.upsert(_upsert("s", 3, description="d", disabled=True), at_ms=50) == [Rule("s", 3, 3, 50, "d", True)]
    assert book.upsert(_upsert("s", disabled=True), at_ms=60) == [Rule("s", None, 4, 60, None, True)]


def test_a_rule_that_comes_back_has_a_version_that_it_never_had() -> None:
    """Else a client that read the old one could change the new one with `matches`."""
    book = Book()
    book.upsert(_upsert("s", 1))
    book.upsert(_upsert("s", 2))
    assert book.delete("s") == ["s"]
    assert book.upsert(_upsert("s", 9))[0].version == 4


def test_changes_of_one_command_see_those_before_them() -> None:
    book = Book()
    first, second = book.upsert(_upsert("s", 1, when=IsAbsent()), _upsert("s", 2, when=AtVersion(1)))
    assert first == second == Rule("s", 2, 2, 0)
    assert book.delete("s", "s", "t") == ["s", "s"]
    assert book.upsert(_upsert("s", 1))[0].version > 2


@pytest.mark.parametrize(
    ("pattern", "precondition", "said"),
    [
        ("s", AtVersion(2), "'s' is at version 1, expected it at version 2"),
        ("s", AtVersion(0), "'s' is at version 1, expected it at version 0"),
        ("t", AtVersion(1), "'t' is absent, expected it at version 1"),
        ("s", IsAbsent(), "'s' is at version 1, expected it absent"),
    ],
)
def test_where_one_rule_differs_nothing_is_changed(pattern: str, precondition: Precondition, said: str) -> None:
    book = Book()
    book.upsert(_upsert("s", 1))
    for command in (
        UpsertRules(0, [_upsert("new", 5), _upsert(pattern, 7, when=precondition)]),
        DeleteRules([RuleDelete("s"), RuleDelete("s", AtVersion(1))]),
        DeleteRules([RuleDelete(pattern, precondition)]),
    ):
        refused = book.refused(command)
        assert refused.reason == Rejection.RULE_DIFFERS
    assert said in refused.message
    assert list(book.state.rules) == ["s"]


def test_a_book_has_a_largest_number_of_rules() -> None:
    book = Book()
    book.upsert(*(_upsert(f"s{number}") for number in range(RULES_MAX)))
    assert book.refused(UpsertRules(0, [_upsert("more")])).reason == Rejection.RULE_BOOK_FULL
    book.upsert(_upsert("s1", 5))
    book.delete("s2")
    book.upsert(_upsert("more"))
    assert len(book.state.rules) == RULES_MAX


def test_a_book_has_a_largest_size() -> None:
    book = Book()
    text = "é" * (BOOK_BYTES_MAX // 4)
    book.upsert(_upsert("a", description=text))
    assert book.refused(UpsertRules(0, [_upsert("b", description=text)])).reason == Rejection.RULE_BOOK_FULL
    book.upsert(_upsert("a"), _upsert("b", description=text))


def test_random_commands_match_a_simple_model() -> None:
    """The model: limits and switches by pattern. A command is refused or done, never in part."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    book, model = Book(), dict[str, tuple[int | None, bool]]()
    for _ in range(400):
        changes = [_random_change(dice, book) for _ in range(dice.randint(0, 4))]
        expected = dict(model)
        if dice.random() < 0.6:
            outcome = book.apply(UpsertRules(dice.randrange(1000), changes))
            expected |= {each.pattern: (each.concurrency, each.disabled) for each in changes}
        else:
            outcome = book.apply(DeleteRules([RuleDelete(each.pattern, each.precondition) for each in changes]))
            for each in changes:
                expected.pop(each.pattern, None)
        if not isinstance(outcome, Rejected):
            model = expected
        assert {rule.pattern: (rule.concurrency, rule.disabled) for rule in book.state.rules.values()} == model


def _random_change(dice: random.Random, book: Book) -> RuleUpsert:
    pattern = dice.choice("abcd")
    held = book.state.rules.get(pattern)
    precondition: Precondition = dice.choice([None, None, IsAbsent(), AtVersion(held.version if held else 1)])
    return _upsert(pattern, dice.choice([None, 1, 2]), disabled=dice.random() < 0.3, when=precondition)


def test_the_state_survives_its_own_codec() -> None:
    """Subscribers get the book within the catalog."""
    book = Book()
    book.upsert(_upsert("s/*", 2, description="d"), _upsert("t", disabled=True))
    catalog = book.state.catalog(Defaults())
    assert catalog is not None
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(catalog), type=type(catalog)) == catalog
