"""A client's bytes cut into messages: limits, splits, garbage."""

from __future__ import annotations

import contextlib
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygwire import messages as m

from shared.errors import RemoteProtocolError
from sqld.pgwire.frames import MESSAGE_LIMIT, STARTUP_LIMIT, Frames, MalformedMessageError

_SENT = [
    m.Query(query_string="SELECT 'ü'"),
    m.Parse(statement="s", query="SELECT $1", param_types=[20]),
    m.Bind(portal="p", statement="s", param_formats=[1], param_values=[b"\0\1", None], result_formats=[0, 1]),
    m.Describe(kind="P", name="p"),
    m.Execute(portal="p", max_rows=7),
    m.Close(kind="S", name="s"),
    m.Flush(),
    m.Sync(),
    m.FunctionCall(function_oid=5),
    m.CopyData(data=b"x"),
    m.CopyDone(),
    m.CopyFail(error_message="no"),
    m.Terminate(),
]


def _open() -> Frames:
    frames = Frames()
    frames.limit = MESSAGE_LIMIT
    return frames


@given(st.integers(1, 40))
def test_messages_come_out_however_they_are_split(step: int) -> None:
    data = b"".join(message.to_wire() for message in _SENT)
    frames, got = _open(), []
    for at in range(0, len(data), step):
        frames.feed(data[at : at + step])
        while (message := frames.next()) is not None:
            got.append(message)
    assert got == _SENT
    assert frames.held == 0


@given(st.integers(1, 9))
def test_startup_messages_come_out_however_they_are_split(step: int) -> None:
    sent = [
        m.SSLRequest(),
        m.GSSEncRequest(),
        m.CancelRequest(process_id=7, secret_key=b"12345678"),
        m.StartupMessage(params={"user": "ü", "database": "", "_pq_.x": "1"}),
        m.StartupMessage(params={}),
    ]
    data = b"".join(message.to_wire() for message in sent)
    frames, got = Frames(), []
    for at in range(0, len(data), step):
        frames.feed(data[at : at + step])
        while (message := frames.next_startup()) is not None:
            got.append(message)
    assert got == sent


def _startup(body: bytes, *, code: int = 196608) -> bytes:
    return struct.pack(">ii", len(body) + 8, code) + body


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">i", 7) + b"\0" * 3,
        struct.pack(">i", -1),
        struct.pack(">i", STARTUP_LIMIT + 1),
        _startup(b"user\0x"),
        _startup(b"user\0x\0"),
        _startup(b"user\0x\0\0more"),
        _startup(b"user\0\xff\0\0"),
        _startup(b"\0x\0\0"),
        _startup(b"x", code=80877103),
        struct.pack(">iii", 12, 80877102, 1),
        struct.pack(">iii", 12 + 257, 80877102, 1) + b"k" * 257,
    ],
)
def test_what_is_no_startup_packet_is_told(data: bytes) -> None:
    frames = Frames()
    frames.feed(data)
    with pytest.raises(RemoteProtocolError):
        frames.next_startup()


@pytest.mark.parametrize("code", [0, 2 << 16, (3 << 16) + 9, 0x7FFFFFFF])
def test_other_versions_are_for_the_login_to_judge(code: int) -> None:
    frames = Frames()
    frames.feed(_startup(b"user\0x\0\0", code=code))
    message = frames.next_startup()
    assert isinstance(message, m.StartupMessage)
    assert message.protocol_version == code


@pytest.mark.parametrize(
    "head", [b"\0", b"r", b"p", b"Q\0\0\0\3", b"Q\xff\xff\xff\xff", b"P" + struct.pack(">I", 1 << 30)]
)
def test_a_head_that_none_has_ends_the_connection(head: bytes) -> None:
    frames = _open()
    frames.feed(head)
    with pytest.raises(RemoteProtocolError):
        frames.next()


def test_a_length_is_judged_before_its_bytes_come() -> None:
    frames = Frames()
    frames.feed(b"Q" + struct.pack(">i", STARTUP_LIMIT + 1))
    with pytest.raises(RemoteProtocolError, match="at most 10000"):
        frames.next()


@pytest.mark.parametrize(
    ("message", "kind", "text"),
    [
        (b"Q" + struct.pack(">i", 6) + b"\xff\0", m.Query, True),
        (b"Q" + struct.pack(">i", 5) + b"x", m.Query, False),
        (b"Q" + struct.pack(">i", 7) + b"x\0y", m.Query, False),
        (b"S" + struct.pack(">i", 5) + b"x", m.Sync, False),
        (b"D" + struct.pack(">i", 4), m.Describe, False),
        (b"E" + struct.pack(">i", 6) + b"\0\0", m.Execute, False),
        # A value of ten bytes, of which two are there; a negative length; more values than there are.
        (b"B" + struct.pack(">i", 18) + b"\0\0" + struct.pack(">hhi", 0, 1, 10) + b"ab\0\0", m.Bind, False),
        (b"B" + struct.pack(">i", 16) + b"\0\0" + struct.pack(">hhi", 0, 1, -5) + b"\0\0", m.Bind, False),
        (b"B" + struct.pack(">i", 12) + b"\0\0" + struct.pack(">hhh", 0, 9, 0), m.Bind, False),
        (b"P" + struct.pack(">i", 8) + b"\0\0" + struct.pack(">h", 3), m.Parse, False),
    ],
)
def test_what_is_wrong_in_a_message_is_wrong_with_it_alone(message: bytes, kind: type, text: bool) -> None:
    frames = _open()
    frames.feed(message + m.Sync().to_wire())
    with pytest.raises(MalformedMessageError) as failed:
        frames.next()
    assert (failed.value.kind, failed.value.text) == (kind, text)
    assert frames.next() == m.Sync()


def test_random_bytes_raise_nothing_else() -> None:
    source = random.Random(20)
    for _ in range(3000):
        frames = _open()
        body = source.randbytes(source.randrange(30))
        frames.feed(source.choice(b"QPBDECSHFXdcf").to_bytes(1, "big") + struct.pack(">i", len(body) + 4) + body)
        with contextlib.suppress(MalformedMessageError):
            assert frames.next() is not None
        frames = Frames()
        frames.feed(struct.pack(">i", len(body) + 4) + body)
        with contextlib.suppress(RemoteProtocolError):
            frames.next_startup()
