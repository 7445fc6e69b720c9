"""Our frames: within the peer's windows, in order, fair, and none after the end."""

from collections import deque

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    HeadersFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from partitiond.invoker.http2.frames import STREAM_ID_MAX
from partitiond.invoker.http2.outflow import BUDGET_BYTES
from partitiond.invoker.http2.settings import PoolSettings
from partitiond.invoker.http2.stream import NOWHERE, Stream

from .recorder import PREFACE, PureClient, Recorder, parse_frames


def bodies(client: PureClient) -> list[tuple[int, int, bool]]:
    return [
        (frame.stream_id, len(frame.data), "END_STREAM" in frame.flags)
        for frame in client.frames()
        if isinstance(frame, DataFrame)
    ]


def test_the_preface_announces_no_table_no_push_and_our_windows() -> None:
    client = PureClient(PoolSettings(stream_window_bytes=100_000, connection_window_bytes=1_000_000))
    assert client.taken.startswith(PREFACE)
    settings, update = parse_frames(client.taken[len(PREFACE) :])
    assert isinstance(settings, SettingsFrame)
    assert settings.settings == {1: 0, 2: 0, 4: 100_000, 6: 65_536}
    assert isinstance(update, WindowUpdateFrame)
    assert update.window_increment == 1_000_000 - 65_535


def test_writes_of_one_turn_wake_once() -> None:
    client = PureClient()
    before = client.wakes
    for _ in range(5):
        client.open()[0].send(b"x", end=True)
    assert client.wakes == before + 1
    assert len(client.frames()) == 10


def test_a_request_without_body_is_one_frame() -> None:
    client = PureClient()
    client.open(end=True)
    (head,) = client.frames()
    assert isinstance(head, HeadersFrame)
    assert set(head.flags) == {"END_HEADERS", "END_STREAM"}


def test_a_long_head_goes_out_as_continuations() -> None:
    client = PureClient()
    stream = Stream(Recorder(), NOWHERE, bodiless=False)
    client.sender.open(stream, b"z" * 40_000)
    frames = client.frames()
    assert [type(frame) for frame in frames] == [HeadersFrame, ContinuationFrame, ContinuationFrame]
    assert ["END_HEADERS" in frame.flags for frame in frames] == [False, False, True]


def test_bodies_stop_at_the_stream_window_and_go_on_after_an_update() -> None:
    client = PureClient(INITIAL_WINDOW_SIZE=10)
    stream, told = client.open()
    assert stream.send(b"12345")
    assert not stream.send(b"67890abc")
    assert not stream.send(b"", end=False)
    assert not stream.send(b"de")
    assert not stream.writable
    assert bodies(client) == [(1, 10, False)]
    client.receive(WindowUpdateFrame(1, window_increment=4))
    assert bodies(client) == [(1, 3, False)]
    assert told.calls == []
    client.receive(WindowUpdateFrame(1, window_increment=1))
    assert told.calls == ["writable"]
    assert stream.writable
    client.receive(WindowUpdateFrame(1, window_increment=1))
    stream.close_request()
    assert bodies(client) == [(1, 2, True)]
    assert told.calls == ["writable"]


def test_what_a_stream_writes_at_one_time_is_one_frame_if_nothing_comes_between() -> None:
    client = PureClient()
    one, _ = client.open()
    other, _ = client.open()
    client.frames()
    for data in (b"a", b"bc", b"def"):
        one.send(data)
    other.send(b"x")
    one.send(b"g")
    one.close_request()
    assert bodies(client) == [(1, 6, False), (3, 1, False), (1, 1, True)]
    one_more, _ = client.open()
    one_more.send(b"h")
    assert bodies(client) == [(5, 1, False)]


def test_a_frame_of_several_writes_is_no_larger_than_the_peer_takes() -> None:
    client = PureClient()
    stream, _ = client.open()
    client.frames()
    for size in (10_000, 6_000, 384, 1):
        stream.send(bytes(size))
    assert bodies(client) == [(1, 16_384, False), (1, 1, False)]


def test_a_peer_that_gives_back_frame_by_frame_is_not_sent_ever_smaller_ones() -> None:
    """Each tail of a message would make a small frame, and each small frame a small window, for good."""
    client = PureClient()
    client.receive(WindowUpdateFrame(0, window_increment=1 << 24))
    stream, _ = client.open()
    sizes: list[int] = []
    unread: deque[int] = deque()
    for _ in range(100):
        stream.send(bytes(100_008))
        while True:
            sent = [size for _, size, _ in bodies(client)]
            client.sender.refill()
            sizes += sent
            unread += sent
            if stream.writable:
                break
            client.receive(WindowUpdateFrame(1, window_increment=unread.popleft()))
    assert sum(sizes) == 100 * 100_008
    # Seven whole frames a message would do; without care it is more than eighty.
    assert len(sizes) <= 100 * 14


def test_the_end_rides_on_the_last_piece_that_waited() -> None:
    client = PureClient(INITIAL_WINDOW_SIZE=0)
    stream, told = client.open()
    assert not stream.send(b"abc")
    stream.close_request()
    client.receive(WindowUpdateFrame(1, window_increment=3))
    assert bodies(client) == [(1, 3, True)]
    assert told.calls == []


def test_an_end_alone_needs_no_window() -> None:
    client = PureClient(INITIAL_WINDOW_SIZE=0)
    stream, _ = client.open()
    client.receive(SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 0}))
    stream.close_request()
    assert bodies(client) == [(1, 0, True)]


