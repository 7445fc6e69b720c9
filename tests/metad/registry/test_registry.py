"""The registry's decisions, one table or story each."""

from __future__ import annotations

import msgspec
import pytest

from metad.registry.changes import is_reserved
from metad.registry.commands import CreatePartitionTable, MetaCommand, Proposal, RegisterDeployment, RemoveDeployment
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
from metad.registry.registry import apply, deployment_at
from metad.registry.state import EMPTY, PROPOSALS_REMEMBERED, RegistryState
from shared.catalog.defaults import Defaults
from shared.catalog.deployments import ProtocolMode
from shared.catalog.partitions import KEY_SPACE
from shared.catalog.services import Service, ServiceKind


def _service(name: str, kind: ServiceKind = ServiceKind.SERVICE) -> Service:
    return Service(name=name, kind=kind, handlers={}, deployment_id="", revision=0)


def _register(
    key: str, *services: Service, path: str | None = None, force: bool = False, breaking: bool = False
) -> RegisterDeployment:
    """A deployment `dp_<key>` at path `/<key>`, or at `path`."""
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


class Story:
    """Applies commands, each with its own uid, and holds the invariants after each."""

    def __init__(self) -> None:
        self.state: RegistryState = EMPTY
        self._count = 0

    def apply(self, command: MetaCommand) -> Outcome:
        self._count += 1
        before = self.state
        self.state, outcome = apply(before, Proposal(self._count.to_bytes(16, "big"), command))
        assert outcome is not None
        changed = not isinstance(outcome, Rejected | Unchanged | PartitionTableExists)
        assert self.state.version == before.version + changed
        if not changed:
            assert (self.state.deployments, self.state.services) == (before.deployments, before.services)
        _validate(self.state)
        return outcome

    def revision(self, service: str) -> tuple[int, str] | None:
        found = self.state.services.get(service)
        return None if found is None else (found.revision, found.deployment_id)


def _validate(state: RegistryState) -> None:
    held: dict[str, list[Service]] = {}
    for deployment in state.deployments.values():
        for service in deployment.services.values():
            assert service.deployment_id == deployment.id
            held.setdefault(service.name, []).append(service)
    newest = {name: max(revisions, key=lambda service: service.revision) for name, revisions in held.items()}
    assert state.services == newest
    for revisions in held.values():
        assert len({service.revision for service in revisions}) == len(revisions)


def test_first_registration_creates() -> None:
    story = Story()
    outcome = story.apply(_register("a", _service("S")))
    assert isinstance(outcome, Registered)
    assert outcome.created
    assert story.revision("S") == (1, "dp_a")
    assert outcome.deployment.services["S"].deployment_id == "dp_a"


def test_every_registration_bumps_the_revision_and_becomes_the_newest() -> None:
    story = Story()
    story.apply(_register("a", _service("S"), _service("T")))
    story.apply(_register("b", _service("S")))
    assert story.revision("S") == (2, "dp_b")
    assert story.revision("T") == (1, "dp_a")


@pytest.mark.parametrize(
    ("again", "same"),
    [
        ("http://host/a", True),
        ("https://host/a", True),
        ("http://HOST/a", True),
        ("http://host/a/", False),
        ("http://host/A", False),
        ("http://host:80/a", False),
        ("http://other/a", False),
    ],
)
def test_identity_of_a_deployment(again: str, same: bool) -> None:
    story = Story()
    story.apply(_register("a", _service("S")))
    outcome = story.apply(msgspec.structs.replace(_register("b", _service("S")), uri=again))
    assert isinstance(outcome, Unchanged) == same
    assert (deployment_at(story.state, again) == story.state.deployments["dp_a"]) == same


def test_force_replaces_in_place() -> None:
    story = Story()
    story.apply(_register("a", _service("S"), _service("Gone")))
    outcome = story.apply(_register("new", _service("S"), path="a", force=True))
    assert isinstance(outcome, Registered)
    assert not outcome.created
    assert list(story.state.deployments) == ["dp_a"]
    assert story.revision("S") == (2, "dp_a")
    assert story.revision("Gone") is None


def test_service_that_a_replacement_drops_falls_back_to_another_deployment() -> None:
    story = Story()
    story.apply(_register("a", _service("S")))
    story.apply(_register("b", _service("S")))
    story.apply(_register("x", _service("T"), path="b", force=True))
    assert story.revision("S") == (1, "dp_a")


