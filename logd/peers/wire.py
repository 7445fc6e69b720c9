"""What peers say to each other <-> bytes. Pure: no I/O.

Raft messages are the dicts that pysyncobj makes; each kind is checked field by field on arrival and
anything else in it is dropped. Nothing from the wire is ever unpickled.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

import msgspec

__all__ = ["Hello", "PeerMessage", "Ping", "Proof", "RaftFrame", "decode", "decode_raft", "encode_raft"]


class _Message(msgspec.Struct, array_like=True):
    """Positional: fields are only ever added, at the end, with a default."""


class Hello(_Message, tag=1):
    """First from both ends: who speaks, to whom, and a number for the other end to prove itself with."""

    version: int
    node: str
    to: str
    nonce: bytes


class Proof(_Message, tag=2):
    """Knowledge of the cluster's secret; empty in a cluster without."""

    digest: bytes


class RaftFrame(_Message, tag=3):
    """One Raft message of one group. An unknown `kind` is dropped: newer nodes may have more."""

    group: str
    kind: str
    body: msgspec.Raw


class Ping(_Message, tag=4):
    """The connection lives."""


PeerMessage = Hello | Proof | RaftFrame | Ping

decode = msgspec.msgpack.Decoder(PeerMessage).decode


class _AppendEntries(TypedDict):
    type: str
    term: int
    commit_index: int
    entries: NotRequired[list[tuple[bytes, int, int]]]
    prevLogIdx: NotRequired[int]
    prevLogTerm: NotRequired[int]
    serialized: NotRequired[None]


class _NextNodeIdx(TypedDict):
    type: str
    term: int
    next_node_idx: int
    reset: bool
    success: bool


class _RequestVote(TypedDict):
    type: str
    term: int
    last_log_index: int
    last_log_term: int


class _Term(TypedDict):
    type: str
    term: int


_DECODERS: dict[str, msgspec.msgpack.Decoder[Any]] = {
    "append_entries": msgspec.msgpack.Decoder(_AppendEntries),
    "next_node_idx": msgspec.msgpack.Decoder(_NextNodeIdx),
    "request_vote": msgspec.msgpack.Decoder(_RequestVote),
    "response_vote": msgspec.msgpack.Decoder(_Term),
    "timeout_now": msgspec.msgpack.Decoder(_Term),
}
_encode = msgspec.msgpack.Encoder().encode


def encode_raft(group: str, message: dict[str, Any]) -> bytes:
    return _encode(RaftFrame(group, message["type"], msgspec.Raw(_encode(message))))


def decode_raft(frame: RaftFrame) -> dict[str, Any] | None:
    """The message, or None for an unknown kind. Raises MsgspecError for a known one that is malformed."""
    decoder = _DECODERS.get(frame.kind)
    if decoder is None:
        return None
    message: dict[str, Any] = decoder.decode(frame.body)
    message["type"] = frame.kind
    if frame.kind == "append_entries" and "prevLogIdx" in message:
        previous, entries = message["prevLogIdx"], message.setdefault("entries", [])
        if "prevLogTerm" not in message or any(
            entry[1] != index for index, entry in enumerate(entries, start=previous + 1)
        ):
            raise msgspec.ValidationError("entries of an append are not consecutive")
    return message
