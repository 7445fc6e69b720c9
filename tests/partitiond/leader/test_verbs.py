"""Pause, resume and restart as new, from the request to the reply, with what the catalog and the invoker know."""

from __future__ import annotations

from typing import Any

import pytest

from shared.api.partition import Moved, PauseRequest, RestartRequest, ResumeRequest, TerminateReply
from shared.storage import keys, values
from shared.storage.values import EventKind, Status
from shared.wal.commands import DeploymentChoice, End, FailureDetail, InvokerEffects, Pin, Suspend
from tests.fakes.sim_log import SimLog
from tests.fakes.sim_loop import simulate
from tests.partitiond.leader.rig import FakePeer, Node, until
from tests.partitiond.machine.fixtures import invoke, new_id, output

BOOM = FailureDetail(500, "boom", "RT0007")


class _Stage:
    """A leading node, a client, and an invocation that is pinned to dp_1 by protocol version 5."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.peer = FakePeer()
        self.id = new_id()
        node.invoker.deployments = {
            None: DeploymentChoice("dp_2", 5, 6),
            "dp_3": DeploymentChoice("dp_3", 7, 7),
        }

    async def start(self, *effects: Any) -> None:
        self.node.invoke(self.peer, invoke(self.id), wait=False)
        await until(lambda: self.node.invoker.started)
        self.node.leader.propose(InvokerEffects(self.id, self.generation, [Pin("dp_1", 6), *effects]))
        await until(lambda: (row := self.node.row(self.id)) is not None and row.deployment_id)

    @property
    def generation(self) -> int:
        row = self.node.row(self.id)
        assert row is not None
        return row.generation

    async def ask(self, request: Any) -> str:
        request.request_id = number = len(self.peer.replies) + 1000
        self.node.handle(self.peer, request)
        await until(lambda: self.peer.replies[number])
        reply = self.peer.only(number)
        assert isinstance(reply, TerminateReply)
        return reply.outcome


def play(*effects: Any, scene: Any) -> None:
    async def scenario() -> None:
        stage = _Stage(await Node(SimLog()).follow().leading())
        await stage.start(*effects)
        await scene(stage)

    simulate(scenario())


def test_pause_takes_the_last_failure_with_it() -> None:
    async def scene(stage: _Stage) -> None:
        stage.node.invoker.failures[stage.id] = BOOM
        assert await stage.ask(PauseRequest(0, 0, stage.id)) == "pausing"
        assert stage.node.invoker.calls[-1] == ("abort", stage.id, stage.generation)
        stored = stage.node.store.get(keys.event_key(stage.id, 0))
        event = values.decode_event(stored)
        assert (event.kind, event.failure) == (EventKind.PAUSED, BOOM)
        assert await stage.ask(PauseRequest(0, 0, stage.id)) == "paused"
        assert await stage.ask(ResumeRequest(0, 0, stage.id)) == "done"
        assert stage.node.invoker.calls[-1] == ("start", stage.id, stage.generation)

    play(scene=scene)


def test_resume_of_one_that_is_not_paused_asks_for_a_retry() -> None:
    async def scene(stage: _Stage) -> None:
        assert await stage.ask(ResumeRequest(0, 0, stage.id)) == "done"
        assert stage.node.invoker.calls[-1] == ("retry_now", stage.id, stage.generation)

    play(scene=scene)


@pytest.mark.parametrize(
    ("deployment", "outcome", "pinned"),
    [
        ("keep", "done", "dp_1"),
        ("latest", "done", "dp_2"),
        ("dp_3", "incompatible", "dp_1"),
        ("dp_4", "deployment_unknown", "dp_1"),
    ],
)
def test_resume_chooses_a_deployment(deployment: str, outcome: str, pinned: str) -> None:
    async def scene(stage: _Stage) -> None:
        assert await stage.ask(ResumeRequest(0, 0, stage.id, deployment)) == outcome
        row = stage.node.row(stage.id)
        assert row is not None
        assert row.deployment_id == pinned
        assert row.status is (Status.INVOKED if outcome == "done" else Status.SUSPENDED)

    play(Suspend([], [17], []), scene=scene)


@pytest.mark.parametrize(
    ("from_index", "deployment", "outcome", "pinned"),
    [
        (0, "latest", "done", None),
        (0, "keep", "done", "dp_1"),
        (1, "latest", "done", "dp_2"),
        (1, "dp_3", "incompatible", None),
        (0, "dp_4", "deployment_unknown", None),
        (5, "keep", "bad_prefix", None),
    ],
)
def test_restart_as_new(from_index: int, deployment: str, outcome: str, pinned: str | None) -> None:
    async def scene(stage: _Stage) -> None:
        new = stage.id[:8] + b"n" * 16
        assert await stage.ask(RestartRequest(0, 0, stage.id, new, from_index, deployment)) == outcome
        row = stage.node.row(new)
        assert (row is not None) == (outcome == "done")
        if row is not None:
            assert (row.deployment_id, row.restarted_from) == (pinned, stage.id)
            assert stage.node.invoker.started[-1] == new

    play(output(), End(), scene=scene)


def test_unknown_invocations_and_workers_that_do_not_lead() -> None:
    async def scene(stage: _Stage) -> None:
        nobody = stage.id[:8] + b"?" * 16
        assert await stage.ask(PauseRequest(0, 0, nobody)) == "not_found"
        for deployment in ("keep", "latest"):
            assert await stage.ask(ResumeRequest(0, 0, nobody, deployment)) == "not_found"
            assert await stage.ask(RestartRequest(0, 0, nobody, stage.id[:8] + b"n" * 16, 0, deployment)) == "not_found"
        stage.node.leader.step_down("test")
        stage.node.handle(stage.peer, ResumeRequest(7, 0, stage.id))
        assert isinstance(stage.peer.only(7), Moved)

    play(scene=scene)
