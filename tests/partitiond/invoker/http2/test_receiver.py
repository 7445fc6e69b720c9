"""The peer's frames: right callbacks for what is legal, the error of the RFC for what is not."""

import gc
import weakref

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from partitiond.invoker.http2 import frames as f
from partitiond.invoker.http2.errors import ErrorKind
from partitiond.invoker.http2.frames import error_name
from partitiond.invoker.http2.settings import PoolSettings
from partitiond.invoker.http2.stream import NOWHERE, Stream

from .recorder import BLOCK, PureClient, Recorder, block, response

OK = (":status", "200")


def data(stream_id: int, payload: bytes, *, end: bool = False, pad: int | None = None) -> Frame:
    frame = DataFrame(stream_id, payload)
    if end:
        frame.flags.add("END_STREAM")
    if pad is not None:
        frame.flags.add("PADDED")
        frame.pad_length = pad
    return frame


def raw(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream_id.to_bytes(4, "big") + payload


# ---- what is legal


def test_a_response_in_one_read() -> None:
    client = PureClient()
    stream, told = client.open(end=True)
    client.receive(response(1, ("a", "b")), data(1, b"one"), data(1, b"two", end=True))
    assert told.calls == ["response", "data", "data", "end"]
    assert (told.status, told.headers.items(), told.body) == (200, (("a", "b"),), b"onetwo")
    assert not client.sender.streams
    stream.reset()
    assert [type(frame) for frame in client.frames()] == [HeadersFrame]


def test_every_split_point_of_a_response_gives_the_same_callbacks() -> None:
    wire = b"".join(
        frame.serialize()
        for frame in (response(1, status="103"), response(1), data(1, b"hello", pad=3), PingFrame(0, b"12345678"))
    )
    wire += raw(f.HEADERS, f.END_STREAM, 1, block(("t", "1"))[:2]) + raw(f.CONTINUATION, 4, 1, block(("t", "1"))[2:])
    for at in range(len(wire)):
        client = PureClient()
        stream, told = client.open(end=True)
        client.receive(wire[:at])
        client.receive(wire[at:])
        assert told.calls == ["response", "data", "end"]
        assert told.body == b"hello"
        assert stream.trailers is not None
        assert stream.trailers["t"] == "1"


def test_a_response_may_end_while_the_request_is_open() -> None:
    client = PureClient()
    stream, told = client.open()
    client.receive(response(1, flags=("END_STREAM",)))
    assert told.calls == ["response", "end"]
    assert client.sender.streams == {1: stream}
    assert stream.send(b"more")
    stream.close_request()
    stream.close_request()
    assert not client.sender.streams
    assert [(type(x), "END_STREAM" in x.flags) for x in client.frames()[1:]] == [(DataFrame, True)]


@pytest.mark.parametrize("code", [f.NO_ERROR, f.CANCEL])
def test_a_reset_after_the_response_is_not_an_error(code: int) -> None:
    client = PureClient()
    stream, told = client.open()
    client.receive(response(1, flags=("END_STREAM",)), RstStreamFrame(1, code))
    assert told.calls == ["response", "end"]
    assert not client.sender.streams
    assert stream.send(b"nobody reads this", end=True)
    assert client.receiver.failure is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [(f.REFUSED_STREAM, ErrorKind.REFUSED), (f.INTERNAL_ERROR, ErrorKind.RESET), (99, ErrorKind.RESET)],
)
def test_a_reset_tells_its_code(code: int, kind: ErrorKind) -> None:
    client = PureClient()
    _, told = client.open()
    client.receive(response(1), RstStreamFrame(1, code))
    assert told.calls == ["response", "error"]
    assert told.error is not None
    assert (told.error.kind, told.error.code, told.error.sent) == (kind, code, True)
    assert error_name(code) in told.error.message


def test_padding_counts_for_flow_control_but_is_not_delivered() -> None:
    client = PureClient(PoolSettings(stream_window_bytes=1000))
    _, told = client.open()
    client.receive(response(1), data(1, b"x" * 300, pad=250), data(1, b"", pad=10))
    assert told.body == b"x" * 300
    (update,) = [x for x in client.frames() if isinstance(x, WindowUpdateFrame)]
    assert (update.stream_id, update.window_increment) == (1, 551)


