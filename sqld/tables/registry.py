"""Which source fills which table. Pure: no I/O."""

from __future__ import annotations

from shared.tables.registry import TABLES
from sqld.tables import (
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
    sys_service,
    sys_user_limits,
    sys_vqueue_entry_status,
    sys_vqueues,
)
from sqld.tables.source import Source

__all__ = ["ONE_PASS", "SOURCES"]

SOURCES: dict[str, Source] = {
    "sys_invocation_status": sys_invocation_status.SOURCE,
    "sys_invocation_state": sys_invocation_state.SOURCE,
    "sys_journal": sys_journal.SOURCE,
    "sys_journal_events": sys_journal_events.SOURCE,
    "state": state.SOURCE,
    "sys_service": sys_service.SOURCE,
    "sys_deployment": sys_deployment.SOURCE,
    "sys_inbox": sys_inbox.SOURCE,
    "sys_keyed_service_status": sys_keyed_service_status.SOURCE,
    "sys_promise": sys_promise.SOURCE,
    "sys_rules": sys_rules.SOURCE,
    "sys_user_limits": sys_user_limits.SOURCE,
    "sys_locks": sys_locks.SOURCE,
    "sys_vqueues": sys_vqueues.SOURCE,
    "sys_vqueue_entry_status": sys_vqueue_entry_status.SOURCE,
    "partitions": partitions.SOURCE,
    "nodes": nodes.SOURCE,
    "log_groups": log_groups.SOURCE,
    "daemons": daemons.SOURCE,
    "log": log.SOURCE,
}
#: Views whose rows a scan can make.
ONE_PASS: dict[str, Source] = {"sys_invocation": sys_invocation.SOURCE}
assert SOURCES.keys() == TABLES.keys(), "every table needs a source"
