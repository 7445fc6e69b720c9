"""Raft messages on the wire: round trips, strangers' kinds, malformed ones."""

from __future__ import annotations

import pickle
from typing import Any

import msgspec
import pytest

from logd.peers.wire import PeerMessage, RaftFrame, decode, decode_raft, encode_raft

MESSAGES: list[dict[str, Any]] = [
    {
        "type": "append_entries",
        "term": 3,
        "commit_index": 8,
        "entries": [(b"\0x", 10, 3), (b"", 11, 3)],
        "prevLogIdx": 9,
        "prevLogTerm": 2,
    },
    {"type": "append_entries", "term": 3, "commit_index": 8, "entries": [], "prevLogIdx": 9, "prevLogTerm": 2},
    {"type": "append_entries", "term": 3, "commit_index": 8, "serialized": None},
    {"type": "next_node_idx", "term": 3, "next_node_idx": 10, "reset": False, "success": True},
    {"type": "request_vote", "term": 3, "last_log_index": 9, "last_log_term": 2},
    {"type": "response_vote", "term": 3},
    {"type": "timeout_now", "term": 3},
]


def frame(message: dict[str, Any]) -> RaftFrame:
    decoded: PeerMessage = decode(encode_raft("p-1", message))
    assert isinstance(decoded, RaftFrame)
    return decoded


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message["type"])
def test_round_trip(message: dict[str, Any]) -> None:
    received = frame(message)
    assert (received.group, received.kind) == ("p-1", message["type"])
    assert decode_raft(received) == message


def test_an_append_has_the_version_1_bytes() -> None:
    """Golden: nodes of different builds talk."""
    assert encode_raft("p-1", {"type": "response_vote", "term": 3}).hex() == (
        "9403" + "a3702d31" + "ad726573706f6e73655f766f7465" + "82a474797065ad726573706f6e73655f766f7465a47465726d03"
    )


def test_unknown_kinds_are_none() -> None:
    for kind in ("apply_command", "install", ""):
        assert decode_raft(frame({"type": kind, "command": b"x"})) is None


def test_fields_that_lead_to_a_pickle_are_dropped() -> None:
    """pysyncobj would unpickle these."""
    evil = MESSAGES[1] | {"transmission": "finish", "data": pickle.dumps(1)}
    assert decode_raft(frame(evil)) == MESSAGES[1]


@pytest.mark.parametrize(
    "change",
    [
        {"term": "3"},
        {"commit_index": None},
        {"entries": [(b"x", 11, 3)]},
        {"entries": [(b"x", 10, 3), (b"y", 12, 3)]},
        {"entries": [("x", 10, 3)]},
        {"entries": [(b"x", 10)]},
        {"serialized": [b"", True, True]},
        {"prevLogIdx": "9"},
    ],
)
def test_malformed_messages_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_raft(frame(MESSAGES[0] | change))


def test_an_append_without_its_previous_term_is_refused() -> None:
    message = {name: value for name, value in MESSAGES[0].items() if name != "prevLogTerm"}
    with pytest.raises(msgspec.ValidationError):
        decode_raft(frame(message))