def test_padding_is_given_back_although_the_owner_consumes_by_hand() -> None:
    client = PureClient(PoolSettings(stream_window_bytes=1000))
    stream, told = client.open()
    stream.auto_consume = False
    client.receive(response(1), data(1, b"x" * 300, pad=250))
    stream.consumed(300)
    (update,) = [x for x in client.frames() if isinstance(x, WindowUpdateFrame)]
    assert (update.stream_id, update.window_increment) == (1, 551)
    with pytest.raises(AssertionError):
        stream.consumed(1)
    assert told.calls == ["response", "data"]


def test_headers_with_priority_and_padding() -> None:
    client = PureClient()
    _, told = client.open(end=True)
    frame = response(1, ("a", "b"), flags=("PADDED", "PRIORITY", "END_STREAM"))
    frame.pad_length = 7
    client.receive(frame)
    assert told.calls == ["response", "end"]
    assert told.headers["a"] == "b"


def test_informational_heads_are_passed_over() -> None:
    client = PureClient()
    _, told = client.open(end=True)
    client.receive(response(1, status="100"), response(1, status="103"), response(1, flags=("END_STREAM",)))
    assert told.calls == ["response", "end"]


def test_a_head_response_has_a_length_without_a_body() -> None:
    client = PureClient()
    _, told = client.open(end=True, method="HEAD")
    client.receive(response(1, ("content-length", "5"), flags=("END_STREAM",)))
    assert told.calls == ["response", "end"]


@pytest.mark.parametrize("status", ["204", "304"])
def test_a_status_without_body_may_name_a_length(status: str) -> None:
    client = PureClient()
    _, told = client.open(end=True)
    client.receive(response(1, ("content-length", "5"), status=status, flags=("END_STREAM",)))
    assert told.calls == ["response", "end"]


def test_ping_and_settings_are_answered() -> None:
    client = PureClient()
    client.receive(PingFrame(0, b"abcdefgh"), SettingsFrame(0, {SettingsFrame.MAX_FRAME_SIZE: 20_000}))
    ping, acknowledgement = client.frames()
    assert isinstance(ping, PingFrame)
    assert (ping.opaque_data, set(ping.flags)) == (b"abcdefgh", {"ACK"})
    assert isinstance(acknowledgement, SettingsFrame)
    assert set(acknowledgement.flags) == {"ACK"}


def test_answers_to_ping_and_unknown_frames_are_dropped() -> None:
    client = PureClient()
    answer = PingFrame(0, b"12345678")
    answer.flags.add("ACK")
    client.receive(answer, raw(0xBE, 0xFF, 77, b"whatever"), PriorityFrame(1, exclusive=True))
    assert client.receiver.failure is None
    assert client.frames() == []


def test_late_frames_of_a_closed_stream_are_dropped_but_counted() -> None:
    client = PureClient(PoolSettings(connection_window_bytes=65_535))
    stream, told = client.open()
    stream.reset()
    client.receive(response(1), data(1, bytes(16_384)), data(1, bytes(16_384)), data(1, b"x", end=True))
    client.receive(WindowUpdateFrame(1, window_increment=5), RstStreamFrame(1, 0))
    assert told.calls == []
    _, reset, update = client.frames()
    assert (type(reset), reset.error_code) == (RstStreamFrame, f.CANCEL)
    assert (update.stream_id, update.window_increment) == (0, 32_769)


def test_an_owner_that_does_not_consume_stops_its_stream_only() -> None:
    client = PureClient(PoolSettings(stream_window_bytes=40_000, connection_window_bytes=65_535))
    slow, told = client.open()
    slow.auto_consume = False
    client.receive(response(1), data(1, bytes(16_000)), data(1, bytes(16_000)), data(1, bytes(8_000)))
    updates = [x for x in client.frames() if isinstance(x, WindowUpdateFrame)]
    assert [x.stream_id for x in updates] == [0]
    slow.consumed(10_000)
    assert client.frames() == []
    slow.consumed(10_000)
    assert [(x.stream_id, x.window_increment) for x in client.frames()] == [(1, 20_000)]
    assert len(told.body) == 40_000


