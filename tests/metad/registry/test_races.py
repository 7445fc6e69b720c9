"""Requests that race come to the log in some order: in each one, every service is whole or not there.

In life: two operators, or a pipeline that is run twice, register, move and remove the same deployments at once. Each
has looked at what was there before, and each one's command is decided by what is there when the log applies it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec
import pytest

from metad.registry.commands import (
    MetaCommand,
    ModifyService,
    Proposal,
    RegisterDeployment,
    RemoveDeployment,
    UpdateDeployment,
)
from metad.registry.outcomes import Outcome, Registered, Rejected, Removed, Unchanged, Updated
from metad.registry.registry import apply
from metad.registry.state import EMPTY, RegistryState
from shared.catalog.deployments import ProtocolMode
from shared.catalog.services import Handler, Service, ServiceKind
from shared.wal.commands import HandlerKind

_PAIR = ("First", "Second")


def _service(name: str, kind: ServiceKind = ServiceKind.SERVICE, handler: str = "h") -> Service:
    kinds = {ServiceKind.SERVICE: HandlerKind.SERVICE, ServiceKind.VIRTUAL_OBJECT: HandlerKind.OBJECT_EXCLUSIVE}
    return Service(
        name=name, kind=kind, handlers={handler: Handler(handler, kinds[kind])}, deployment_id="", revision=0
    )


def _register(
    key: str, *services: Service, path: str | None = None, force: bool = False, breaking: bool = False
) -> RegisterDeployment:
    return RegisterDeployment(
        id=f"dp_{key}",
        at_ms=1000,
        uri=f"http://host/{path or key}",
        protocol_mode=ProtocolMode.BIDI_STREAM,
        http_version="HTTP/2.0",
        min_protocol_version=5,
        max_protocol_version=6,
        services=list(services),
        additional_headers={},
        metadata={},
        sdk_version=None,
        force=force,
        breaking=breaking or force,
    )


def _update(key: str, *services: Service, path: str, overwrite: bool = False, maximum: int = 6) -> UpdateDeployment:
    return UpdateDeployment(
        id=f"dp_{key}",
        uri=f"http://host/{path}",
        protocol_mode=ProtocolMode.REQUEST_RESPONSE,
        http_version="HTTP/1.1",
        min_protocol_version=5,
        max_protocol_version=maximum,
        services=list(services),
        additional_headers={},
        sdk_version="sdk/2",
        overwrite=overwrite,
    )


def _pair(**options: object) -> list[Service]:
    return [_service(name, **options) for name in _PAIR]  # type: ignore[arg-type]


#: All that may race. Most have both services, so that one without the other is half of something.
COMMANDS: dict[str, MetaCommand] = {
    "plain": _register("a", *_pair()),
    "plain, the same place": _register("b", *_pair(handler="other"), path="a"),
    "forced, the same place": _register("c", *_pair(handler="forced"), path="a", force=True),
    "another place": _register("d", *_pair(handler="moved")),
    "another type": _register("e", _service("Second", ServiceKind.VIRTUAL_OBJECT), _service("Extra")),
    "another type, breaking": _register(
        "f", *_pair(kind=ServiceKind.VIRTUAL_OBJECT, handler="broken"), path="f", breaking=True
    ),
    "a reserved name": _register("g", *_pair(), _service("restated")),
    "moved": _update("a", path="x"),
    "overwritten": _update("a", _service("First", handler="over"), _service("Extra"), path="a", overwrite=True),
    "overwritten by what is reserved": _update("a", *_pair(), _service("OpenAPI"), path="a", overwrite=True),
    "of another protocol": _update("a", *_pair(handler="seven"), path="a", overwrite=True, maximum=7),
    "changed": ModifyService("First", False, 5, None, None, None, None),
    "removed": RemoveDeployment("dp_a"),
    "the other removed": RemoveDeployment("dp_d"),
}


def _validate(before: RegistryState, state: RegistryState, outcome: Outcome) -> None:
    if isinstance(outcome, Rejected | Unchanged):
        assert (state.deployments, state.services) == (before.deployments, before.services)
    newest: dict[str, Service] = {}
    for held in state.deployments.values():
        for service in held.services.values():
            assert service.deployment_id == held.id
            assert service.handlers, "a service without what it was registered with"
            assert service.revision > 0
            other = newest.get(service.name)
            assert other is None or other.revision != service.revision, "two of one revision"
            if other is None or service.revision > other.revision:
                newest[service.name] = service
    assert state.services == newest


def _told(command: MetaCommand, outcome: Outcome) -> None:
    """What a proposer is told is the whole of what it asked for, or that it was refused."""
    match outcome:
        case Registered() if isinstance(command, RegisterDeployment):
            assert set(outcome.deployment.services) == {service.name for service in command.services}
        case Updated() if isinstance(command, UpdateDeployment) and command.overwrite:
            assert set(outcome.deployment.services) == {service.name for service in command.services}
        case Rejected() | Unchanged() | Updated() | Removed():
            pass
        case _:
            assert isinstance(command, ModifyService)


def _run(names: Sequence[str]) -> RegistryState:
    state = EMPTY
    for number, name in enumerate(names):
        command = COMMANDS[name]
        before = state
        state, outcome = apply(before, Proposal(number.to_bytes(16, "big"), command))
        assert outcome is not None
        try:
            _validate(before, state, outcome)
            _told(command, outcome)
        except AssertionError as error:
            error.add_note(f"after {names[: number + 1]}")
            raise
    return state


def test_in_every_order_of_three_nothing_is_half_done() -> None:
    for names in itertools.permutations(COMMANDS, 3):
        _run(names)


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(COMMANDS, 2)))
def test_a_command_that_is_repeated_behind_another_one_changes_nothing(first: str, second: str) -> None:
    """Its proposer has not heard of the first one, since the leader of the log changed, and sends it again."""
    proposals = [Proposal(bytes(15) + bytes([number]), COMMANDS[name]) for number, name in enumerate((first, second))]
    state = EMPTY
    for proposal in proposals:
        state, _ = apply(state, proposal)
    again, outcome = apply(state, proposals[0])
    assert (again, outcome) == (state, None)


def test_of_two_plain_ones_of_one_place_the_first_in_the_log_is_there_whole() -> None:
    for names in itertools.permutations(("plain", "plain, the same place")):
        state = _run(names)
        (held,) = state.deployments.values()
        first = COMMANDS[names[0]]
        assert isinstance(first, RegisterDeployment)
        assert held.id == first.id
        assert {service.name: list(service.handlers) for service in held.services.values()} == {
            service.name: list(service.handlers) for service in first.services
        }


def test_a_forced_one_beside_a_plain_one_is_there_in_both_orders() -> None:
    for names in itertools.permutations(("plain", "forced, the same place")):
        state = _run(names)
        (held,) = state.deployments.values()
        # Where the plain one comes last it changes nothing; where it comes first it is replaced.
        assert {handler for service in held.services.values() for handler in service.handlers} == {"forced"}


def test_of_two_types_of_one_service_one_is_refused_with_all_that_came_with_it() -> None:
    for names in itertools.permutations(("plain", "another type")):
        state = _run(names)
        (held,) = state.deployments.values()
        first = COMMANDS[names[0]]
        assert isinstance(first, RegisterDeployment)
        assert set(state.services) == set(held.services) == {service.name for service in first.services}


def test_what_was_removed_meanwhile_is_not_brought_back_by_a_change_of_it() -> None:
    for change in ("moved", "overwritten", "changed"):
        state = _run(("plain", "removed", change))
        assert not state.deployments
        assert not state.services
        assert msgspec.structs.replace(state, version=0, recent_proposals=()) == EMPTY
