"""Large requests wait for the log, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable

from partitiond.leader.lane import UNAPPLIED_BYTES, Lane
from tests.partitiond.leader.rig import FakePeer

MB = 1024 * 1024


def test_a_connection_is_held_while_the_log_is_behind() -> None:
    applied: list[Callable[[], None]] = []
    lane, left, right = Lane(applied.append), FakePeer(), FakePeer()
    for _ in range(UNAPPLIED_BYTES // MB):
        lane.took(left, MB)
    assert left.held == []
    lane.took(right, MB)
    lane.took(right, MB)
    assert (left.held, right.held) == ([], [True]), "only who brings more than the log takes"
    for _ in range(5):
        applied.pop(0)()
    assert right.held == [True]
    applied.pop(0)()
    assert right.held == [True, False]
    lane.took(right, 20 * MB)
    assert right.held == [True, False, True]


def test_a_lost_leader_holds_nobody() -> None:
    applied: list[Callable[[], None]] = []
    lane, peer = Lane(applied.append), FakePeer()
    lane.took(peer, 20 * MB)
    lane.stop()
    assert peer.held == [True, False]
    lane.took(peer, MB)
    applied[0]()
    lane.took(peer, UNAPPLIED_BYTES)
    assert peer.held == [True, False, True], "what the old leadership proposed is not taken off"
