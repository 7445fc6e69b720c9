"""How far a replay is, and how it is told."""

from __future__ import annotations

import logging

import pytest

from partitiond.replay import Replay
from shared.api.partition import PartitionStatus
from tests.fakes.sim_log import SimLog
from tests.fakes.sim_loop import simulate
from tests.partitiond.leader.rig import FakePeer, Node, until
from tests.partitiond.machine.fixtures import invoke, new_id


def test_progress_counts_from_where_the_store_ended() -> None:
    replay = Replay(from_lsn=1000, tail_lsn=3000, now_s=10.0)
    assert (replay.percent(1000), replay.left_s(1000, 10.0), replay.left_s(1000, 12.0)) == (0, None, None)
    assert replay.percent(1840) == 42
    assert replay.left_s(1500, 15.0) == 15.0
    assert replay.percent(2999) == 99
    assert (replay.percent(3000), replay.percent(3100), replay.left_s(3100, 20.0)) == (100, 100, 0)


def test_progress_is_told_now_and_then_and_at_the_end() -> None:
    replay = Replay(from_lsn=0, tail_lsn=1000, now_s=0.0)
    told = [replay.news(lsn, lsn / 100) for lsn in range(100, 1001, 100)]
    assert [line is not None for line in told] == [False, True] * 5
    assert told[1] == "replays, 20 %: lsn=200 of 1000, 100 records/s, 8 s left"
    assert told[-1] == "has replayed 1000 records in 10.0 s, 100 records/s"


def test_a_processor_tells_of_its_replay_until_it_has_caught_up(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        log = SimLog()
        first = await Node(log).follow().leading()
        for _ in range(20):
            peer = FakePeer()
            first.invoke(peer, invoke(new_id()))
        await until(lambda: len(first.invoker.started) == 20)
        tail = first.processor.applied_lsn
        assert first.processor.status().replay == ""
        first.crash()
        second = Node(log).follow()
        await until(lambda: second.processor.status().applied_lsn >= tail)
        await second.leading()
        status = second.processor.status()
        assert (status.replay, status.replayed_percent, status.ready) == ("", 100, True)

    with caplog.at_level(logging.INFO):
        simulate(scenario())
    assert sum("has replayed" in record.getMessage() for record in caplog.records) == 1


def test_a_status_says_in_words_what_a_partition_does() -> None:
    assert PartitionStatus(3, 0, 9, False, 0, 5, 0, 9, 0, 42, 12.3).replay == "replays, 42 %, 12 s left"
    assert PartitionStatus(3, 0, 9, False, 0, 5, 0, 9, 0, 0, -1.0).replay == "replays, 0 %"
    assert PartitionStatus(3, 0, 9, True, 7, 9, 0, 9, 0).replay == ""
