"""Records of group meta: golden bytes for each command, refusal of all else."""

from __future__ import annotations

import msgspec
import pytest

from metad.registry.codec import FORMAT_VERSION, decode_proposal, encode_proposal
from metad.registry.commands import (
    AtVersion,
    CreatePartitionTable,
    DeleteRules,
    IsAbsent,
    MetaCommand,
    Proposal,
    RegisterDeployment,
    RemoveDeployment,
    RuleDelete,
    RuleUpsert,
    Snapshot,
    UpsertRules,
)
from metad.registry.registry import apply
from metad.registry.state import EMPTY
from shared.catalog.deployments import ProtocolMode
from shared.catalog.services import Handler, Service, ServiceKind
from shared.errors import CorruptionError
from shared.wal.commands import HandlerKind

_UID = bytes(range(16))
_REGISTER = RegisterDeployment(
    id="dp_1",
    at_ms=1_700_000_000_000,
    uri="http://h/",
    protocol_mode=ProtocolMode.BIDI_STREAM,
    http_version="HTTP/2.0",
    min_protocol_version=5,
    max_protocol_version=6,
    services=[
        Service(
            name="S",
            kind=ServiceKind.VIRTUAL_OBJECT,
            handlers={"h": Handler(name="h", kind=HandlerKind.OBJECT_EXCLUSIVE)},
            deployment_id="",
            revision=0,
        )
    ],
    additional_headers={"a": "b"},
    metadata={},
    sdk_version=None,
    force=False,
    breaking=True,
)
#: As version 1 wrote them. These bytes are in people's logs: they are never to change.
_GOLDEN: dict[str, tuple[MetaCommand, str]] = {
    "create": (CreatePartitionTable(4), "0192c410000102030405060708090a0b0c0d0e0f920104"),
    "remove": (RemoveDeployment("dp_1"), "0192c410000102030405060708090a0b0c0d0e0f9203a464705f31"),
    "register": (
        _REGISTER,
        "0192c410000102030405060708090a0b0c0d0e0f9e02a464705f31cf0000018bcfe56800a9687474703a2f2f682faa426964"
        "6953747265616da8485454502f322e3005069185a46e616d65a153a46b696e64ad5669727475616c4f626a656374a868616e"
        "646c65727381a16882a46e616d65a168a46b696e6401ad6465706c6f796d656e745f6964a0a87265766973696f6e0081a161"
        "a16280c0c2c3",
    ),
    "upsert rules": (
        UpsertRules(
            1_700_000_000_000,
            [
                RuleUpsert("s/*", 2, "d", True, AtVersion(3)),
                RuleUpsert("*", None, None, False, IsAbsent()),
                RuleUpsert("t", 1, None, False),
            ],
        ),
        "0192c410000102030405060708090a0b0c0d0e0f9304cf0000018bcfe568009395a3732f2a02a164c392010395a12ac0c0c2"
        "910295a17401c0c2c0",
    ),
    "delete rules": (
        DeleteRules([RuleDelete("s"), RuleDelete("t/a/b", AtVersion(1))]),
        "0192c410000102030405060708090a0b0c0d0e0f92059292a173c092a5742f612f62920101",
    ),
}


@pytest.mark.parametrize("name", _GOLDEN)
def test_bytes_of_format_1(name: str) -> None:
    command, golden = _GOLDEN[name]
    proposal = Proposal(_UID, command)
    assert encode_proposal(proposal).hex() == golden
    assert decode_proposal(bytes.fromhex(golden)) == proposal


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes([FORMAT_VERSION]),
        bytes([FORMAT_VERSION + 1]) + encode_proposal(Proposal(_UID, CreatePartitionTable(4)))[1:],
        encode_proposal(Proposal(_UID, CreatePartitionTable(4)))[:-1],
        encode_proposal(Proposal(_UID, CreatePartitionTable(4))) + b"x",
        bytes([FORMAT_VERSION]) + msgspec.msgpack.encode([_UID, [99, 4]]),
    ],
    ids=["empty", "no body", "newer format", "cut", "longer", "unknown tag"],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptionError):
        decode_proposal(data)


def test_bytes_of_a_snapshot_in_format_1() -> None:
    """The state in it has names of fields, so that they may be added anywhere."""
    state, _ = apply(EMPTY, Proposal(b"u" * 16, CreatePartitionTable(1)))
    golden = (
        "0192c410000102030405060708090a0b0c0d0e0f93060787a776657273696f6e01ab6465706c6f796d656e747380a873"
        "6572766963657380af706172746974696f6e5f7461626c6582a776657273696f6e01aa706172746974696f6e73919300"
        "00cfffffffffffffffffb0726563656e745f70726f706f73616c7391c41075757575757575757575757575757575a572"
        "756c657380ad72756c65735f76657273696f6e00"
    )
    proposal = Proposal(_UID, Snapshot(7, state))
    assert encode_proposal(proposal).hex() == golden
    assert decode_proposal(bytes.fromhex(golden)) == proposal
