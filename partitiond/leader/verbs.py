"""What operators ask of one invocation: pause, resume, restart as new.

The machine decides, by the record. What it cannot know is put into it here: deployments of the catalog, and how the
last attempt failed.
"""

from __future__ import annotations

from partitiond.leader.leader import Leader
from partitiond.leader.replies import Peer
from shared.api.partition import KEEP, LATEST, PauseRequest, RestartRequest, ResumeRequest, TerminateReply
from shared.wal.commands import DeploymentChoice, PauseInvocation, RestartAsNew, ResumeInvocation

__all__ = ["pause", "restart", "resume"]


def pause(leader: Leader, peer: Peer, request: PauseRequest) -> None:
    number = leader.answers.expect(peer, request.request_id)
    failure = leader.invoker.last_failure(leader, request.invocation_id)
    leader.propose_command(PauseInvocation(request.invocation_id, number, failure))


def resume(leader: Leader, peer: Peer, request: ResumeRequest) -> None:
    try:
        deployment = _deployment(leader, request)
    except LookupError as error:
        peer.send(TerminateReply(request.request_id, str(error)))
        return
    number = leader.answers.expect(peer, request.request_id)
    leader.propose_command(ResumeInvocation(request.invocation_id, number, deployment))


def restart(leader: Leader, peer: Peer, request: RestartRequest) -> None:
    try:
        deployment = _deployment(leader, request)
    except LookupError as error:
        peer.send(TerminateReply(request.request_id, str(error)))
        return
    number = leader.answers.expect(peer, request.request_id)
    leader.propose_command(
        RestartAsNew(
            request.invocation_id,
            request.new_id,
            number,
            request.from_index,
            deployment,
            request.deployment == LATEST,
        )
    )


def _deployment(leader: Leader, request: ResumeRequest | RestartRequest) -> DeploymentChoice | None:
    """None: keep what it is pinned to. Raises LookupError with the outcome."""
    if request.deployment == KEEP:
        return None
    row = leader.load(request.invocation_id)
    if row is None:
        raise LookupError("not_found")
    wanted = None if request.deployment == LATEST else request.deployment
    choice = leader.invoker.deployment_of(row.target, wanted)
    if choice is None:
        raise LookupError("deployment_unknown")
    return choice
