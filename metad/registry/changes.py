"""Changes of what is registered: a service's options, a deployment's address. Pure: no I/O.

Neither changes what a service is to those who call it; only `overwrite` takes a deployment's services anew.
"""

from __future__ import annotations

import msgspec

from metad.registry.commands import ModifyService, UpdateDeployment
from metad.registry.outcomes import Modified, Outcome, Rejected, Rejection, Updated
from metad.registry.state import RegistryState
from shared.catalog.deployments import Deployment
from shared.catalog.services import Service, ServiceKind

__all__ = ["is_reserved", "modify_service", "next_revision", "reserved_name", "update_deployment"]


def is_reserved(service: str) -> bool:
    """Names that the runtime's own routes use."""
    name = service.lower()
    return name.startswith("restate") or name == "openapi"


def reserved_name(service: str) -> Rejected:
    """It is refused whole, with all that was registered with it."""
    return Rejected(
        Rejection.RESERVED_NAME,
        f"service '{service}' cannot be registered: names that begin with 'restate', and 'openapi', are reserved; "
        "rename it",
    )


def next_revision(state: RegistryState, service: Service, *, deployment_id: str) -> Service:
    """As discovered -> as it serves: above all revisions of its name."""
    known = state.services.get(service.name)
    revision = 1 if known is None else known.revision + 1
    return msgspec.structs.replace(service, revision=revision, deployment_id=deployment_id)


def modify_service(state: RegistryState, command: ModifyService) -> tuple[RegistryState, Outcome]:
    """The newest revision gets these options and keeps its number."""
    service = state.services.get(command.name)
    if service is None:
        return state, Rejected(Rejection.SERVICE_UNKNOWN, f"there is no service '{command.name}': it was removed")
    if command.workflow_completion_retention_ms is not None and service.kind is not ServiceKind.WORKFLOW:
        return state, Rejected(
            Rejection.NOT_A_WORKFLOW,
            f"field 'workflow_completion_retention': '{service.name}' is a {service.kind}, only workflows have it",
        )
    changes = {name: value for name, value in msgspec.structs.asdict(command).items() if value is not None}
    changed = msgspec.structs.replace(service, **changes)
    deployment = state.deployments[service.deployment_id]
    deployment = msgspec.structs.replace(deployment, services={**deployment.services, service.name: changed})
    return state.with_deployments({**state.deployments, deployment.id: deployment}), Modified(changed, deployment)


def update_deployment(state: RegistryState, command: UpdateDeployment) -> tuple[RegistryState, Outcome]:
    """Same id, same age; invocations that are pinned to it go on there."""
    known = state.deployments.get(command.id)
    if known is None:
        return state, Rejected(Rejection.DEPLOYMENT_UNKNOWN, f"there is no deployment '{command.id}': it was removed")
    found = (command.min_protocol_version, command.max_protocol_version)
    if found != (known.min_protocol_version, known.max_protocol_version):
        return state, Rejected(
            Rejection.PROTOCOL_DIFFERS,
            f"deployment '{known.id}' speaks service protocol {known.min_protocol_version} to "
            f"{known.max_protocol_version}, and what is at {command.uri} speaks {found[0]} to {found[1]}: "
            "serve it with the same version of the SDK, or register it as another deployment",
        )
    reserved = next((service.name for service in command.services if is_reserved(service.name)), None)
    if command.overwrite and reserved is not None:
        return state, reserved_name(reserved)
    deployment = msgspec.structs.replace(
        known,
        uri=command.uri,
        protocol_mode=command.protocol_mode,
        http_version=command.http_version,
        additional_headers=command.additional_headers,
        sdk_version=command.sdk_version,
        services=_overwritten(state, known, command.services) if command.overwrite else known.services,
    )
    return state.with_deployments({**state.deployments, known.id: deployment}), Updated(deployment)


def _overwritten(state: RegistryState, known: Deployment, services: list[Service]) -> dict[str, Service]:
    """A revision is as old as its number says: one of an older deployment does not become the newest by this."""
    taken = {}
    for service in services:
        before = known.services.get(service.name)
        if before is None:
            taken[service.name] = next_revision(state, service, deployment_id=known.id)
        else:
            taken[service.name] = msgspec.structs.replace(service, revision=before.revision, deployment_id=known.id)
    return taken
