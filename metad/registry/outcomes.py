"""What a proposal led to. Pure: no I/O."""

from __future__ import annotations

from enum import Enum

import msgspec

from shared.catalog.deployments import Deployment

__all__ = [
    "Outcome",
    "PartitionTableCreated",
    "PartitionTableExists",
    "Registered",
    "Rejected",
    "Rejection",
    "Removed",
    "Unchanged",
]


class Registered(msgspec.Struct, frozen=True):
    """The deployment is in the catalog. `created` False: it replaced the one of the same address."""

    deployment: Deployment
    created: bool


class Unchanged(msgspec.Struct, frozen=True):
    """A deployment of this address was there and was not to be replaced."""

    deployment: Deployment


class Removed(msgspec.Struct, frozen=True):
    """The deployment is gone."""

    id: str


class PartitionTableCreated(msgspec.Struct, frozen=True):
    """The table is made."""


class PartitionTableExists(msgspec.Struct, frozen=True):
    """The table was made before; it stays."""


class Rejection(Enum):
    """Why the state cannot take a command; the value is the code of the admin API, if it has one."""

    DEPLOYMENT_UNKNOWN = None
    RESERVED_NAME = "META0005"
    TYPE_CHANGED = "META0006"


class Rejected(msgspec.Struct, frozen=True):
    """Nothing changed."""

    reason: Rejection
    message: str


Outcome = Registered | Unchanged | Removed | PartitionTableCreated | PartitionTableExists | Rejected
