"""Results and the answers they become."""

from __future__ import annotations

import json

import pytest

from partitiond.ingress import replies
from partitiond.ingress.errors import IngressError
from shared.api.partition import InvokeReply, ResultReply
from shared.ids import encode_invocation_id
from shared.wal.commands import Failure, Result
from tests.partitiond.ingress.catalogs import directory

HANDLERS = directory().services["Greeter"].handlers
GREET, ANY, MUTE = HANDLERS["greet"], HANDLERS["any"], HANDLERS["mute"]
ID = bytes(range(24))
NAME = encode_invocation_id(ID)
ID_LINE = f"x-restate-id: {NAME}\r\n".encode()
JSON = b"content-type: application/json\r\n"
TEXT = b"content-type: text/plain\r\n"
FAILED = b"x-restate-error-source: invocation\r\n" + JSON


@pytest.mark.parametrize(
    ("entry", "value", "headers"),
    [
        (GREET, b"1", JSON),
        (GREET, b"", b""),
        (ANY, b"1", TEXT),
        (ANY, b"", TEXT),
        (MUTE, b"1", b""),
        (None, b'{"a":1}', JSON),
        (None, b"\xff", b""),
        (None, b"", b""),
    ],
)
def test_content_type_is_the_handlers(entry: replies.HandlerEntry | None, value: bytes, headers: bytes) -> None:
    assert replies.result(ID, entry, ResultReply(1, value)) == (200, ID_LINE + headers, value, True)


def test_result_from_before_says_until_when_it_is_kept() -> None:
    expiry = b"idempotency-expires: 2026-11-24T06:19:20.902+00:00\r\n"
    answer = replies.result(ID, GREET, ResultReply(1, b"1", 1_795_501_160_902))
    assert answer.headers == ID_LINE + expiry + JSON
    failed = replies.result(ID, GREET, ResultReply(1, Failure(418, "tea"), 1_795_501_160_902))
    assert failed.headers == ID_LINE + expiry + FAILED


@pytest.mark.parametrize(
    ("code", "status"),
    [
        *((code, code) for code in (200, 400, 409, 418, 570, 599, 999)),
        *((code, 500) for code in (0, 99, 1000)),
        # These could not be answered with a body: the client would hang or not see why.
        *((code, 500) for code in (100, 101, 204, 205, 304)),
    ],
)
def test_status_is_the_failures_code(code: int, status: int) -> None:
    answer = replies.result(ID, GREET, ResultReply(1, Failure(code, "no")))
    assert (answer.status, answer.headers) == (status, ID_LINE + FAILED)
    assert json.loads(answer.body) == {"code": code, "message": "no", "source": "invocation"}


def test_metadata_of_a_failure_is_told() -> None:
    answer = replies.result(ID, GREET, ResultReply(1, Failure(500, "é", [("a", "b")])))
    assert json.loads(answer.body) == {"code": 500, "message": "é", "metadata": {"a": "b"}, "source": "invocation"}


def test_attach_to_nothing_is_the_invocations_failure() -> None:
    answer = replies.result(ID, None, ResultReply(1, None, found=False))
    assert (answer.status, answer.headers) == (404, ID_LINE + FAILED)
    assert json.loads(answer.body) == {"code": 404, "message": "not found", "source": "invocation"}


@pytest.mark.parametrize(
    ("reply", "status"),
    [(ResultReply(1, None, found=False), 404), (ResultReply(1, None, ready=False), 470)],
)
def test_output_that_is_not_there_is_refused(reply: ResultReply, status: int) -> None:
    with pytest.raises(IngressError) as caught:
        replies.output(ID, None, reply)
    assert caught.value.status == status
    assert replies.error(caught.value).headers == b"x-restate-error-source: ingress\r\n" + JSON


@pytest.mark.parametrize("value", [b"1", Failure(418, "tea")])
def test_output_that_is_there_is_answered_as_a_call(value: Result) -> None:
    reply = ResultReply(1, value)
    assert replies.output(ID, GREET, reply) == replies.result(ID, GREET, reply)


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (InvokeReply(1, True), {"status": "Accepted"}),
        (InvokeReply(1, False), {"status": "PreviouslyAccepted"}),
        (
            InvokeReply(1, True, 1_795_414_760_889),
            {"executionTime": "2026-11-23T06:19:20.889000000Z", "status": "Accepted"},
        ),
    ],
)
def test_send_is_acknowledged(reply: InvokeReply, told: dict[str, str]) -> None:
    answer = replies.send(ID, reply)
    assert (answer.status, answer.headers) == (202, JSON + ID_LINE)
    assert json.loads(answer.body) == {"invocationId": NAME} | told


def test_refusal_tells_its_source() -> None:
    answer = replies.error(IngressError(404, 'no "x"'))
    assert answer.status == 404
    assert answer.body == b'{"code":404,"message":"no \\"x\\"","source":"ingress"}'
