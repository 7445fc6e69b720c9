"""All chapters in the order in which they are played: each goes on where the last one ended. Pure: no I/O."""

from __future__ import annotations

from tests.compat.official_cli import chapters_invocations, chapters_services, chapters_state
from tests.compat.official_cli.steps import Step

__all__ = ["CHAPTERS"]

CHAPTERS: dict[str, tuple[Step, ...]] = {
    "nothing": chapters_services.NOTHING,
    "deployments": chapters_services.DEPLOYMENTS,
    "services": chapters_services.SERVICES,
    "statuses": chapters_invocations.STATUSES,
    "sql": chapters_invocations.SQL,
    "connections": chapters_state.CONNECTIONS,
    "verbs": chapters_invocations.VERBS,
    "state": chapters_state.STATE,
    "rules": chapters_services.RULES,
    "removal": chapters_services.REMOVAL,
}