def test_goaway_refuses_what_the_peer_did_not_take() -> None:
    client = PureClient()
    (_, first), (_, second) = client.open(end=True), client.open(end=True)
    client.receive(GoAwayFrame(0, last_stream_id=2**31 - 1))
    assert (first.calls, second.calls, client.sender.limit) == ([], [], 0)
    client.receive(GoAwayFrame(0, last_stream_id=1, additional_data=b"bye"))
    assert second.error is not None
    assert (second.error.kind, second.error.sent) == (ErrorKind.REFUSED, True)
    assert "bye" in second.error.message
    client.receive(response(1), data(1, b"x", end=True))
    assert first.calls == ["response", "data", "end"]
    assert client.receiver.failure is None


def test_a_peer_that_goes_away_with_streams_open_is_asked_whether_it_lives() -> None:
    """Hypercorn, at its 1000th request: it answers none of the open streams, and closes when it next hears from us."""
    client = PureClient()
    _, told = client.open(end=True)
    client.receive(GoAwayFrame(0, last_stream_id=1))
    ping = client.frames()[-1]
    assert (type(ping), "ACK" in ping.flags) == (PingFrame, False)
    client.receive(PingFrame(0, ping.opaque_data, flags=["ACK"]), response(1), data(1, b"x", end=True))
    assert told.calls == ["response", "data", "end"]
    client.frames()
    client.receive(GoAwayFrame(0, last_stream_id=1))
    assert client.frames() == []


# ---- what breaks the connection

