"""How each partition stands, asked of the workers. Owns: a connection for the time of the question."""

from __future__ import annotations

import socket

import msgspec

from shared.api.partition import PartitionReply, PartitionStatus, WorkerStatusReply, WorkerStatusRequest
from shared.config import Settings
from shared.errors import EverlogError
from shared.rpc.frames import FrameReader, encode_frame

__all__ = ["partition_statuses"]

#: A worker that replays is busy for a commit at a time.
_TIMEOUT_S = 1.0
_decode = msgspec.msgpack.Decoder(PartitionReply).decode


def partition_statuses(settings: Settings) -> list[tuple[int, PartitionStatus]]:
    """(worker, partition) of every worker that answers, by partition."""
    found = [(worker, status) for worker in range(settings.worker_count) for status in _ask(settings, worker)]
    return sorted(found, key=lambda each: each[1].partition_id)


def _ask(settings: Settings, worker: int) -> list[PartitionStatus]:
    reader = FrameReader()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT_S)
        try:
            connection.connect(str(settings.socket(f"partitiond-{worker}")))
            connection.sendall(encode_frame(msgspec.msgpack.encode(WorkerStatusRequest(1))))
            while data := connection.recv(65536):
                for message in reader.feed(data):
                    reply = _decode(message)
                    if isinstance(reply, WorkerStatusReply):
                        return reply.partitions
        except (OSError, EverlogError, msgspec.MsgspecError):
            return []
    return []
