"""All tables and views, by name. Pure: no I/O."""

from __future__ import annotations

from shared.tables import (
    daemons,
    log,
    log_groups,
    nodes,
    partitions,
    state,
    sys_deployment,
    sys_inbox,
    sys_invocation,
    sys_invocation_state,
    sys_invocation_status,
    sys_journal,
    sys_journal_events,
    sys_keyed_service_status,
    sys_locks,
    sys_promise,
    sys_rules,
    sys_scheduler,
    sys_service,
    sys_user_limits,
    sys_vqueue_entry_status,
    sys_vqueue_meta,
    sys_vqueues,
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
        sys_locks,
        sys_promise,
        sys_rules,
        sys_user_limits,
        sys_vqueues,
        sys_vqueue_entry_status,
        partitions,
        nodes,
        log_groups,
        daemons,
        log,
    )
}

VIEWS: dict[str, View] = {module.VIEW.name: module.VIEW for module in (sys_invocation, sys_vqueue_meta, sys_scheduler)}
