"""apply(state, proposal) -> new state and outcome. Pure: no I/O, no clock, no randomness.

Rules that always hold:
- a proposal changes all that it is to change, or nothing;
- the same proposal applied twice changes nothing the second time;
- a service's newest revision is the one that serves new invocations; a new revision is one above it;
- a snapshot changes nothing but where the log may begin;
- only `force` replaces a deployment, only `breaking` changes a service's type.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from metad.registry.address import identity_of
from metad.registry.changes import is_reserved, modify_service, next_revision, reserved_name, update_deployment
from metad.registry.commands import (
    CreatePartitionTable,
    DeleteRules,
    MetaCommand,
    ModifyService,
    Proposal,
    RegisterDeployment,
    RemoveDeployment,
    Snapshot,
    UpdateDeployment,
    UpsertRules,
)
from metad.registry.outcomes import (
    Outcome,
    PartitionTableCreated,
    PartitionTableExists,
    Registered,
    Rejected,
    Rejection,
    Removed,
    Unchanged,
)
from metad.registry.rules import delete_rules, upsert_rules
from metad.registry.state import PROPOSALS_REMEMBERED, RegistryState
from shared.catalog.deployments import Deployment
from shared.catalog.partitions import PartitionTable, even_partitions

__all__ = ["adopt", "apply", "decide", "deployment_at"]


def apply(state: RegistryState, proposal: Proposal) -> tuple[RegistryState, Outcome | None]:
    """Decide one record of the log that is no snapshot. The outcome is None when it was applied before."""
    assert not isinstance(proposal.command, Snapshot)
    if proposal.uid in state.recent_proposals:
        return state, None
    state, outcome = decide(state, proposal.command)
    recent = (*state.recent_proposals, proposal.uid)[-PROPOSALS_REMEMBERED:]
    return msgspec.structs.replace(state, recent_proposals=recent), outcome


def adopt(snapshot: Snapshot, *, applied_lsn: int) -> RegistryState | None:
    """The state of a snapshot that is read behind `applied_lsn` (0: as the first record); None: it is stale."""
    return snapshot.state if applied_lsn in (0, snapshot.covers_lsn) else None


def decide(state: RegistryState, command: MetaCommand) -> tuple[RegistryState, Outcome]:
    """What a command does to the state. A dry run calls it alone and drops the new state."""
    match command:
        case CreatePartitionTable():
            return _create_partition_table(state, command)
        case RegisterDeployment():
            return _register(state, command)
        case RemoveDeployment():
            return _remove(state, command)
        case UpsertRules():
            return upsert_rules(state, command)
        case DeleteRules():
            return delete_rules(state, command)
        case ModifyService():
            return modify_service(state, command)
        case UpdateDeployment():
            return update_deployment(state, command)
        case _:
            assert_never(command)


def deployment_at(state: RegistryState, uri: str) -> Deployment | None:
    """The deployment of this address; of several, the newest."""
    identity = identity_of(uri)
    found = [held for held in state.deployments.values() if identity_of(held.uri) == identity]
    return max(found, key=lambda held: (held.created_at_ms, held.id), default=None)


def _create_partition_table(state: RegistryState, command: CreatePartitionTable) -> tuple[RegistryState, Outcome]:
    if state.partition_table is not None:
        return state, PartitionTableExists()
    table = PartitionTable(version=1, partitions=even_partitions(command.count))
    return msgspec.structs.replace(state, version=state.version + 1, partition_table=table), PartitionTableCreated()


def _register(state: RegistryState, command: RegisterDeployment) -> tuple[RegistryState, Outcome]:
    existing = deployment_at(state, command.uri)
    if existing is not None and not command.force:
        return state, Unchanged(existing)
    rejected = _refuse(state, command)
    if rejected is not None:
        return state, rejected
    deployment_id = command.id if existing is None else existing.id
    assert existing is not None or deployment_id not in state.deployments
    deployment = Deployment(
        id=deployment_id,
        uri=command.uri if existing is None else existing.uri,
        protocol_mode=command.protocol_mode,
        http_version=command.http_version,
        min_protocol_version=command.min_protocol_version,
        max_protocol_version=command.max_protocol_version,
        created_at_ms=command.at_ms,
        services={
            service.name: next_revision(state, service, deployment_id=deployment_id) for service in command.services
        },
        additional_headers=command.additional_headers,
        metadata=command.metadata,
        sdk_version=command.sdk_version,
    )
    changed = state.with_deployments({**state.deployments, deployment_id: deployment})
    return changed, Registered(deployment, created=existing is None)


def _refuse(state: RegistryState, command: RegisterDeployment) -> Rejected | None:
    for service in command.services:
        if is_reserved(service.name):
            return reserved_name(service.name)
        known = state.services.get(service.name)
        if known is not None and known.kind != service.kind and not (command.breaking or command.force):
            return Rejected(
                Rejection.TYPE_CHANGED,
                f"service '{service.name}' is a {known.kind} and would become a {service.kind}: "
                "register with 'breaking' to allow it",
            )
    return None


def _remove(state: RegistryState, command: RemoveDeployment) -> tuple[RegistryState, Outcome]:
    if command.id not in state.deployments:
        return state, Rejected(
            Rejection.DEPLOYMENT_UNKNOWN,
            f"there is no deployment '{command.id}': GET /deployments lists those that there are",
        )
    rest = {key: held for key, held in state.deployments.items() if key != command.id}
    return state.with_deployments(rest), Removed(command.id)