def test_a_lowered_initial_window_may_be_negative_and_an_end_still_leaves() -> None:
    client = PureClient(INITIAL_WINDOW_SIZE=100)
    (stream, told), (other, _) = client.open(), client.open()
    assert stream.send(bytes(90))
    assert other.send(bytes(90))
    client.receive(SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 20}))
    client.frames()
    assert stream.send_window == -70
    assert not stream.send(b"x")
    other.close_request()
    assert bodies(client) == [(3, 0, True)]
    client.receive(WindowUpdateFrame(1, window_increment=70))
    assert bodies(client) == []
    client.receive(SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 21}))
    assert bodies(client) == [(1, 1, False)]
    assert told.calls == ["writable"]


def test_the_connection_window_is_shared_in_turns() -> None:
    client = PureClient(INITIAL_WINDOW_SIZE=1_000_000)
    (a, _), (b, _) = client.open(), client.open()
    assert not a.send(bytes(100_000), end=True)
    assert not b.send(bytes(100_000), end=True)
    assert sum(size for _, size, _ in bodies(client)) == 65_535
    client.receive(WindowUpdateFrame(0, window_increment=4 * 16_384))
    assert [stream_id for stream_id, _, _ in bodies(client)] == [1, 3, 1, 3]
    client.receive(WindowUpdateFrame(0, window_increment=1_000_000))
    sent = bodies(client)
    assert [stream_id for stream_id, _, _ in sent[:2]] == [1, 3]
    assert [stream_id for stream_id, _, end in sent if end] == [1, 3]


def test_a_stream_stopped_by_its_own_window_does_not_stop_others() -> None:
    client = PureClient(INITIAL_WINDOW_SIZE=10)
    (a, _), (b, _) = client.open(), client.open()
    assert not a.send(bytes(20))
    assert b.send(bytes(10))
    assert bodies(client) == [(1, 10, False), (3, 10, False)]


def test_no_more_than_the_budget_gathers_before_it_is_taken() -> None:
    client = PureClient(INITIAL_WINDOW_SIZE=2**31 - 1)
    client.receive(WindowUpdateFrame(0, window_increment=2**31 - 1 - 65_535))
    client.frames()
    stream, told = client.open()
    assert not stream.send(bytes(1_000_000))
    sent = 0
    while not stream.writable:
        size = sum(size for _, size, _ in bodies(client))
        assert 0 < size <= BUDGET_BYTES
        sent += size
        client.sender.refill()
    assert sent + sum(size for _, size, _ in bodies(client)) == 1_000_000
    assert told.calls == ["writable"]


def test_larger_frames_are_used_where_the_peer_takes_them() -> None:
    client = PureClient(INITIAL_WINDOW_SIZE=1_000_000, MAX_FRAME_SIZE=30_000)
    stream, _ = client.open()
    stream.send(bytes(60_000))
    assert [size for _, size, _ in bodies(client)] == [30_000, 30_000]


def test_a_reset_drops_what_waits_and_is_idempotent() -> None:
    client = PureClient(INITIAL_WINDOW_SIZE=0)
    stream, told = client.open()
    stream.send(b"never")
    stream.reset(2)
    stream.reset()
    assert stream.send(b"nothing")
    stream.close_request()
    stream.consumed(0)
    frames = client.frames()
    assert [type(frame) for frame in frames] == [HeadersFrame, RstStreamFrame]
    assert frames[1].error_code == 2
    client.receive(WindowUpdateFrame(1, window_increment=100))
    assert client.frames() == []
    assert not client.sender.blocked
    assert told.calls == []


def test_a_body_after_the_end_is_our_own_fault() -> None:
    stream, _ = PureClient().open()
    stream.close_request()
    with pytest.raises(AssertionError):
        stream.send(b"x")


def test_an_owner_may_write_and_reset_others_inside_on_writable() -> None:
    client = PureClient(INITIAL_WINDOW_SIZE=1_000_000)
    (a, told), (b, other) = client.open(), client.open()
    assert not a.send(bytes(65_536))
    assert not b.send(bytes(10))
    client.frames()
    told.when_called = lambda call: (b.reset(), a.send(b"more")) if told.calls == ["writable"] else None
    client.receive(WindowUpdateFrame(0, window_increment=1))
    assert told.calls == ["writable"]
    assert other.calls == []
    client.receive(WindowUpdateFrame(0, window_increment=100))
    assert bodies(client) == [(1, 1, False), (1, 4, False)]


def test_a_writable_callback_that_raises_ends_its_stream_only() -> None:
    client = PureClient(INITIAL_WINDOW_SIZE=0)
    (stream, told), (other, _) = client.open(), client.open()
    stream.send(b"x")
    other.send(b"y")

    def explode(call: str) -> None:
        if call == "writable":
            raise RuntimeError("ours")

    told.when_called = explode
    client.receive(SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 10}))
    assert told.calls == ["writable", "error"]
    assert len(client.reported) == 1
    assert list(client.sender.streams) == [3]
    assert other.writable


def test_stream_ids_run_out_and_the_connection_drains() -> None:
    client = PureClient()
    client.sender.next_id = STREAM_ID_MAX
    assert client.sender.limit > 0
    stream, _ = client.open()
    assert stream.id == STREAM_ID_MAX
    assert client.sender.limit == 0
    assert client.sender.draining
    assert stream.send(b"still open", end=True)


def test_the_lower_of_both_stream_limits_holds() -> None:
    assert PureClient().sender.limit == 128
    assert PureClient(MAX_CONCURRENT_STREAMS=1000).sender.limit == 128
    assert PureClient(MAX_CONCURRENT_STREAMS=2).sender.limit == 2
    client = PureClient(MAX_CONCURRENT_STREAMS=0)
    assert client.sender.limit == 0
    client.receive(SettingsFrame(0, {SettingsFrame.MAX_CONCURRENT_STREAMS: 7}))
    assert client.sender.limit == 7
