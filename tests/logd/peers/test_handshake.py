"""Who may speak: both ends prove the secret, in their own role, or are turned away."""

from __future__ import annotations

import pytest

from logd.peers.handshake import WIRE_VERSION, Handshake
from logd.peers.wire import Hello, PeerMessage, Ping, Proof
from shared.errors import RemoteProtocolError

MEMBERS = frozenset({"a", "b", "c"})


def make(
    node: str,
    peer: str | None = None,
    *,
    secret: bytes | None = b"s",
    members: frozenset[str] = MEMBERS,
    nonce: bytes | None = None,
) -> Handshake:
    return Handshake(node=node, peer=peer, members=members - {node}, secret=secret, nonce=nonce or node.encode() * 16)


def meet(dialler: Handshake, accepter: Handshake) -> None:
    """Carry messages to and fro until nobody has anything to say."""
    to_accepter: list[PeerMessage] = dialler.start()
    assert accepter.start() == []
    while to_accepter:
        to_dialler = [answer for message in to_accepter for answer in accepter.receive(message)]
        to_accepter = [answer for message in to_dialler for answer in dialler.receive(message)]


@pytest.mark.parametrize("secret", [None, b"s"])
def test_two_members_meet(secret: bytes | None) -> None:
    dialler, accepter = make("a", "b", secret=secret), make("b", secret=secret)
    meet(dialler, accepter)
    assert (dialler.done, accepter.done, accepter.peer) == (True, True, "a")


@pytest.mark.parametrize(("mine", "other"), [(b"s", b"t"), (None, b"s"), (b"s", None)])
def test_a_wrong_secret_is_turned_away(mine: bytes | None, other: bytes | None) -> None:
    dialler, accepter = make("a", "b", secret=mine), make("b", secret=other)
    with pytest.raises(RemoteProtocolError, match="a does not know the cluster's secret"):
        meet(dialler, accepter)
    assert not dialler.done
    assert not accepter.done


def test_an_accepter_with_a_wrong_secret_is_found_by_the_dialler() -> None:
    dialler = make("a", "b")
    dialler.start()
    dialler.receive(Hello(WIRE_VERSION, "b", "a", b"n" * 16))
    with pytest.raises(RemoteProtocolError, match="b does not know"):
        dialler.receive(Proof(b"x" * 32))
    assert not dialler.done


def test_a_proof_cannot_be_sent_back() -> None:
    """An accepter that knows no secret answers with the dialler's own number and its own proof."""
    dialler = make("a", "b")
    dialler.start()
    [proof] = dialler.receive(Hello(WIRE_VERSION, "b", "a", b"a" * 16))
    with pytest.raises(RemoteProtocolError, match="does not know"):
        dialler.receive(proof)


def test_a_recorded_proof_is_of_no_use_later() -> None:
    first, accepter = make("a", "b"), make("b", nonce=b"1" * 16)
    [hello] = first.start()
    [answer] = accepter.receive(hello)
    [proof] = first.receive(answer)
    accepter.receive(proof)
    assert accepter.done
    later = make("b", nonce=b"2" * 16)
    later.receive(hello)
    with pytest.raises(RemoteProtocolError, match="does not know"):
        later.receive(proof)


@pytest.mark.parametrize(
    ("hello", "why"),
    [
        (Hello(WIRE_VERSION, "x", "b", b"n" * 16), "x is no member"),
        (Hello(WIRE_VERSION, "b", "b", b"n" * 16), "b is no member"),
        (Hello(WIRE_VERSION, "a", "c", b"n" * 16), "wants c, this is b"),
        (
            Hello(WIRE_VERSION + 1, "a", "b", b"n" * 16),
            f"a speaks version {WIRE_VERSION + 1}, this node",
        ),
        (Hello(WIRE_VERSION - 1, "a", "b", b"n" * 16), "all nodes must be of one build"),
        (Hello(WIRE_VERSION, "a", "b", b""), "16 bytes"),
    ],
)
def test_who_says_hello_wrongly_is_turned_away(hello: Hello, why: str) -> None:
    with pytest.raises(RemoteProtocolError, match=why):
        make("b").receive(hello)


def test_a_dialler_that_reaches_somebody_else_says_so() -> None:
    dialler = make("a", "b")
    dialler.start()
    with pytest.raises(RemoteProtocolError, match="this is c"):
        dialler.receive(Hello(WIRE_VERSION, "c", "a", b"n" * 16))


@pytest.mark.parametrize("message", [Proof(b""), Ping()])
def test_nothing_is_heard_before_hello(message: PeerMessage) -> None:
    with pytest.raises(RemoteProtocolError, match="unexpected"):
        make("b", secret=None).receive(message)