BREACHES = {
    "data_on_stream_0": (raw(f.DATA, 0, 0, b"x"), f.PROTOCOL_ERROR),
    "data_on_idle_stream": (data(3, b"x"), f.PROTOCOL_ERROR),
    "data_on_even_stream": (data(2, b"x"), f.PROTOCOL_ERROR),
    "data_padding_too_long": (raw(f.DATA, f.PADDED, 1, b"\x05abcd"), f.PROTOCOL_ERROR),
    "data_padded_but_empty": (raw(f.DATA, f.PADDED, 1), f.PROTOCOL_ERROR),
    "headers_on_stream_0": (raw(f.HEADERS, 4, 0, block(OK)), f.PROTOCOL_ERROR),
    "headers_on_idle_stream": (response(3), f.PROTOCOL_ERROR),
    "headers_on_even_stream": (raw(f.HEADERS, 0, 2, block(OK)), f.PROTOCOL_ERROR),
    "headers_padding_too_long": (raw(f.HEADERS, 4 | f.PADDED, 1, b"\x09\x88"), f.PROTOCOL_ERROR),
    "headers_too_short_for_priority": (raw(f.HEADERS, 4 | 0x20, 1, b"\0\0\0"), f.FRAME_SIZE_ERROR),
    "headers_not_hpack": (raw(f.HEADERS, 4, 1, b"\xbe"), f.COMPRESSION_ERROR),
    "continuation_alone": (ContinuationFrame(1, b"\x88"), f.PROTOCOL_ERROR),
    "data_inside_block": (raw(f.HEADERS, 0, 1, b"\x88") + raw(f.DATA, 0, 1), f.PROTOCOL_ERROR),
    "unknown_inside_block": (raw(f.HEADERS, 0, 1, b"\x88") + raw(0xBE, 0, 1), f.PROTOCOL_ERROR),
    "other_stream_inside_block": (raw(f.HEADERS, 0, 1) + raw(f.CONTINUATION, 4, 3, b"\x88"), f.PROTOCOL_ERROR),
    "block_without_end": (raw(f.HEADERS, 0, 1) + raw(f.CONTINUATION, 0, 1) * 200, f.ENHANCE_YOUR_CALM),
    "block_too_large": (raw(f.HEADERS, 0, 1) + raw(f.CONTINUATION, 0, 1, bytes(16_384)) * 20, f.ENHANCE_YOUR_CALM),
    "priority_on_stream_0": (raw(f.PRIORITY, 0, 0, bytes(5)), f.PROTOCOL_ERROR),
    "rst_on_stream_0": (raw(f.RST_STREAM, 0, 0, bytes(4)), f.PROTOCOL_ERROR),
    "rst_on_idle_stream": (RstStreamFrame(3, 0), f.PROTOCOL_ERROR),
    "rst_of_wrong_size": (raw(f.RST_STREAM, 0, 1, bytes(3)), f.FRAME_SIZE_ERROR),
    "settings_on_stream": (raw(f.SETTINGS, 0, 1), f.PROTOCOL_ERROR),
    "settings_of_wrong_size": (raw(f.SETTINGS, 0, 0, bytes(5)), f.FRAME_SIZE_ERROR),
    "settings_ack_with_payload": (raw(f.SETTINGS, 1, 0, bytes(6)), f.FRAME_SIZE_ERROR),
    "settings_push_on": (raw(f.SETTINGS, 0, 0, b"\0\2\0\0\0\1"), f.PROTOCOL_ERROR),
    "settings_push_nonsense": (raw(f.SETTINGS, 0, 0, b"\0\2\0\0\0\2"), f.PROTOCOL_ERROR),
    "settings_window_too_large": (raw(f.SETTINGS, 0, 0, b"\0\4\x80\0\0\0"), f.FLOW_CONTROL_ERROR),
    "settings_frame_size_too_small": (raw(f.SETTINGS, 0, 0, b"\0\5\0\0\x3f\xff"), f.PROTOCOL_ERROR),
    "settings_frame_size_too_large": (raw(f.SETTINGS, 0, 0, b"\0\5\1\0\0\0"), f.PROTOCOL_ERROR),
    "settings_overflow_a_window": (
        raw(f.WINDOW_UPDATE, 0, 1, (2**31 - 1 - 65_535).to_bytes(4, "big")) + raw(f.SETTINGS, 0, 0, b"\0\4\0\1\0\0"),
        f.FLOW_CONTROL_ERROR,
    ),
    "push_promise": (PushPromiseFrame(1, promised_stream_id=2, data=b"\x82"), f.PROTOCOL_ERROR),
    "ping_on_stream": (raw(f.PING, 0, 1, bytes(8)), f.PROTOCOL_ERROR),
    "ping_of_wrong_size": (raw(f.PING, 0, 0, bytes(7)), f.FRAME_SIZE_ERROR),
    "goaway_on_stream": (raw(f.GOAWAY, 0, 1, bytes(8)), f.PROTOCOL_ERROR),
    "goaway_of_wrong_size": (raw(f.GOAWAY, 0, 0, bytes(7)), f.FRAME_SIZE_ERROR),
    "window_update_of_wrong_size": (raw(f.WINDOW_UPDATE, 0, 1, bytes(5)), f.FRAME_SIZE_ERROR),
    "window_update_by_0": (raw(f.WINDOW_UPDATE, 0, 0, bytes(4)), f.PROTOCOL_ERROR),
    "window_update_on_idle_stream": (WindowUpdateFrame(3, window_increment=1), f.PROTOCOL_ERROR),
    "window_overflow": (WindowUpdateFrame(0, window_increment=2**31 - 1), f.FLOW_CONTROL_ERROR),
    "oversized_frame": (raw(f.DATA, 0, 1, bytes(16_385)), f.FRAME_SIZE_ERROR),
    "ping_flood": (raw(f.PING, 0, 0, bytes(8)) * 2000, f.ENHANCE_YOUR_CALM),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_of_the_connection_ends_every_stream_with_its_code(breach: str) -> None:
    wire, code = BREACHES[breach]
    client = PureClient()
    _, told = client.open()
    client.receive(wire)
    assert told.calls == ["error"]
    assert told.error is not None
    assert (told.error.kind, told.error.code) == (ErrorKind.PROTOCOL, code)
    *_, last = client.frames()
    assert isinstance(last, GoAwayFrame)
    assert (last.error_code, last.last_stream_id) == (code, 0)
    assert client.sender.limit == 0
    client.receive(response(1))  # Nothing more is read.
    assert client.reported == []


@pytest.mark.parametrize("first", [PingFrame(0, bytes(8)), raw(f.SETTINGS, f.ACK, 0), raw(f.GOAWAY, 0, 0, bytes(8))])
def test_the_first_frame_must_be_settings(first: Frame | bytes) -> None:
    client = PureClient(settle=False)
    client.receive(first)
    assert client.receiver.failure is not None
    assert client.receiver.failure.code == f.PROTOCOL_ERROR


def test_a_peer_that_answers_in_http1_is_named() -> None:
    client = PureClient(settle=False)
    client.receive(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert client.receiver.failure is not None
    assert "HTTP/1" in client.receiver.failure.message


def test_data_beyond_the_windows() -> None:
    client = PureClient(PoolSettings(connection_window_bytes=65_535))
    client.receiver._window = 10  # A peer cannot get here one frame at a time: each gives the window back.
    client.open()
    client.receive(response(1), data(1, b"x" * 11))
    assert client.receiver.failure is not None
    assert client.receiver.failure.code == f.FLOW_CONTROL_ERROR


# ---- what breaks one stream

STREAM_BREACHES = {
    "data_before_head": (data(1, b"x"), f.PROTOCOL_ERROR),
    "no_status": (raw(f.HEADERS, 4, 1, block(("a", "b"))), f.PROTOCOL_ERROR),
    "malformed_head": (raw(f.HEADERS, 4, 1, block(OK, ("Upper", "b"))), f.PROTOCOL_ERROR),
    "switching_protocols": (response(1, status="101"), f.PROTOCOL_ERROR),
    "informational_with_end": (response(1, status="100", flags=("END_STREAM",)), f.PROTOCOL_ERROR),
    "second_head": (response(1).serialize() + response(1).serialize(), f.PROTOCOL_ERROR),
    "trailers_with_status": (
        response(1).serialize() + response(1, flags=("END_STREAM",)).serialize(), f.PROTOCOL_ERROR,
    ),
    "trailers_without_end": (response(1).serialize() + raw(f.HEADERS, 4, 1, block(("t", "1"))), f.PROTOCOL_ERROR),
    "body_too_long": (response(1, ("content-length", "1")).serialize() + data(1, b"xy").serialize(), f.PROTOCOL_ERROR),
    "body_after_length": (
        response(1, ("content-length", "1")).serialize() + data(1, b"x").serialize() * 2, f.PROTOCOL_ERROR,
    ),
    "body_too_short": (
        response(1, ("content-length", "2")).serialize() + data(1, b"x", end=True).serialize(), f.PROTOCOL_ERROR,
    ),
    "no_body": (response(1, ("content-length", "2"), flags=("END_STREAM",)), f.PROTOCOL_ERROR),
    "priority_of_wrong_size": (raw(f.PRIORITY, 0, 1, bytes(4)), f.FRAME_SIZE_ERROR),
    "window_update_by_0": (raw(f.WINDOW_UPDATE, 0, 1, bytes(4)), f.PROTOCOL_ERROR),
    "window_overflow": (WindowUpdateFrame(1, window_increment=2**31 - 1), f.FLOW_CONTROL_ERROR),
    "beyond_the_window": (response(1).serialize() + data(1, bytes(10_000)).serialize() * 3, f.FLOW_CONTROL_ERROR),
    "header_list_too_large": (response(1, ("a", "x" * 9000)), f.ENHANCE_YOUR_CALM),
}  # fmt: skip


@pytest.mark.parametrize("breach", STREAM_BREACHES)
def test_a_breach_of_one_stream_leaves_the_others(breach: str) -> None:
    wire, code = STREAM_BREACHES[breach]
    client = PureClient(PoolSettings(stream_window_bytes=25_000, header_list_bytes_max=8000))
    broken, told = client.open()
    broken.auto_consume = False
    _, other = client.open(end=True)
    client.receive(wire)
    assert told.calls[-1] == "error"
    assert told.error is not None
    assert (told.error.kind, told.error.code) == (ErrorKind.PROTOCOL, code)
    (reset,) = [frame for frame in client.frames() if isinstance(frame, RstStreamFrame)]
    assert (reset.stream_id, reset.error_code) == (1, code)
    client.receive(response(3, flags=("END_STREAM",)))
    assert other.calls == ["response", "end"]
    assert client.receiver.failure is None


@pytest.mark.parametrize("late", [data(1, b"x"), response(1)])
def test_frames_after_the_end_reset_a_stream_that_is_open_on_our_side(late: Frame) -> None:
    client = PureClient()
    _, told = client.open()
    client.receive(response(1, flags=("END_STREAM",)), late)
    assert told.calls == ["response", "end"]
    (reset,) = [frame for frame in client.frames() if isinstance(frame, RstStreamFrame)]
    assert reset.error_code == f.STREAM_CLOSED


# ---- owners


@pytest.mark.parametrize("at", ["response", "data", "end"])
def test_a_stream_reset_inside_any_callback_stays_silent(at: str) -> None:
    client = PureClient()
    stream, told = client.open()
    told.when_called = lambda call: stream.reset() if call == at else None
    client.receive(response(1), data(1, b"x", end=True))
    assert told.calls[-1] == at
    assert not client.sender.streams
    assert client.receiver.failure is None


@pytest.mark.parametrize("at", ["response", "data", "end", "error"])
def test_a_callback_that_raises_ends_its_own_stream_only(at: str) -> None:
    client = PureClient()
    _, told = client.open()
    _, other = client.open(end=True)

    def explode(call: str) -> None:
        if call == at:
            raise RuntimeError("ours")

    told.when_called = explode
    last = RstStreamFrame(1, 5) if at == "error" else data(1, b"x", end=True)
    client.receive(response(1), data(1, b"y"), last, response(3, flags=("END_STREAM",)))
    assert [str(error) for error in client.reported] == ["ours"]
    assert told.calls[-1] == "error" or at == "end"
    assert other.calls == ["response", "end"]
    assert not client.sender.streams
    assert client.receiver.failure is None


# ---- garbage


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=30),
            st.builds(
                raw,
                st.integers(0, 10),
                st.integers(0, 255),
                st.sampled_from([0, 1, 2, 3, 5, 7]),
                st.binary(max_size=30),
            ),
            st.sampled_from([response(1).serialize(), data(1, b"x").serialize(), response(3).serialize()]),
        ),
        max_size=20,
    )
)  # fmt: skip
def test_garbage_raises_nothing_and_keeps_the_contract(pieces: list[bytes]) -> None:
    client = PureClient()
    told: list[Recorder] = [client.open()[1], client.open(end=True)[1]]
    for piece in pieces:
        client.receive(piece)
    client.receiver.fail(ErrorKind.CLOSED, "the end")
    assert client.reported == []
    for recorder in told:  # Silent only where the peer had ended its side before.
        assert recorder.over
    assert not client.sender.blocked


@pytest.mark.parametrize("how", ["end", "reset", "error"])
def test_nothing_of_a_finished_stream_is_left_to_the_garbage_collector(how: str) -> None:
    """An owner holds its stream and the stream its owner: that cycle must be cut at the end."""

    class Owner(Recorder):
        stream: Stream

    client = PureClient()
    owner = Owner()
    owner.stream = Stream(owner, NOWHERE, bodiless=False)
    client.sender.open(owner.stream, BLOCK)
    gc.disable()
    try:
        if how == "end":
            owner.stream.close_request()
            client.receive(response(1, flags=("END_STREAM",)))
        elif how == "reset":
            owner.stream.reset()
        else:
            client.receive(RstStreamFrame(1, f.CANCEL))
        gone = weakref.ref(owner)
        del owner
        assert gone() is None
    finally:
        gc.enable()
