"""The rule book: changes of many rules at once. Pure: no I/O.

Rules that always hold:
- a command changes all that it is to change, or nothing: each precondition is checked against what the changes
  before it in the command have left;
- the book's version grows with each command that changes anything, and no rule's is above it;
- a rule's version grows with each change of its limit or of whether it is active, not of its description alone. A
  new rule has the book's new version, so that no version of a pattern comes twice, though it was deleted in between.
"""

from __future__ import annotations

import msgspec

from metad.registry.commands import AtVersion, DeleteRules, IsAbsent, Precondition, RuleUpsert, UpsertRules
from metad.registry.outcomes import Outcome, Rejected, Rejection, RulesDeleted, RulesUpserted
from metad.registry.state import RegistryState
from shared.limits import RULES_MAX, Rule

__all__ = ["BOOK_BYTES_MAX", "delete_rules", "upsert_rules"]

#: Patterns and descriptions of all rules: the whole book is pushed at each change.
BOOK_BYTES_MAX = 8 * 1024 * 1024


def upsert_rules(state: RegistryState, command: UpsertRules) -> tuple[RegistryState, Outcome]:
    """Add or replace rules."""
    rules = dict(state.rules)
    version = state.rules_version + 1
    for upsert in command.rules:
        held = rules.get(upsert.pattern)
        refused = _refuse(upsert.pattern, upsert.precondition, held)
        if refused is not None:
            return state, refused
        rules[upsert.pattern] = _upserted(held, upsert, at_ms=command.at_ms, book_version=version)
    if len(rules) > RULES_MAX:
        return state, Rejected(
            Rejection.RULE_BOOK_FULL,
            f"the rule book would have {len(rules)} rules, more than {RULES_MAX}: delete some, or use wildcards",
        )
    size = sum(len(rule.pattern) + len((rule.description or "").encode()) for rule in rules.values())
    if size > BOOK_BYTES_MAX:
        return state, Rejected(
            Rejection.RULE_BOOK_FULL,
            f"the rule book would hold {size} bytes of text, more than {BOOK_BYTES_MAX}: shorten descriptions",
        )
    outcome = RulesUpserted([rules[upsert.pattern] for upsert in command.rules])
    return _with_rules(state, rules), outcome


def delete_rules(state: RegistryState, command: DeleteRules) -> tuple[RegistryState, Outcome]:
    """Take rules out of the book."""
    rules = dict(state.rules)
    for delete in command.rules:
        refused = _refuse(delete.pattern, delete.precondition, rules.pop(delete.pattern, None))
        if refused is not None:
            return state, refused
    outcome = RulesDeleted([delete.pattern for delete in command.rules if delete.pattern in state.rules])
    return _with_rules(state, rules), outcome


def _refuse(pattern: str, precondition: Precondition, held: Rule | None) -> Rejected | None:
    match precondition:
        case AtVersion(version=version):
            expected, holds = f"at version {version}", held is not None and held.version == version
        case IsAbsent():
            expected, holds = "absent", held is None
        case None:
            return None
    if holds:
        return None
    found = "absent" if held is None else f"at version {held.version}"
    return Rejected(
        Rejection.RULE_DIFFERS,
        f"nothing is changed: rule '{pattern}' is {found}, expected it {expected} (SQL: sys_rules)",
    )


def _upserted(held: Rule | None, upsert: RuleUpsert, *, at_ms: int, book_version: int) -> Rule:
    if held is None:
        version, modified_at_ms = book_version, at_ms
    elif (held.concurrency, held.disabled) != (upsert.concurrency, upsert.disabled):
        version, modified_at_ms = held.version + 1, at_ms
    else:
        version, modified_at_ms = held.version, held.modified_at_ms
    return Rule(
        pattern=upsert.pattern,
        concurrency=upsert.concurrency,
        version=version,
        modified_at_ms=modified_at_ms,
        description=upsert.description,
        disabled=upsert.disabled,
    )


def _with_rules(state: RegistryState, rules: dict[str, Rule]) -> RegistryState:
    if rules == state.rules:
        return state
    # By one, but where a command names a pattern more than once.
    version = max(state.rules_version + 1, max((rule.version for rule in rules.values()), default=0))
    return msgspec.structs.replace(state, version=state.version + 1, rules=rules, rules_version=version)
