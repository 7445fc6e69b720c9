"""Records of group meta: golden bytes for each command, refusal of all else."""

from __future__ import annotations

import msgspec
import pytest

from metad.registry import codec
from metad.registry.codec import FORMAT_VERSION, decode_proposal, encode_proposal
from metad.registry.commands import (
    AtVersion,
    CreatePartitionTable,
    DeleteRules,
    IsAbsent,
    MetaCommand,
    ModifyService,
    Proposal,
    RegisterDeployment,
    RemoveDeployment,
    RuleDelete,
    RuleUpsert,
    Snapshot,
    UpdateDeployment,
    UpsertRules,
)
from metad.registry.registry import apply
from metad.registry.state import EMPTY
from shared.catalog.deployments import ProtocolMode
from shared.catalog.services import Handler, Service, ServiceKind
from shared.errors import CorruptionError, FormatError
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
#: Commands since 0.4, in the same format.
_GOLDEN |= {
    "modify service": (
        ModifyService("S", public=False, journal_retention_ms=1000),
        "0192c410000102030405060708090a0b0c0d0e0f9807a153c2c0c0cd03e8c0c0",
    ),
    "update deployment": (
        UpdateDeployment("dp_1", "http://h/", ProtocolMode.BIDI_STREAM, "HTTP/2.0", 5, 6, [], {"a": "b"}, "s", True),
        "0192c410000102030405060708090a0b0c0d0e0f9b08a464705f31a9687474703a2f2f682faa4269646953747265616da848"
        "5454502f322e3005069081a161a162a173c3",
    ),
}


@pytest.mark.parametrize("name", _GOLDEN)
def test_bytes_of_format_1(name: str) -> None:
    command, golden = _GOLDEN[name]
    proposal = Proposal(_UID, command)
    # Nothing but the number in front has changed since.
    assert encode_proposal(proposal).hex() == f"{FORMAT_VERSION:02x}{golden[2:]}"
    assert decode_proposal(bytes.fromhex(golden)) == proposal


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes([FORMAT_VERSION]),
        b"\0" + encode_proposal(Proposal(_UID, CreatePartitionTable(4)))[1:],
        encode_proposal(Proposal(_UID, CreatePartitionTable(4)))[:-1],
        encode_proposal(Proposal(_UID, CreatePartitionTable(4))) + b"x",
        bytes([FORMAT_VERSION]) + msgspec.msgpack.encode([_UID, [99, 4]]),
    ],
    ids=["empty", "no body", "version 0", "cut", "longer", "unknown tag"],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptionError):
        decode_proposal(data)


def test_a_newer_version_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode_proposal(Proposal(_UID, CreatePartitionTable(4)))
    newer = bytes([FORMAT_VERSION + 1]) + data[1:]
    with pytest.raises(FormatError, match=rf"meta has format version {FORMAT_VERSION + 1}; this build reads 1 to"):
        decode_proposal(newer)
    monkeypatch.setattr(codec, "FORMAT_VERSION", 1)
    with pytest.raises(FormatError, match=rf"format version {FORMAT_VERSION}; this build reads 1: use the newer build"):
        decode_proposal(data)


def test_bytes_of_a_snapshot_in_format_2() -> None:
    """The state in it has names of fields, so that they may be added anywhere."""
    state, _ = apply(EMPTY, Proposal(b"u" * 16, CreatePartitionTable(1)))
    golden = (
        "0292c410000102030405060708090a0b0c0d0e0f93060787a776657273696f6e01ab6465706c6f796d656e747380a873"
        "6572766963657380af706172746974696f6e5f7461626c6582a776657273696f6e01aa706172746974696f6e73919300"
        "00cfffffffffffffffffb0726563656e745f70726f706f73616c7391c41075757575757575757575757575757575a572"
        "756c657380ad72756c65735f76657273696f6e00"
    )
    proposal = Proposal(_UID, Snapshot(7, state))
    assert encode_proposal(proposal).hex() == golden
    assert decode_proposal(bytes.fromhex(golden)) == proposal
