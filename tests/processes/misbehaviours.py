"""The table of misbehaviours: what a service does at its first attempt, and what is to be read about it.

`SHARED` ones break no more than their stream: all of them share connections. `ALONE` ones break the connection,
so each has one of its own, with neighbours on it. `HTTP1` ones have connections of their own by nature.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shared.ids import encode_invocation_id
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as T
from tests.fakes.service_endpoint import join
from tests.partitiond.invoker.builders import END, OUTPUT, suspension
from tests.processes.misbehaver import Act, Exchange

__all__ = ["ALONE", "HTTP1", "SHARED", "Row"]

#: REFUSED_STREAM.
_REFUSED = 7
#: The table says nothing of the oracle, where it cannot be asked or answers at random.
_SAME = "same"


@dataclass
class Row:
    """`code`: of the failed attempt, None when it does not fail. `text`: a part of the failure's text.

    `oracle`: its code where it is another one on purpose; None: not asked, since it stops a partition there.
    """

    name: str
    act: Act
    code: str | None
    text: str = ""
    kind: str = "service"
    oracle: str | None = _SAME
    #: It waits for an operator, who resumes it.
    stays: bool = False
    #: It does not fail, and takes a second attempt all the same.
    again: bool = False
    #: The related columns: (index, type).
    related: tuple[int, str] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    settings: dict[int, int] = field(default_factory=dict)

    @property
    def oracle_code(self) -> str | None:
        return self.code if self.oracle == _SAME else self.oracle


def message(message_type: int, made: Any = b"") -> tuple[int, bytes]:
    return int(message_type), made if isinstance(made, bytes) else made.SerializeToString()


def saying(*messages: tuple[int, bytes]) -> Act:
    """A good head, and these messages."""
    return body(join(*messages), end=False)


def body(data: bytes, *, end: bool = True, **head: Any) -> Act:
    async def act(exchange: Exchange) -> None:
        exchange.head(**head)
        exchange.raw(data)
        if end:
            exchange.end()

    return act


def status(code: int, **fields: str) -> Act:
    async def act(exchange: Exchange) -> None:
        exchange.head(code, end=True, **fields)

    return act


def reset(code: int) -> Act:
    async def act(exchange: Exchange) -> None:
        exchange.head()
        exchange.raw(join(RUN))
        exchange.wire.reset(exchange.stream_id, code)  # type: ignore[attr-defined]

    return act


async def refuse(exchange: Exchange) -> None:
    exchange.wire.reset(exchange.stream_id, _REFUSED)  # type: ignore[attr-defined]


async def hang(exchange: Exchange) -> None:
    await exchange.hang()


async def hang_after_head(exchange: Exchange) -> None:
    exchange.head()
    exchange.raw(join(RUN)[:5])
    await exchange.hang()


async def answer_with_trailers(exchange: Exchange) -> None:
    exchange.head()
    exchange.say(OUTPUT, END)
    await exchange.ended.wait()
    exchange.end(grpc_status="0")


async def only_trailers(exchange: Exchange) -> None:
    exchange.head()
    exchange.end(grpc_status="13")


async def early_hints(exchange: Exchange) -> None:
    exchange.wire.socket(h2_frame(1, 4, exchange.stream_id, b"\x08\x03103"))
    await exchange.answer()


async def huge_head(exchange: Exchange) -> None:
    exchange.head(x_filler="x" * 15_000, **{f"x_filler_{n}": "y" * 15_000 for n in range(5)})
    await exchange.hang()


async def bad_head(exchange: Exchange) -> None:
    exchange.head(Upper_Case="1")
    await exchange.hang()


def deep_future(levels: int) -> bytes:
    """So many combinators, one within the other, around one signal."""
    inner = pb.Future(waiting_signals=[17]).SerializeToString()
    for _ in range(levels):
        size = len(inner)
        length = bytearray()
        while size >= 128:
            length.append(size & 127 | 128)
            size >>= 7
        inner = b"\x22" + bytes([*length, size]) + inner
    return inner


RUN = message(T.RUN, pb.RunCommand(result_completion_id=1, name="step"))
_VALUE = pb.Value(content=b"1")
_ONE = encode_invocation_id(bytes(24))


def call(**fields: Any) -> tuple[int, bytes]:
    names = {"service_name": "Neighbour", "handler_name": "hold"} | fields
    return message(T.CALL, pb.CallCommand(**names, invocation_id_notification_idx=1, result_completion_id=2))


def error(**fields: Any) -> tuple[int, bytes]:
    return message(T.ERROR, pb.Error(**fields))


_SHORT = {"inactivityTimeout": 300, "abortTimeout": 300}
_LATE = "abort timeout"
_SET = message(T.SET_STATE, pb.SetStateCommand(key=b"a", value=_VALUE))
_SLEEP = message(T.SLEEP, pb.SleepCommand(wake_up_time=1, result_completion_id=1))
_PROMISE = message(T.GET_PROMISE, pb.GetPromiseCommand(key="p", result_completion_id=1))

SHARED: list[Row] = [
    # Frames of the service protocol.
    Row("garbage", body(b"\xff" * 64), "RT0003", "over the limit"),
    Row("text", body(b"hello, world! this is no service"), "RT0003", "over the limit"),
    Row("no_bytes", body(b""), "RT0007", "closed the response"),
    Row("half_a_header", body(b"\x04\x11\x00"), "RT0007", "within a message"),
    Row("half_a_frame", body(join(RUN)[:-2]), "RT0007", "within a message"),
    Row("no_last_message", body(join(RUN)), "RT0007", "before it ended or suspended"),
    Row("over_the_limit", body(b"\x04\x01\x00\x00\x7f\xff\xff\xff"), "RT0003", "over the limit"),
    Row("bytes_behind_end", body(join(OUTPUT, END) + b"more", end=True), None),
    # Messages that are not the service's to send.
    Row("start", saying(message(T.START)), "RT0012", "START"),
    Row("ack", saying(message(T.COMMAND_ACK)), "RT0012", "COMMAND_ACK"),
    Row("run_ack", saying(message(T.PROPOSE_RUN_COMPLETION_ACK)), "RT0012", "PROPOSE_RUN_COMPLETION_ACK"),
    Row("notification", saying(message(T.RUN_COMPLETION)), "RT0012", "RUN_COMPLETION"),
    Row("signal", saying(message(T.SIGNAL)), "RT0012", "SIGNAL"),
    Row("input", saying(message(T.INPUT, pb.InputCommand(value=_VALUE))), "RT0012", "INPUT", oracle=None),
    Row("custom", saying(message(0xFC00)), "RT0012", "0xfc00", oracle=None),
    Row("unknown", saying(message(0x0009)), "RT0012", "0x0009"),
    # What they say.
    Row("bad_protobuf", saying(message(T.SLEEP, b"\xff\xff")), "RT0012", "no readable protobuf"),
    Row("bad_utf8", saying(message(T.CALL, b"\x0a\x02\xff\xfe")), "RT0012", "no readable protobuf"),
    Row("no_value", saying(message(T.OUTPUT, pb.OutputCommand())), "RT0012", "without a result", oracle=None),
    Row("no_output", saying(END), "RT0012", "without an Output", oracle=None),
    Row("no_proposal", saying(message(T.PROPOSE_RUN_COMPLETION)), "RT0012", "without a result"),
    Row("empty_suspension", saying(suspension()), "RT0012", "waits for nothing"),
    Row("own_run", saying(RUN, suspension(completions=[1])), "RT0007", "unfinished run", oracle=None),
    Row("deep_future", saying(message(T.SUSPENSION, pb.Suspension(awaiting_on=deep_future(1001)))), "RT0025",
        "nested deeper", oracle=None, stays=True),
    Row("mismatch", saying(error(code=570, message="not deterministic", related_command_index=1,
        related_command_name="step", related_command_type=T.RUN)), "RT0016", "not deterministic", related=(1, "Run")),
    Row("violation", saying(error(code=571, message="unheard of")), "RT0012", "unheard of"),
    Row("plain_error", saying(error(code=500, message="boom", stacktrace="at line 1")), "RT0007", "boom"),
    Row("no_code", saying(error(message="nameless")), "RT0007", "nameless"),
    # What is odd, and no error.
    Row("same_id_twice", saying(_SLEEP, _SLEEP, suspension(completions=[1])), None, again=True),
    Row("commands_behind_output", saying(OUTPUT, RUN, END), None),
    Row("unknown_id", saying(suspension(completions=[77])), None, stays=True, again=True, oracle=None),
    # Preconditions.
    Row("no_callee", saying(call(service_name="Nobody")), "RT0018", "Nobody/hold", related=(1, "Call")),
    Row("no_handler", saying(call(handler_name="none")), "RT0018", "Neighbour/none", related=(1, "Call")),
    Row("key_for_service", saying(call(key="k")), "RT0017", "takes no key", related=(1, "Call")),
    Row("empty_idempotency_key", saying(call(idempotency_key="")), "RT0017", "idempotency key is empty",
        related=(1, "Call")),
    Row("bad_attach", saying(message(T.ATTACH_INVOCATION, pb.AttachInvocationCommand(invocation_id="inv_none"))),
        "RT0017", "inv_none", related=(1, "AttachInvocation")),
    Row("bad_awakeable", saying(message(T.COMPLETE_AWAKEABLE, pb.CompleteAwakeableCommand(awakeable_id="none",
        value=_VALUE))), "RT0012", "awakeable id", related=(1, "CompleteAwakeable")),
    Row("state_of_service", saying(message(T.GET_LAZY_STATE, pb.GetLazyStateCommand(key=b"a"))), "RT0017", "no state",
        related=(1, "GetLazyState")),
    Row("write_of_service", saying(_SET), "RT0017", "no state", related=(1, "SetState")),
    Row("shared_write", saying(_SET), "RT0017", "shared handler", kind="shared", related=(1, "SetState")),
    Row("workflow_shared_write", saying(_SET), "RT0017", "shared handler", kind="query", related=(1, "SetState")),
    Row("promise_of_service", saying(_PROMISE), "RT0017", "workflows only", related=(1, "GetPromise")),
    Row("promise_of_object", saying(_PROMISE), "RT0017", "workflows only", kind="exclusive",
        related=(1, "GetPromise")),
    # The response's head.
    Row("no_content_type", body(join(OUTPUT, END), content_type=""), "RT0012", "content-type"),
    Row("wrong_content_type", body(join(OUTPUT, END), content_type="application/json"), "RT0012", "content-type"),
    Row("other_version", body(join(OUTPUT, END), content_type="application/vnd.restate.invocation.v3"), "RT0012", "v3"),
    Row("status_204", status(204), "RT0007", "closed the response"),
    Row("status_302", status(302, location="/elsewhere"), "RT0012", "302"),
    Row("status_404", status(404), "RT0012", "404"),
    Row("status_413", status(413), "RT0019", "413"),
    Row("status_415", status(415), "RT0015", "415"),
    Row("status_429", status(429, retry_after="2"), "RT0023", "429"),
    Row("status_500", status(500), "RT0012", "500"),
    Row("status_502", status(502), "RT0010", "502"),
    Row("status_503", status(503), "RT0023", "503"),
    Row("status_504", status(504), "RT0010", "504"),
    Row("bad_head", bad_head, "RT0010", "malformed response"),
    Row("early_hints", early_hints, None),
    Row("trailers", answer_with_trailers, None),
    Row("only_trailers", only_trailers, "RT0007", "closed the response"),
    # Silence, and the end of a stream.
    Row("silence", hang, "RT0001", _LATE, options=_SHORT),
    Row("silence_in_a_frame", hang_after_head, "RT0001", _LATE, options=_SHORT),
    *(Row(f"reset_{code}", reset(code), "RT0010", "reset") for code in (*range(14), 0xDEAD) if code != _REFUSED),
    # It is sent again at once: that is no failed attempt (RFC 9113 section 8.7).
    Row("refused", refuse, None, again=True, oracle="RT0010"),
    Row(f"reset_{_REFUSED}", reset(_REFUSED), None, again=True, oracle="RT0010"),
]  # fmt: skip


def wire(data: Callable[[Exchange], bytes]) -> Act:
    """Bytes on the socket, past all rules of HTTP/2."""

    async def act(exchange: Exchange) -> None:
        exchange.wire.socket(data(exchange))
        await exchange.hang()

    return act


def h2_frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream_id.to_bytes(4, "big") + payload


async def close(exchange: Exchange) -> None:
    exchange.head()
    exchange.raw(join(RUN)[:5])
    exchange.wire.transport.close()


async def drop_in_a_frame(exchange: Exchange) -> None:
    exchange.head()
    exchange.wire.socket(h2_frame(0, 0, exchange.stream_id, bytes(100))[:40])
    await asyncio.sleep(0.05)
    exchange.wire.drop()


async def leave(exchange: Exchange) -> None:
    """As Hypercorn after 1000 requests: it takes the request, says that it will end the connection, and does."""
    exchange.head()
    exchange.wire.socket(h2_frame(7, 0, 0, exchange.stream_id.to_bytes(4, "big") + bytes(4)))
    exchange.wire.transport.close()


_GOAWAY_ALL = h2_frame(7, 0, 0, bytes(8))
ALONE: list[Row] = [
    Row("closed", close, "RT0010", "connection was lost"),
    Row("dropped", drop_in_a_frame, "RT0010", "connection was lost"),
    Row("goaway", wire(lambda _: _GOAWAY_ALL), None, again=True, oracle="RT0010"),
    Row("left", leave, None, again=True, oracle="RT0010"),
    Row("goaway_with_code", wire(lambda _: h2_frame(7, 0, 0, bytes(7) + b"\x0bcalm")), "RT0010", "ENHANCE_YOUR_CALM"),
    Row("socket_garbage", wire(lambda _: b"\xff" * 100), "RT0010", "FRAME_SIZE_ERROR"),
    Row("push", wire(lambda x: h2_frame(5, 4, x.stream_id, bytes(4))), "RT0010", "PUSH_PROMISE"),
    Row("data_before_head", wire(lambda x: h2_frame(0, 0, x.stream_id, b"x")), "RT0010", "before the response head"),
    Row("bad_settings", wire(lambda _: h2_frame(4, 0, 0, b"12345")), "RT0010", "SETTINGS of 5 bytes"),
    Row("window_overflow", wire(lambda _: h2_frame(8, 0, 0, b"\x7f\xff\xff\xff")), "RT0010", "window"),
    Row("bad_hpack", wire(lambda x: h2_frame(1, 4, x.stream_id, b"\xff\xff\xff\xff\xff\xff")), "RT0010", "COMPRESSION"),
    Row("endless_head", wire(lambda x: h2_frame(1, 0, x.stream_id, b"\x88") + b"".join(
        h2_frame(9, 0, x.stream_id, bytes(0)) for _ in range(2000))), "RT0010", "header block without an end",
        oracle=None),
    Row("huge_head", huge_head, "RT0010", "header", oracle=None),
    Row("no_window", hang, "RT0001", _LATE, options=_SHORT, settings={4: 0}, oracle=None),
    Row("many_pings", wire(lambda _: h2_frame(6, 0, 0, bytes(8)) * 5000), "RT0010", "without reading the answers",
        oracle=None),
]  # fmt: skip


def http1(data: bytes, *, close: bool = True) -> Act:
    """Bytes on the socket of an HTTP/1.1 connection."""

    async def act(exchange: Exchange) -> None:
        head = b"content-type: " + exchange.headers.get("accept", "").encode()
        exchange.wire.socket(data.replace(b"TYPE", head))
        if close:
            exchange.wire.transport.close()
        else:
            await exchange.hang()

    return act


async def drop(exchange: Exchange) -> None:
    exchange.head()
    exchange.raw(join(RUN)[:5])
    await asyncio.sleep(0.05)
    exchange.wire.drop()


_OK = b"HTTP/1.1 200 OK\r\nTYPE\r\n"
_CHUNKED = _OK + b"transfer-encoding: chunked\r\n\r\n"
_HUGE = _OK + b"x-filler: " + b"x" * 200_000 + b"\r\n\r\n"
HTTP1: list[Row] = [
    Row("h1_garbage", http1(b"\x00\x01\x02 what?\r\n\r\n"), "RT0010", "the response is no HTTP/1.1: Bad status line"),
    Row("h1_nothing", http1(b""), "RT0010", "closed the connection before a whole"),
    Row("h1_half_a_head", http1(b"HTTP/1.1 200 OK\r\ncontent-ty"), "RT0010", "closed the connection before a whole"),
    Row("h1_short_body", http1(_OK + b"content-length: 100\r\n\r\n" + join(RUN)), "RT0010", "not completed"),
    Row("h1_cut_chunk", http1(_CHUNKED + b"ff\r\n" + join(RUN)), "RT0010", "not completed"),
    Row("h1_bad_chunk", http1(_CHUNKED + b"zz\r\n"), "RT0010", "chunk size"),
    Row("h1_bad_length", http1(_OK + b"content-length: many\r\n\r\n"), "RT0010", "Content-Length"),
    Row("h1_huge_head", http1(_HUGE), "RT0010", "more than 65536 bytes", oracle="RT0007"),
    Row("h1_dropped", drop, "RT0007", "within a message", oracle="RT0010"),
    Row("h1_status_503", status(503, retry_after="1"), "RT0023", "503"),
    Row("h1_status_404", status(404), "RT0012", "404"),
    Row("h1_redirect", status(307, location="http://127.0.0.1:1/"), "RT0012", "307"),
    Row("h1_wrong_type", body(join(OUTPUT, END), content_type="text/html"), "RT0012", "content-type"),
    Row("h1_gzip", body(b"\x1f\x8b" + bytes(20), content_encoding="gzip"), "RT0012", "0x1f8b", oracle=None),
    Row("h1_half_a_frame", body(join(RUN)[:-2]), "RT0007", "within a message"),
    Row("h1_no_last_message", body(join(RUN)), "RT0007", "before it ended or suspended"),
    Row("h1_notification", saying(message(T.SIGNAL)), "RT0012", "SIGNAL"),
    Row("h1_silence", hang, "RT0001", _LATE, options=_SHORT),
    Row("h1_silence_in_a_frame", hang_after_head, "RT0001", _LATE, options=_SHORT),
]
