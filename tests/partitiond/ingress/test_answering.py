"""What every answer has, and what a fault of ours becomes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from partitiond.ingress.answering import Answering
from partitiond.ingress.http1.request import Request


async def _failing(*args: object) -> Any:
    raise KeyError("a bug")


def _request(*, length: int = -1, head_bytes: int = 10) -> Request:
    return Request(
        "GET", "/a", {}, length=length, chunked=False, head_bytes=head_bytes, minor=1, keep_alive=True
    )  # fmt: skip


async def _nothing() -> bytes:
    return b""


def test_a_fault_of_ours_is_told_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    answering = Answering(_failing, body_bytes_max=100)
    answered = asyncio.run(answering.answer(_request(), _nothing))
    assert answered.status == 500
    assert json.loads(answered.body)["source"] == "ingress"
    assert b"vary: origin" in answered.lines
    assert b"content-length: %d\r\n" % len(answered.body) in answered.lines
    assert "a bug" in caplog.text


@pytest.mark.parametrize(("length", "head_bytes", "status"), [(101, 10, 413), (-1, 60_001, 431)])
def test_what_is_unfit_is_asked_of_nobody(length: int, head_bytes: int, status: int) -> None:
    answering = Answering(_failing, body_bytes_max=100)
    answered = asyncio.run(answering.answer(_request(length=length, head_bytes=head_bytes), _nothing))
    assert answered.status == status