def test_force_on_an_old_deployment_makes_it_the_newest() -> None:
    story = Story()
    story.apply(_register("a", _service("S")))
    story.apply(_register("b", _service("S")))
    story.apply(_register("x", _service("S"), path="a", force=True))
    assert story.revision("S") == (3, "dp_a")


def test_removal_falls_back_to_the_greatest_revision_left() -> None:
    story = Story()
    for key in ("a", "b", "c"):
        story.apply(_register(key, _service("S")))
    assert story.apply(RemoveDeployment("dp_a")) == Removed("dp_a")
    assert story.revision("S") == (3, "dp_c")
    story.apply(RemoveDeployment("dp_c"))
    assert story.revision("S") == (2, "dp_b")
    story.apply(_register("d", _service("S")))
    assert story.revision("S") == (3, "dp_d")
    story.apply(RemoveDeployment("dp_b"))
    story.apply(RemoveDeployment("dp_d"))
    assert story.revision("S") is None
    # Nothing is left that a new type could break.
    story.apply(_register("e", _service("S", ServiceKind.WORKFLOW)))
    assert story.revision("S") == (1, "dp_e")


def test_removal_of_an_unknown_deployment_is_rejected() -> None:
    outcome = Story().apply(RemoveDeployment("dp_a"))
    assert isinstance(outcome, Rejected)
    assert outcome.reason is Rejection.DEPLOYMENT_UNKNOWN


@pytest.mark.parametrize(
    ("kind", "force", "breaking", "taken"),
    [
        (ServiceKind.SERVICE, False, False, True),
        (ServiceKind.VIRTUAL_OBJECT, False, False, False),
        (ServiceKind.WORKFLOW, False, False, False),
        (ServiceKind.VIRTUAL_OBJECT, False, True, True),
        (ServiceKind.VIRTUAL_OBJECT, True, False, True),
    ],
)
def test_type_change_needs_breaking_or_force(kind: ServiceKind, force: bool, breaking: bool, taken: bool) -> None:
    story = Story()
    story.apply(_register("a", _service("S")))
    outcome = story.apply(_register("b", _service("Fine"), _service("S", kind), force=force, breaking=breaking))
    assert isinstance(outcome, Registered) == taken
    if isinstance(outcome, Rejected):
        assert outcome.reason is Rejection.TYPE_CHANGED
        assert "'S'" in outcome.message
        assert story.revision("Fine") is None


@pytest.mark.parametrize(
    ("name", "reserved"),
    [
        ("restate", True),
        ("ReStAtEful", True),
        ("openapi", True),
        ("OpenApi", True),
        ("openapis", False),
        ("_restate", False),
    ],
)
def test_reserved_names(name: str, reserved: bool) -> None:
    assert is_reserved(name) == reserved
    outcome = Story().apply(_register("a", _service(name), force=True))
    assert isinstance(outcome, Rejected) == reserved


def test_partition_table_is_made_once_and_covers_the_key_space() -> None:
    story = Story()
    assert story.state.catalog(Defaults()) is None
    assert story.apply(CreatePartitionTable(4)) == PartitionTableCreated()
    catalog = story.state.catalog(Defaults())
    assert catalog is not None
    table = catalog.partition_table
    assert [each.id for each in table.partitions] == [0, 1, 2, 3]
    assert (table.partitions[0].start_key, table.partitions[-1].end_key) == (0, KEY_SPACE - 1)
    assert story.apply(CreatePartitionTable(8)) == PartitionTableExists()
    assert story.state.partition_table == table


def test_a_repeated_proposal_changes_nothing() -> None:
    """Raft may commit a record twice after a change of leader, and a proposer repeats after a lost connection."""
    proposal = Proposal(b"u" * 16, _register("a", _service("S"), force=True))
    once, outcome = apply(EMPTY, proposal)
    assert isinstance(outcome, Registered)
    assert apply(once, proposal) == (once, None)


def test_remembered_proposals_are_bounded() -> None:
    story = Story()
    for _ in range(PROPOSALS_REMEMBERED + 5):
        story.apply(RemoveDeployment("dp_x"))
    assert len(story.state.recent_proposals) == PROPOSALS_REMEMBERED


def test_two_replays_are_equal() -> None:
    stories = [Story(), Story()]
    for story in stories:
        story.apply(CreatePartitionTable(3))
        story.apply(_register("a", _service("S"), _service("T")))
        story.apply(_register("b", _service("T"), _service("S")))
        story.apply(RemoveDeployment("dp_a"))
    first, second = (msgspec.msgpack.encode(story.state) for story in stories)
    assert first == second
