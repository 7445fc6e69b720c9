"""Scopes, limit keys and the rules that bound how many invocations of them run at once. Pure: no I/O.

A scoped invocation counts at one to three levels: its scope, and each level of its limit key below it. A rule gives
a limit to the counters that its pattern matches. Where several match a counter, the most specific one holds.
"""

from __future__ import annotations

import re

import msgspec

__all__ = [
    "PART_BYTES_MAX",
    "RULES_MAX",
    "Counter",
    "Rule",
    "RuleBook",
    "check_limit_key",
    "check_pattern",
    "check_scope",
    "counters_of",
]

PART_BYTES_MAX = 36
#: Of one rule book (features.md, section 1.1).
RULES_MAX = 10_000
_PART = re.compile(rf"[a-zA-Z0-9_.\-]{{1,{PART_BYTES_MAX}}}")
_LIMIT_LEVELS_MAX = 2
_WILDCARD = "*"

#: What is counted: a scope, or a scope with one or two levels of a limit key.
Counter = tuple[str, ...]


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """One rule, known by its pattern. `version` grows with each change of `concurrency` or `disabled`."""

    pattern: str
    #: How many run at once, for each counter that the pattern matches. None: unlimited.
    concurrency: int | None
    version: int
    modified_at_ms: int
    description: str | None = None
    disabled: bool = False


def check_scope(scope: str) -> None:
    """Raises ValueError with the reason when it is none."""
    _check_part(scope)


def check_limit_key(limit_key: str) -> None:
    """One or two levels, joined by `/`. Raises ValueError with the reason when it is none."""
    levels = limit_key.split("/")
    if len(levels) > _LIMIT_LEVELS_MAX:
        raise ValueError(f"it has {len(levels)} levels, want at most {_LIMIT_LEVELS_MAX}, joined by '/'")
    for level in levels:
        _check_part(level)


def check_pattern(pattern: str) -> None:
    """A scope and up to two levels, joined by `/`, each exact or `*`. Raises ValueError with the reason."""
    parts = pattern.split("/")
    if len(parts) > 1 + _LIMIT_LEVELS_MAX:
        raise ValueError(f"it has {len(parts)} parts, want at most {1 + _LIMIT_LEVELS_MAX}, joined by '/'")
    for part in parts:
        if part != _WILDCARD:
            _check_part(part)


def _check_part(part: str) -> None:
    if not part:
        raise ValueError("it is empty")
    if len(part.encode()) > PART_BYTES_MAX:
        raise ValueError(
            f"{part[:PART_BYTES_MAX]!r}… is {len(part.encode())} bytes long, want at most {PART_BYTES_MAX}"
        )
    if _PART.fullmatch(part) is None:
        raise ValueError(f"{part!r} has characters other than letters, digits, '_', '.' and '-'")


def counters_of(scope: str, limit_key: str | None) -> list[Counter]:
    """Every counter of such an invocation, the widest first."""
    parts = (scope, *limit_key.split("/")) if limit_key else (scope,)
    return [parts[: depth + 1] for depth in range(len(parts))]


class RuleBook:
    """The active rules, for look-ups by counter."""

    __slots__ = ("_rules",)

    def __init__(self, rules: list[Rule]) -> None:
        self._rules = {tuple(rule.pattern.split("/")): rule for rule in rules if not rule.disabled}

    def rule_of(self, counter: Counter) -> Rule | None:
        """The rule that bounds this counter: of those that match, the one whose first exact part comes first.

        A pattern matches counters of its own depth only. One without a limit lifts what wider ones say.
        """
        if not self._rules:
            return None
        for candidate in _candidates(counter):
            rule = self._rules.get(candidate)
            if rule is not None:
                return rule
        return None


def _candidates(counter: Counter) -> list[Counter]:
    """Patterns that match, the most specific first: an exact part outweighs all behind it."""
    patterns: list[Counter] = [()]
    for part in counter:
        patterns = [(*pattern, choice) for pattern in patterns for choice in (part, _WILDCARD)]
    return patterns
