"""What a client may send, frame by frame, and what becomes of it (RFC 9113)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jh2.hpack import Decoder, Encoder

from partitiond.ingress.http2.fields import encode_head
from partitiond.ingress.http2.session import Session
from partitiond.ingress.http2.stream import Stream
from partitiond.invoker.http2 import frames as f

_OPENING = f.settings({})
_GET = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/b")]


class _Host:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.requests: list[Stream] = []
        self.resets: list[int] = []

    def on_request(self, stream: Stream) -> None:
        self.requests.append(stream)

    def on_body(self, stream: Stream) -> None:
        pass

    def on_reset(self, stream: Stream) -> None:
        self.resets.append(stream.id)

    def wake(self) -> None:
        pass


class _Client:
    """A session, and what it writes, as frames."""

    def __init__(self, body_bytes_max: int = 1000) -> None:
        self.host = _Host()
        self.session = Session(self.host, body_bytes_max=body_bytes_max)
        self.session.open()
        self.written()
        self.encoder = Encoder()

    def send(self, data: bytes) -> list[f.Frame]:
        self.session.receive(data)
        return self.written()

    def written(self) -> list[f.Frame]:
        return f.FrameReader().feed(self.session.out.take())

    def block(self, fields: list[tuple[bytes, bytes]]) -> bytes:
        return bytes(self.encoder.encode(fields))

    def headers(self, stream_id: int, fields: list[tuple[bytes, bytes]] | None = None, *, end: bool = True) -> bytes:
        flags = f.END_HEADERS | (f.END_STREAM if end else 0)
        return f.frame(f.HEADERS, flags, stream_id, self.block(fields or _GET))


def _goaway(frames: list[f.Frame]) -> int | None:
    codes = [int.from_bytes(payload[4:8], "big") for kind, _, _, payload in frames if kind == f.GOAWAY]
    return codes[0] if codes else None


def _resets(frames: list[f.Frame]) -> list[tuple[int, int]]:
    return [(stream, int.from_bytes(payload, "big")) for kind, _, stream, payload in frames if kind == f.RST_STREAM]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (f.frame(f.PING, 0, 0, bytes(8)), f.PROTOCOL_ERROR),
        (f.frame(f.SETTINGS, f.ACK, 0), f.PROTOCOL_ERROR),
        (f.frame(f.SETTINGS, 0, 0, b"abc"), f.FRAME_SIZE_ERROR),
        (f.frame(f.SETTINGS, 0, 1), f.PROTOCOL_ERROR),
        (f.settings({2: 2}), f.PROTOCOL_ERROR),
        (f.settings({4: 0x80000000}), f.FLOW_CONTROL_ERROR),
        (f.settings({5: 100}), f.PROTOCOL_ERROR),
        (_OPENING + f.frame(f.SETTINGS, f.ACK, 0, bytes(6)), f.FRAME_SIZE_ERROR),
        (_OPENING + f.frame(f.PING, 0, 0, b"short"), f.FRAME_SIZE_ERROR),
        (_OPENING + f.frame(f.PING, 0, 1, bytes(8)), f.PROTOCOL_ERROR),
        (_OPENING + f.frame(f.GOAWAY, 0, 0, b"short"), f.FRAME_SIZE_ERROR),
        (_OPENING + f.frame(f.DATA, 0, 1, b"a"), f.PROTOCOL_ERROR),
        (_OPENING + f.frame(f.DATA, 0, 0, b"a"), f.PROTOCOL_ERROR),
        (_OPENING + f.frame(f.RST_STREAM, 0, 1, bytes(4)), f.PROTOCOL_ERROR),
        (_OPENING + f.frame(f.RST_STREAM, 0, 1, bytes(3)), f.FRAME_SIZE_ERROR),
        (_OPENING + f.frame(f.RST_STREAM, 0, 0, bytes(4)), f.PROTOCOL_ERROR),
        (_OPENING + f.frame(f.WINDOW_UPDATE, 0, 0, bytes(4)), f.PROTOCOL_ERROR),
        (_OPENING + f.frame(f.WINDOW_UPDATE, 0, 1, b"\0\0\0\1"), f.PROTOCOL_ERROR),
        (_OPENING + f.frame(f.WINDOW_UPDATE, 0, 0, bytes(3)), f.FRAME_SIZE_ERROR),
        (_OPENING + f.window_update(0, f.WINDOW_MAX), f.FLOW_CONTROL_ERROR),
        (_OPENING + f.frame(f.PRIORITY, 0, 0, bytes(5)), f.PROTOCOL_ERROR),
        (_OPENING + f.frame(f.PUSH_PROMISE, f.END_HEADERS, 1, bytes(4)), f.PROTOCOL_ERROR),
        (_OPENING + f.frame(f.CONTINUATION, f.END_HEADERS, 1), f.PROTOCOL_ERROR),
        (_OPENING + f.frame(f.HEADERS, f.END_HEADERS, 2), f.PROTOCOL_ERROR),
        (_OPENING + f.frame(f.HEADERS, f.END_HEADERS, 0), f.PROTOCOL_ERROR),
        (_OPENING + f.frame(f.HEADERS, f.END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff"), f.COMPRESSION_ERROR),
        (_OPENING + f.frame(f.HEADERS, f.END_HEADERS | f.PADDED, 1, b"\x09a"), f.PROTOCOL_ERROR),
        (_OPENING + f.frame(f.HEADERS, f.END_HEADERS | f.PRIORITY_FLAG, 1, b"abc"), f.FRAME_SIZE_ERROR),
        (_OPENING + f.frame(f.HEADERS, 0, 1) + f.frame(f.PING, 0, 0, bytes(8)), f.PROTOCOL_ERROR),
        (_OPENING + f.frame(f.HEADERS, 0, 1) + f.frame(f.CONTINUATION, 0, 3), f.PROTOCOL_ERROR),
        (_OPENING + f.frame(f.HEADERS, 0, 1) + f.frame(f.CONTINUATION, 0, 1) * 200, f.ENHANCE_YOUR_CALM),
        (_OPENING + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01", f.FRAME_SIZE_ERROR),
        (_OPENING + f.frame(f.PING, 0, 0, bytes(8)) * 2000, f.ENHANCE_YOUR_CALM),
    ],
)
def test_a_breach_of_the_connection_ends_it(data: bytes, code: int) -> None:
    client = _Client()
    assert _goaway(client.send(data)) == code
    assert client.session.ended
    assert not client.send(client.headers(5))


def _with(*fields: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    return [*_GET, *fields]


def _without(name: bytes) -> list[tuple[bytes, bytes]]:
    return [field for field in _GET if field[0] != name]


@pytest.mark.parametrize(
    "fields",
    [
        _without(b":method"),
        _without(b":path"),
        _without(b":scheme"),
        _with((b":path", b"/c")),
        _with((b":status", b"200")),
        _with((b":protocol", b"websocket")),
        [(b"x", b"y"), *_GET],
        _with((b"X-Upper", b"a")),
        _with((b"", b"a")),
        _with((b"a b", b"a")),
        _with((b"connection", b"close")),
        _with((b"transfer-encoding", b"chunked")),
        _with((b"te", b"gzip")),
        _with((b"a", b"b\0c")),
        _with((b"a", b"b\r\nc")),
        _with((b"a", b" b")),
        _with((b"content-length", b"-1")),
        _with((b"content-length", b"3")),
        _with((b"content-length", b"0"), (b"content-length", b"1")),
        [*_without(b":path"), (b":path", b"")],
        [*_without(b":path"), (b":path", b"b")],
        [*_without(b":path"), (b":path", b"*")],
        [*_without(b":path"), (b":path", b"/a b")],
        [*_without(b":method"), (b":method", b"G T")],
        [*_without(b":method"), (b":method", b"CONNECT")],
    ],
)
def test_a_malformed_request_ends_its_stream_alone(fields: list[tuple[bytes, bytes]]) -> None:
    client = _Client()
    client.send(_OPENING)
    assert _resets(client.send(client.headers(1, fields))) == [(1, f.PROTOCOL_ERROR)]
    assert not client.host.requests
    client.send(client.headers(3))
    assert [stream.id for stream in client.host.requests] == [3]


def test_breaches_of_an_open_stream_end_it_alone() -> None:
    client = _Client()
    client.send(_OPENING)
    for stream_id, data, code in (
        (1, f.frame(f.DATA, f.END_STREAM, 1, b"a"), f.STREAM_CLOSED),
        (3, f.frame(f.WINDOW_UPDATE, 0, 3, bytes(4)), f.PROTOCOL_ERROR),
        (5, f.window_update(5, f.WINDOW_MAX), f.FLOW_CONTROL_ERROR),
        (7, f.frame(f.PRIORITY, 0, 7, b"abc"), f.FRAME_SIZE_ERROR),
    ):
        client.send(client.headers(stream_id))
        assert _resets(client.send(data)) == [(stream_id, code)]
    client.send(client.headers(9))
    assert _resets(client.send(client.headers(9))) == [(9, f.STREAM_CLOSED)]
    length = [*_GET, (b"content-length", b"3")]
    for stream_id, data in (
        (11, f.frame(f.DATA, f.END_STREAM, 11, b"ab")),
        (13, f.frame(f.DATA, 0, 13, b"abcd")),
    ):
        client.send(client.headers(stream_id, length, end=False))
        assert _resets(client.send(data)) == [(stream_id, f.PROTOCOL_ERROR)]
    client.send(client.headers(15, length, end=False))
    trailers = client.headers(15, [(b"x", b"y")], end=False)
    assert _resets(client.send(trailers)) == [(15, f.PROTOCOL_ERROR)]
    assert client.host.resets == [1, 3, 5, 7, 9, 11, 13, 15]
    assert client.session.ended is None


def test_body_and_trailers_make_a_request_whole() -> None:
    client = _Client()
    client.send(_OPENING)
    client.send(client.headers(1, end=False))
    client.send(f.frame(f.DATA, f.PADDED, 1, b"\x02ab\0\0") + f.frame(f.DATA, 0, 1, b"c"))
    client.send(client.headers(1, [(b"x-checksum", b"1")]))
    [stream] = client.host.requests
    assert stream.complete
    assert b"".join(stream.chunks) == b"abc"


def test_fields_in_several_pieces_are_one_list() -> None:
    client = _Client()
    client.send(_OPENING)
    fields = [(b"cookie", b"a=1"), (b"tracestate", b"a=1"), (b"x", b"1"), (b"cookie", b"b=2"), (b"tracestate", b"b=2")]
    client.send(client.headers(1, [*_GET, *fields, (b"x", b"2")]))
    assert client.host.requests[0].head.headers == {"cookie": "a=1; b=2", "tracestate": "a=1,b=2", "x": "1"}


def test_who_takes_back_what_it_asks_for_over_and_over_is_ended() -> None:
    """Rapid reset: each costs us a request, and the client nothing. One that also waits for answers may go on."""
    client = _Client()
    client.send(_OPENING)
    for number in range(3000):
        client.send(client.headers(4 * number + 1) + f.frame(f.RST_STREAM, 0, 4 * number + 1, bytes(4)))
        client.send(client.headers(4 * number + 3))
        client.session.answer(client.host.requests[-1], 200, b"", b"")
    assert client.session.ended is None
    frames = []
    for number in range(10_000, 11_002):
        frames += client.send(client.headers(4 * number + 1) + f.frame(f.RST_STREAM, 0, 4 * number + 1, bytes(4)))
    assert _goaway(frames) == f.ENHANCE_YOUR_CALM


def test_windows_bound_what_is_sent() -> None:
    client = _Client()
    client.send(f.settings({4: 10}))
    client.send(client.headers(1))
    client.session.answer(client.host.requests[0], 200, b"", b"x" * 30)
    assert [len(payload) for kind, _, _, payload in client.written() if kind == f.DATA] == [10]
    assert [len(payload) for kind, _, _, payload in client.send(f.settings({4: 5})) if kind == f.DATA] == []
    sent = [(flags, len(payload)) for kind, flags, _, payload in client.send(f.window_update(1, 100)) if kind == f.DATA]
    assert sent == [(f.END_STREAM, 20)]
    assert not client.session.streams


def test_a_body_that_nobody_reads_may_end_by_itself() -> None:
    """curl takes a reset for a failure, also when the whole answer came before it. Who sends much is told to stop."""
    client = _Client()
    client.send(_OPENING)
    for stream_id in (1, 3):
        client.send(client.headers(stream_id, end=False))
        client.session.answer(client.host.requests[-1], 404, b"", b"no")
        assert not _resets(client.written())
    assert not client.send(f.frame(f.DATA, f.END_STREAM, 1, b"rest"))
    frames = [client.send(f.frame(f.DATA, 0, 3, bytes(16_000))) for _ in range(5)]
    assert [_resets(each) for each in frames] == [[], [], [], [(3, f.NO_ERROR)], []]
    assert client.session.ended is None


def test_data_beyond_a_window_ends_the_stream() -> None:
    client = _Client(body_bytes_max=1 << 30)
    client.send(_OPENING)
    client.send(client.headers(1, end=False))
    frames = [client.send(f.frame(f.DATA, 0, 1, bytes(16_384))) for _ in range(4)]
    assert _resets(frames[-1]) == [(1, f.FLOW_CONTROL_ERROR)]


def test_a_long_answer_head_is_continued() -> None:
    client = _Client()
    client.send(_OPENING)
    client.send(client.headers(1))
    lines = b"".join(b"x-%d: %b\r\n" % (number, b"v" * 1000) for number in range(40))
    client.session.answer(client.host.requests[0], 470, lines, b"")
    kinds = [(kind, flags) for kind, flags, _, _ in client.written()]
    assert kinds == [(f.HEADERS, f.END_STREAM), (f.CONTINUATION, 0), (f.CONTINUATION, f.END_HEADERS)]


@pytest.mark.parametrize("status", [100, 200, 202, 400, 470, 999])
def test_an_answers_head_is_what_a_decoder_reads(status: int) -> None:
    lines = b"content-type: a/b\r\nx-restate-id: inv_1\r\nvary: o\r\nx-long: " + b"l" * 300 + b"\r\n"
    pairs = [(bytes(name), bytes(value)) for name, value in Decoder().decode(encode_head(status, lines), raw=True)]
    assert pairs == [
        (b":status", str(status).encode()),
        (b"content-type", b"a/b"),
        (b"x-restate-id", b"inv_1"),
        (b"vary", b"o"),
        (b"x-long", b"l" * 300),
    ]


_FRAMES = st.tuples(
    st.integers(0, 11), st.integers(0, 255), st.sampled_from([0, 1, 1, 2, 3, 5, 2**31 - 1]), st.binary(max_size=40)
).map(lambda parts: f.frame(*parts))
_BLOCKS = st.lists(
    st.tuples(
        st.sampled_from([b":method", b":path", b":scheme", b":authority", b"content-length", b"x", b"te", b"cookie"]),
        st.one_of(st.sampled_from([b"GET", b"/", b"http", b"3", b"trailers"]), st.binary(max_size=8)),
    ),
    max_size=6,
).map(lambda fields: f.frame(f.HEADERS, f.END_HEADERS, 1, bytes(Encoder().encode(fields))))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(_FRAMES, _BLOCKS, st.binary(max_size=30)), max_size=12), st.integers(1, 64))
def test_nothing_that_a_client_sends_is_raised(pieces: list[bytes], cut: int) -> None:
    client = _Client()
    client.send(_OPENING)
    data = b"".join(pieces)
    for at in range(0, len(data), cut):
        client.session.receive(data[at : at + cut])
        for stream in list(client.session.streams.values()):
            client.session.read_body(stream)
            if stream.complete:
                client.session.answer(stream, 200, b"x: y\r\n", b"body")
    client.session.announce_drain()
    client.session.refuse_new()
    client.written()
