"""Changes of what is registered, one story each."""

from __future__ import annotations

import msgspec

from metad.registry.commands import MetaCommand, ModifyService, Proposal, RegisterDeployment, UpdateDeployment
from metad.registry.outcomes import Modified, Outcome, Rejected, Rejection, Updated
from metad.registry.registry import apply, deployment_at
from metad.registry.state import EMPTY, RegistryState
from shared.catalog.deployments import ProtocolMode
from shared.catalog.services import Service, ServiceKind


def _service(name: str, kind: ServiceKind = ServiceKind.SERVICE) -> Service:
    return Service(name=name, kind=kind, handlers={}, deployment_id="", revision=0)


def _register(key: str, *services: Service, at_ms: int = 1000) -> RegisterDeployment:
    return RegisterDeployment(
        id=f"dp_{key}",
        at_ms=at_ms,
        uri=f"http://host/{key}",
        protocol_mode=ProtocolMode.BIDI_STREAM,
        http_version="HTTP/2.0",
        min_protocol_version=5,
        max_protocol_version=6,
        services=list(services),
        additional_headers={"x": "y"},
        metadata={"k": "v"},
        sdk_version="sdk/1",
        force=False,
        breaking=False,
    )


def _update(key: str, to: str, *services: Service, overwrite: bool = False) -> UpdateDeployment:
    return UpdateDeployment(
        id=f"dp_{key}",
        uri=f"http://host/{to}",
        protocol_mode=ProtocolMode.REQUEST_RESPONSE,
        http_version="HTTP/1.1",
        min_protocol_version=5,
        max_protocol_version=6,
        services=list(services),
        additional_headers={},
        sdk_version="sdk/2",
        overwrite=overwrite,
    )


def _after(*commands: MetaCommand) -> tuple[RegistryState, Outcome]:
    """The state after all of them, and what the last one came to."""
    state, outcome = EMPTY, None
    for number, command in enumerate(commands):
        state, outcome = apply(state, Proposal(number.to_bytes(16, "big"), command))
    assert outcome is not None
    return state, outcome


def _revisions(state: RegistryState, deployment: str) -> dict[str, int]:
    return {name: service.revision for name, service in state.deployments[deployment].services.items()}


def test_options_are_changed_and_the_revision_stays() -> None:
    state, outcome = _after(
        _register("a", _service("S")),
        ModifyService("S", public=False, journal_retention_ms=5),
        ModifyService("S", abort_timeout_ms=7),
    )
    assert isinstance(outcome, Modified)
    service = state.services["S"]
    assert outcome.service is service is state.deployments["dp_a"].services["S"]
    assert (service.public, service.journal_retention_ms, service.abort_timeout_ms) == (False, 5, 7)
    assert (service.revision, service.inactivity_timeout_ms) == (1, None)


def test_only_the_newest_revision_is_changed_and_a_registration_forgets_it() -> None:
    first, second = _register("a", _service("S")), _register("b", _service("S"))
    state, _ = _after(first, second, ModifyService("S", public=False))
    assert state.deployments["dp_a"].services["S"].public
    assert not state.services["S"].public
    state, _ = _after(first, second, ModifyService("S", public=False), _register("c", _service("S")))
    assert (state.services["S"].revision, state.services["S"].public) == (3, True)


def test_changes_that_are_refused_change_nothing() -> None:
    registered = _register("a", _service("S"), _service("W", ServiceKind.WORKFLOW))
    before, _ = _after(registered)
    newer = msgspec.structs.replace(_update("a", "a"), max_protocol_version=7)
    refused: list[tuple[MetaCommand, Rejection]] = [
        (ModifyService("T", public=True), Rejection.SERVICE_UNKNOWN),
        (ModifyService("S", workflow_completion_retention_ms=1), Rejection.NOT_A_WORKFLOW),
        (_update("b", "a"), Rejection.DEPLOYMENT_UNKNOWN),
        (newer, Rejection.PROTOCOL_DIFFERS),
        (msgspec.structs.replace(newer, overwrite=True), Rejection.PROTOCOL_DIFFERS),
        (_update("a", "a", _service("openapi"), overwrite=True), Rejection.RESERVED_NAME),
    ]
    for command, reason in refused:
        state, outcome = _after(registered, command)
        assert isinstance(outcome, Rejected)
        assert outcome.reason == reason
        assert (state.version, state.deployments) == (before.version, before.deployments)
    _, outcome = _after(registered, ModifyService("W", workflow_completion_retention_ms=1))
    assert isinstance(outcome, Modified)


def test_a_deployment_moves_and_keeps_its_services() -> None:
    state, outcome = _after(_register("a", _service("S")), _update("a", "b", _service("T")))
    assert isinstance(outcome, Updated)
    moved = state.deployments["dp_a"]
    assert (moved.uri, moved.http_version, moved.protocol_mode) == (
        "http://host/b",
        "HTTP/1.1",
        ProtocolMode.REQUEST_RESPONSE,
    )
    assert (moved.additional_headers, moved.metadata, moved.sdk_version) == ({}, {"k": "v"}, "sdk/2")
    assert moved.created_at_ms == 1000
    assert _revisions(state, "dp_a") == {"S": 1}
    assert deployment_at(state, "http://host/a") is None
    assert deployment_at(state, "http://host/b") is moved


def test_overwrite_takes_the_services_and_keeps_their_age() -> None:
    """The older deployment is overwritten: what it had before does not become the newest; what is new to it does."""
    state, _ = _after(
        _register("a", _service("S"), _service("Gone")),
        _register("b", _service("S"), _service("New")),
        _update("a", "a", _service("S", ServiceKind.WORKFLOW), _service("New"), overwrite=True),
    )
    assert _revisions(state, "dp_a") == {"S": 1, "New": 2}
    assert state.services["S"].deployment_id == "dp_b"
    assert state.services["New"].deployment_id == "dp_a"
    assert "Gone" not in state.services


def test_of_two_at_one_address_the_newest_is_meant() -> None:
    state, _ = _after(
        _register("a", _service("S")), _register("b", _service("T"), at_ms=2000), _update("a", "b", _service("S"))
    )
    found = deployment_at(state, "http://host/b")
    assert found is not None
    assert found.id == "dp_b"
