"""What clients of the worker's socket ask of one partition's leader."""

from __future__ import annotations

import asyncio

import msgspec

from partitiond.leader import verbs
from partitiond.leader.leader import Leader
from partitiond.leader.replies import Peer
from shared.api.partition import (
    LARGE_BYTES,
    AttachRequest,
    AwakeableReply,
    AwakeableRequest,
    DeliverReply,
    DeliverRequest,
    ForgetRequest,
    InvokeRequest,
    Moved,
    PatchStateReply,
    PatchStateRequest,
    PauseRequest,
    RestartRequest,
    ResultReply,
    ResumeRequest,
    TerminateRequest,
)
from shared.errors import UnavailableError
from shared.storage.values import Status
from shared.wal.commands import CompleteAwakeable, Deliver, OutboxMessage, Terminate

__all__ = ["LeaderRequest", "deliver_locally", "handle"]

LeaderRequest = (
    InvokeRequest
    | AttachRequest
    | AwakeableRequest
    | DeliverRequest
    | TerminateRequest
    | ForgetRequest
    | PauseRequest
    | ResumeRequest
    | RestartRequest
    | PatchStateRequest
)


def handle(leader: Leader, peer: Peer, request: LeaderRequest) -> None:
    """Begin to answer one request. Each gets exactly one reply, now or later; `ForgetRequest` gets none."""
    if not leader.leading:
        if type(request) is not ForgetRequest:
            peer.send(Moved(request.request_id, f"partition {leader.partition.id} has no leader here yet"))
        return
    match request:
        case InvokeRequest():
            invoke = request.invoke
            leader.replies.wait(peer, request.request_id, invoke.id, invoke.request_uid, wants_result=request.wait)
            leader.propose_command(invoke)
            if len(invoke.input) > LARGE_BYTES:
                leader.lane.took(peer, len(invoke.input))
        case AttachRequest():
            _attach(leader, peer, request)
        case AwakeableRequest():
            leader.propose_command(CompleteAwakeable(request.invocation_id, request.signal, request.result))
            leader.answers.once_applied(peer, request.request_id, AwakeableReply(request.request_id))
            if isinstance(request.result, bytes) and len(request.result) > LARGE_BYTES:
                leader.lane.took(peer, len(request.result))
        case DeliverRequest():
            leader.propose_command(Deliver(request.sender, request.messages))
            upto_seq = request.messages[-1][0] if request.messages else 0
            leader.answers.once_applied(peer, request.request_id, DeliverReply(request.request_id, upto_seq))
        case TerminateRequest():
            number = leader.answers.expect(peer, request.request_id)
            leader.propose_command(Terminate(request.invocation_id, request.mode, number))
        case PauseRequest():
            verbs.pause(leader, peer, request)
        case ResumeRequest():
            verbs.resume(leader, peer, request)
        case RestartRequest():
            verbs.restart(leader, peer, request)
        case PatchStateRequest():
            leader.propose_command(request.patch)
            leader.answers.once_applied(peer, request.request_id, PatchStateReply(request.request_id))
            size = sum(len(name) + len(value) for name, value in request.patch.state)
            if size > LARGE_BYTES:
                leader.lane.took(peer, size)
        case ForgetRequest():
            leader.replies.forget(peer, request.request_id)


def _attach(leader: Leader, peer: Peer, request: AttachRequest) -> None:
    row = leader.load(request.invocation_id)
    if row is None:
        peer.send(ResultReply(request.request_id, None, found=False))
    elif row.status is Status.COMPLETED:
        peer.send(ResultReply(request.request_id, row.result, row.expires_at_ms, target=row.target))
    elif request.wait:
        leader.replies.wait(peer, request.request_id, request.invocation_id, b"", wants_result=True)
    else:
        peer.send(ResultReply(request.request_id, None, ready=False))


class _LocalPeer:
    """Stands for this very worker among the peers of a leader."""

    def __init__(self) -> None:
        self.reply: asyncio.Future[msgspec.Struct] = asyncio.get_running_loop().create_future()

    def send(self, message: msgspec.Struct) -> None:
        if not self.reply.done():
            self.reply.set_result(message)

    def hold(self, *, on: bool) -> None:
        """It waits for each reply."""


async def deliver_locally(leader: Leader, sender: int, messages: list[tuple[int, OutboxMessage]]) -> None:
    """Messages of another partition of this very worker. Raises UnavailableError when this one does not lead."""
    peer = _LocalPeer()
    handle(leader, peer, DeliverRequest(0, leader.partition.id, sender, messages))
    reply = await peer.reply
    if isinstance(reply, Moved):
        raise UnavailableError(reply.message)
