"""What a proposal led to. Pure: no I/O."""

from __future__ import annotations

from enum import Enum

import msgspec

from shared.catalog.deployments import Deployment
from shared.catalog.services import Service
from shared.limits import Rule

__all__ = [
    "Modified",
    "Outcome",
    "PartitionTableCreated",
    "PartitionTableExists",
    "Registered",
    "Rejected",
    "Rejection",
    "Removed",
    "RulesDeleted",
    "RulesUpserted",
    "Unchanged",
    "Updated",
]


class Registered(msgspec.Struct, frozen=True):
    """The deployment is in the catalog. `created` False: it replaced the one of the same address."""

    deployment: Deployment
    created: bool


class Unchanged(msgspec.Struct, frozen=True):
    """A deployment of this address was there and was not to be replaced."""

    deployment: Deployment


class Updated(msgspec.Struct, frozen=True):
    """The deployment is reached as it was asked for."""

    deployment: Deployment


class Modified(msgspec.Struct, frozen=True):
    """The service's newest revision as it is now, and the deployment that has it."""

    service: Service
    deployment: Deployment


class Removed(msgspec.Struct, frozen=True):
    """The deployment is gone."""

    id: str


class PartitionTableCreated(msgspec.Struct, frozen=True):
    """The table is made."""


class PartitionTableExists(msgspec.Struct, frozen=True):
    """The table was made before; it stays."""


class RulesUpserted(msgspec.Struct, frozen=True):
    """The rules asked for, as they stand in the book now, in the order of the command."""

    rules: list[Rule]


class RulesDeleted(msgspec.Struct, frozen=True):
    """Of the patterns asked for, those that had a rule."""

    patterns: list[str]


class Rejection(Enum):
    """Why the state cannot take a command."""

    DEPLOYMENT_UNKNOWN = "deployment unknown"
    RESERVED_NAME = "reserved name"
    TYPE_CHANGED = "type changed"
    SERVICE_UNKNOWN = "service unknown"
    NOT_A_WORKFLOW = "not a workflow"
    PROTOCOL_DIFFERS = "protocol differs"
    RULE_DIFFERS = "rule differs"
    RULE_BOOK_FULL = "rule book full"


class Rejected(msgspec.Struct, frozen=True):
    """Nothing changed."""

    reason: Rejection
    message: str


Outcome = (
    Registered
    | Unchanged
    | Removed
    | PartitionTableCreated
    | PartitionTableExists
    | RulesUpserted
    | RulesDeleted
    | Modified
    | Updated
    | Rejected
)
