"""The whole catalog at one version, with the look-ups that routers need. Pure: no I/O."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from shared.catalog.defaults import Defaults
from shared.catalog.deployments import Deployment
from shared.catalog.partitions import PartitionTable
from shared.catalog.services import Handler, RetryPolicy, Service
from shared.limits import Rule

__all__ = ["Catalog", "HandlerOptions"]

_DAY_MS = 24 * 60 * 60 * 1000


class HandlerOptions(msgspec.Struct, frozen=True):
    """What holds for one handler: its own setting, else its service's, else the default (features.md, section 2)."""

    inactivity_timeout_ms: int
    abort_timeout_ms: int
    journal_retention_ms: int
    idempotency_retention_ms: int
    workflow_completion_retention_ms: int
    enable_lazy_state: bool
    retry_initial_ms: int
    retry_factor: float
    retry_max_ms: int
    #: None: unlimited.
    retry_attempts: int | None
    retry_kills: bool


class Catalog(msgspec.Struct, frozen=True):
    """Everything that metad publishes. A larger version is newer."""

    version: int
    services: dict[str, Service]
    deployments: dict[str, Deployment]
    partition_table: PartitionTable
    #: How many invocations of a scope run at once, by pattern; `rules_version` grows with each change. Since 0.3.
    rules: dict[str, Rule] = {}
    rules_version: int = 0
    #: Since 0.3.
    defaults: Defaults = Defaults()

    def options_of(self, service: Service, handler: Handler) -> HandlerOptions:
        """Merge handler, service and defaults."""
        retry = _merge_retry(handler.retry_policy, service.retry_policy)
        default = self.defaults
        attempts = _pick(retry.max_attempts, None, default.retry_max_attempts)
        return HandlerOptions(
            inactivity_timeout_ms=_pick(
                handler.inactivity_timeout_ms, service.inactivity_timeout_ms, default.inactivity_timeout_ms
            ),
            abort_timeout_ms=_pick(handler.abort_timeout_ms, service.abort_timeout_ms, default.abort_timeout_ms),
            journal_retention_ms=_pick(handler.journal_retention_ms, service.journal_retention_ms, _DAY_MS),
            idempotency_retention_ms=_pick(handler.idempotency_retention_ms, service.idempotency_retention_ms, _DAY_MS),
            workflow_completion_retention_ms=_pick(
                handler.workflow_completion_retention_ms, service.workflow_completion_retention_ms, _DAY_MS
            ),
            enable_lazy_state=_pick(handler.enable_lazy_state, service.enable_lazy_state, False),
            retry_initial_ms=_pick(retry.initial_interval_ms, None, default.retry_initial_interval_ms),
            retry_factor=_pick(retry.exponentiation_factor, None, default.retry_factor),
            retry_max_ms=_pick(retry.max_interval_ms, None, default.retry_max_interval_ms),
            retry_attempts=attempts or None,
            retry_kills=_pick(retry.on_max_attempts, None, default.retry_on_max_attempts) == "Kill",
        )


_Value = TypeVar("_Value")


def _pick(first: _Value | None, second: _Value | None, default: _Value) -> _Value:
    if first is not None:
        return first
    return default if second is None else second


def _merge_retry(handler: RetryPolicy, service: RetryPolicy) -> RetryPolicy:
    merged = {
        name: getattr(handler, name) if getattr(handler, name) is not None else getattr(service, name)
        for name in RetryPolicy.__struct_fields__
    }
    return RetryPolicy(**merged)
