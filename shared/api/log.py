"""What one may say to logd and what it answers. Pure: no I/O.

A group is one Raft log, by name: `meta`, or `p-<partition id>`. A batch is what one Raft command
carries: opaque bytes to logd. Its LSN is its Raft index: LSNs grow, with gaps (Raft's own entries).
"""

from __future__ import annotations

import msgspec

__all__ = [
    "Append",
    "Appended",
    "Committed",
    "Follow",
    "Following",
    "GroupStatus",
    "Leadership",
    "LogError",
    "LogReply",
    "LogRequest",
    "LogStatus",
    "LogStatusReply",
    "Read",
    "ReadReply",
    "Trim",
    "Trimmed",
    "encode_kept_append",
    "partition_group",
]

META_GROUP = "meta"
_encode = msgspec.msgpack.Encoder().encode


def partition_group(partition_id: int) -> str:
    """The Raft group of a partition."""
    return f"p-{partition_id}"


class _Message(msgspec.Struct, array_like=True, gc=False):
    """Messages are positional on the wire: fields are only ever added, at the end, with a default."""


class Append(_Message, tag=1):
    """Order this batch in `group`. Answered by `Appended` once it is on disk on a quorum and committed.

    Appends of one connection to one group keep their order. A `LogError` or a lost connection means
    that the outcome is unknown: the batch may still be committed later.
    """

    request_id: int
    group: str
    payload: bytes
    #: The sender follows the group on this connection and keeps the payload: `Committed` need not bring it again.
    kept: bool = False


def encode_kept_append(request_id: int, group: str, payload: bytes) -> tuple[bytes, bytes, bytes]:
    """An `Append` that is kept, in the pieces of one message: a large payload is not copied into it."""
    whole = _encode(Append(request_id, group, b"", True))
    return whole[:-3] + b"\xc6" + len(payload).to_bytes(4, "big"), payload, whole[-1:]


class Follow(_Message, tag=2):
    """Open `group` (made when unknown) and send, from now on, every committed batch with LSN >= `from_lsn`.

    Answered by `Following`, then `Leadership`, then `Committed` in LSN order with no batch left out.
    """

    request_id: int
    group: str
    from_lsn: int


class Read(_Message, tag=3):
    """Committed batches with LSN >= `from_lsn`, up to about `bytes_limit` bytes, at least one if there is any."""

    request_id: int
    group: str
    from_lsn: int
    bytes_limit: int = 1024 * 1024


class Trim(_Message, tag=4):
    """Batches with LSN <= `lsn` are needed no more: a flushed checkpoint covers them."""

    request_id: int
    group: str
    lsn: int


class LogStatus(_Message, tag=5):
    """How each group stands."""

    request_id: int


LogRequest = Append | Follow | Read | Trim | LogStatus


class Appended(_Message, tag=65):
    """The batch is committed at `lsn`."""

    request_id: int
    lsn: int


class Following(_Message, tag=66):
    """The tail is subscribed. `first_lsn`: oldest batch still held (0: none yet); `tail_lsn`: newest committed."""

    request_id: int
    group: str
    first_lsn: int
    tail_lsn: int


class Leadership(_Message, tag=67):
    """Pushed to followers of a group when they subscribe and at every change.

    `leader` is the name of the leading node, None while there is none.
    """

    group: str
    term: int
    is_leader: bool
    leader: str | None


class Committed(_Message, tag=68):
    """A committed batch, pushed to followers: it is on disk on a quorum. `tail_lsn` is the newest committed one."""

    group: str
    lsn: int
    tail_lsn: int
    payload: bytes
    #: Not 0: the payload is empty here, it is that of the receiver's own append of this number.
    request_id: int = 0


class ReadReply(_Message, tag=69):
    """(lsn, payload) in order. Fewer than asked for means that the tail is reached."""

    request_id: int
    batches: list[tuple[int, bytes]]
    tail_lsn: int


class Trimmed(_Message, tag=70):
    """The oldest LSN still held after the trim."""

    request_id: int
    first_lsn: int


class GroupStatus(_Message):
    """One group: Raft's view and what is stored."""

    group: str
    term: int
    is_leader: bool
    leader: str | None
    first_lsn: int
    tail_lsn: int
    stored_bytes: int


class LogStatusReply(_Message, tag=71):
    """One row a group, and how many syncs logd has made since it started."""

    request_id: int
    groups: list[GroupStatus]
    syncs: int


class LogError(_Message, tag=72):
    """The request failed. `code`: `too_large`, `not_leader`, `trimmed`, `stopping`, `bad_request`."""

    request_id: int
    code: str
    message: str


LogReply = Appended | Following | Leadership | Committed | ReadReply | Trimmed | LogStatusReply | LogError
