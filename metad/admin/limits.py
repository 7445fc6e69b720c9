"""Change the rule book. Owns: nothing; proposes to group `meta`.

There is no route that shows it: that is SQL's, table `sys_rules`.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from metad.admin.bodies import MatchesBody, NotThereBody, RuleDeleteBody, RuleUpsertBody, read_json
from metad.admin.deployments import PROPOSE_TIMEOUT_S
from metad.admin.errors import FormError, json_response, rejected
from metad.meta_log import MetaLog
from metad.registry.commands import (
    AtVersion,
    DeleteRules,
    IsAbsent,
    Precondition,
    RuleDelete,
    RuleUpsert,
    UpsertRules,
)
from metad.registry.outcomes import Rejected, RulesDeleted, RulesUpserted
from shared.clock import Clock
from shared.limits import Rule, normal_pattern

__all__ = ["LimitRoutes"]


class LimitRoutes:
    """/limits/rules and below."""

    def __init__(self, meta_log: MetaLog, clock: Clock) -> None:
        self._meta_log = meta_log
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        return [
            web.put("/limits/rules", self.upsert),
            web.post("/limits/rules/bulk-delete", self.bulk_delete),
        ]

    async def upsert(self, request: web.Request) -> web.Response:
        upserts = [
            RuleUpsert(
                _pattern(each.pattern, index),
                each.limits.concurrency,
                each.description,
                each.disabled,
                _precondition(each),
            )
            for index, each in enumerate(await read_json(request, list[RuleUpsertBody]))
        ]
        command = UpsertRules(self._clock.now_ms(), upserts)
        outcome = await self._meta_log.propose(command, timeout_s=PROPOSE_TIMEOUT_S)
        if isinstance(outcome, Rejected):
            raise rejected(outcome)
        assert isinstance(outcome, RulesUpserted)
        return json_response([_rule_json(rule) for rule in outcome.rules])

    async def bulk_delete(self, request: web.Request) -> web.Response:
        deletes = [
            RuleDelete(
                _pattern(each.pattern, index),
                None if each.expected_version is None else AtVersion(each.expected_version),
            )
            for index, each in enumerate(await read_json(request, list[RuleDeleteBody]))
        ]
        outcome = await self._meta_log.propose(DeleteRules(deletes), timeout_s=PROPOSE_TIMEOUT_S)
        if isinstance(outcome, Rejected):
            raise rejected(outcome)
        assert isinstance(outcome, RulesDeleted)
        return json_response(outcome.patterns)


def _pattern(text: str, index: int) -> str:
    try:
        return normal_pattern(text)
    except ValueError as error:
        raise FormError(422, f"field 'pattern' of rule {index} is no pattern: {error}") from error


def _precondition(body: RuleUpsertBody) -> Precondition:
    match body.precondition:
        case MatchesBody(version=version):
            return AtVersion(version)
        case NotThereBody():
            return IsAbsent()
        case _:
            return None


def _rule_json(rule: Rule) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "pattern": rule.pattern,
        "limits": {} if rule.concurrency is None else {"concurrency": rule.concurrency},
    }
    if rule.description is not None:
        shown["description"] = rule.description
    return shown | {
        "disabled": rule.disabled,
        "version": rule.version,
        "last_modified_millis_since_epoch": rule.modified_at_ms,
    }
