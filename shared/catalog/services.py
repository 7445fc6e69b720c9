"""Services, handlers and their options. Pure: no I/O.

Options are as discovered or patched; None means: not set here. `Catalog.options_of` merges handler, service and
the node's defaults.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from shared.wal.commands import HandlerKind

__all__ = ["Handler", "InputRules", "OutputRules", "RetryPolicy", "Service", "ServiceKind"]


class ServiceKind(StrEnum):
    """As the admin API spells it."""

    SERVICE = "Service"
    VIRTUAL_OBJECT = "VirtualObject"
    WORKFLOW = "Workflow"


class RetryPolicy(msgspec.Struct, frozen=True, omit_defaults=True):
    """Unset fields fall to the service, then to the node's default. `max_attempts` 0 is unlimited."""

    initial_interval_ms: int | None = None
    exponentiation_factor: float | None = None
    max_attempts: int | None = None
    max_interval_ms: int | None = None
    #: "Pause" or "Kill".
    on_max_attempts: str | None = None


class InputRules(msgspec.Struct, frozen=True, omit_defaults=True):
    """Discovery manifest, InputPayload. `content_type` None: no body may be sent."""

    required: bool = False
    content_type: str | None = "*/*"
    #: JSON text.
    json_schema: str | None = None


class OutputRules(msgspec.Struct, frozen=True, omit_defaults=True):
    """Discovery manifest, OutputPayload."""

    content_type: str | None = "application/json"
    set_content_type_if_empty: bool = False
    #: JSON text.
    json_schema: str | None = None


class Handler(msgspec.Struct, frozen=True, omit_defaults=True):
    """One handler of a service revision. Durations in milliseconds."""

    name: str
    kind: HandlerKind
    documentation: str | None = None
    metadata: dict[str, str] = {}
    input: InputRules = InputRules()
    output: OutputRules = OutputRules()
    inactivity_timeout_ms: int | None = None
    abort_timeout_ms: int | None = None
    journal_retention_ms: int | None = None
    idempotency_retention_ms: int | None = None
    workflow_completion_retention_ms: int | None = None
    enable_lazy_state: bool | None = None
    public: bool = True
    retry_policy: RetryPolicy = RetryPolicy()


class Service(msgspec.Struct, frozen=True, omit_defaults=True):
    """The latest revision of a service. `deployment_id` serves new invocations."""

    name: str
    kind: ServiceKind
    handlers: dict[str, Handler]
    deployment_id: str
    revision: int
    public: bool = True
    documentation: str | None = None
    metadata: dict[str, str] = {}
    inactivity_timeout_ms: int | None = None
    abort_timeout_ms: int | None = None
    journal_retention_ms: int | None = None
    idempotency_retention_ms: int | None = None
    workflow_completion_retention_ms: int | None = None
    enable_lazy_state: bool | None = None
    retry_policy: RetryPolicy = RetryPolicy()
