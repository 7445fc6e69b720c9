"""What the log of group `meta` carries. Pure: no I/O.

Tags are for ever: a retired one stays listed and is never given to something else. Fields are only added at
the end, with a default. All time and randomness is in the record: replaying it decides the same again.
"""

from __future__ import annotations

import msgspec

from metad.registry.state import RegistryState
from shared.catalog.deployments import ProtocolMode
from shared.catalog.services import Service

__all__ = [
    "AtVersion",
    "CreatePartitionTable",
    "DeleteRules",
    "IsAbsent",
    "MetaCommand",
    "Precondition",
    "Proposal",
    "RegisterDeployment",
    "RemoveDeployment",
    "RuleDelete",
    "RuleUpsert",
    "Snapshot",
    "UpsertRules",
]


class CreatePartitionTable(msgspec.Struct, array_like=True, frozen=True, tag=1):
    """Split the key space evenly. Proposed at the first start; ignored when there is a table. Since 0.1."""

    count: int


class RegisterDeployment(msgspec.Struct, array_like=True, frozen=True, tag=2):
    """Take up what was discovered at `uri`. Proposed by POST /deployments. Since 0.1.

    `id` is for a deployment that is new; one of the same address keeps its own. `services` are as discovered,
    with revision 0 and no deployment: both are decided when the record is applied.
    `force`: replace the deployment of the same address; without it that one stays as it is.
    `breaking`: a service may change its type. Invariant: `force` implies `breaking`.
    """

    id: str
    at_ms: int
    uri: str
    protocol_mode: ProtocolMode
    http_version: str
    min_protocol_version: int
    max_protocol_version: int
    services: list[Service]
    additional_headers: dict[str, str]
    metadata: dict[str, str]
    sdk_version: str | None
    force: bool
    breaking: bool


class RemoveDeployment(msgspec.Struct, array_like=True, frozen=True, tag=3):
    """Forget a deployment; its services fall back to their next older revision. Since 0.1."""

    id: str


class AtVersion(msgspec.Struct, array_like=True, frozen=True, tag=1):
    """The rule is there, at this version. Since 0.3."""

    version: int


class IsAbsent(msgspec.Struct, array_like=True, frozen=True, tag=2):
    """There is no such rule. Since 0.3."""


#: What must hold of a rule for a change of it; None: nothing.
Precondition = AtVersion | IsAbsent | None


class RuleUpsert(msgspec.Struct, array_like=True, frozen=True):
    """The rule of this pattern, whole. `pattern` as `shared.limits.normal_pattern` gives it."""

    pattern: str
    concurrency: int | None
    description: str | None
    disabled: bool
    precondition: Precondition = None


class RuleDelete(msgspec.Struct, array_like=True, frozen=True):
    """No rule of this pattern; one that is not there stays so."""

    pattern: str
    precondition: Precondition = None


class UpsertRules(msgspec.Struct, array_like=True, frozen=True, tag=4):
    """Change the rule book, in this order, all of it or nothing. Proposed by PUT /limits/rules. Since 0.3."""

    at_ms: int
    rules: list[RuleUpsert]


class DeleteRules(msgspec.Struct, array_like=True, frozen=True, tag=5):
    """Likewise. Proposed by POST /limits/rules/bulk-delete. Since 0.3."""

    rules: list[RuleDelete]


MetaCommand = CreatePartitionTable | RegisterDeployment | RemoveDeployment | UpsertRules | DeleteRules


class Snapshot(msgspec.Struct, array_like=True, frozen=True, tag=6):
    """The whole state behind the record at `covers_lsn`, so that the log before it is needed no more. Since 0.3.

    It counts only if it is the very next record behind that one, or the first one that the log still holds.
    """

    covers_lsn: int
    state: RegistryState


class Proposal(msgspec.Struct, array_like=True, frozen=True):
    """One record. `uid` is 16 random bytes: the proposer knows its record by it, and a repeated one is ignored."""

    uid: bytes
    command: MetaCommand | Snapshot
