"""All tables and views, by name. Pure: no I/O."""

from __future__ import annotations

from shared.tables import (
    state,
    sys_deployment,
    sys_inbox,
    sys_invocation,
    sys_invocation_state,
    sys_invocation_status,
    sys_journal,
    sys_journal_events,
    sys_keyed_service_status,
    sys_promise,
    sys_rules,
    sys_service,
    sys_user_limits,
)
from shared.tables.columns import Table, View

__all__ = ["TABLES", "VIEWS"]

TABLES: dict[str, Table] = {
    module.TABLE.name: module.TABLE
    for module in (
        sys_invocation_status,
        sys_invocation_state,
        sys_journal,
        sys_journal_events,
        state,
        sys_service,
        sys_deployment,
        sys_inbox,
        sys_keyed_service_status,
        sys_promise,
        sys_rules,
        sys_user_limits,
    )
}

VIEWS: dict[str, View] = {sys_invocation.VIEW.name: sys_invocation.VIEW}
