"""Checks of the response head."""

from __future__ import annotations

import pytest

from partitiond.invoker.response import check_response, retry_after_ms

_WANTED = "application/vnd.restate.invocation.v6"
_NOW_MS = 1_445_412_480_000  # Wed, 21 Oct 2015 07:28:00 GMT


def _code(status: int, content_type: str | None = _WANTED) -> str | None:
    failure = check_response(status, content_type=content_type, wanted=_WANTED, retry_after=None, now_ms=_NOW_MS)
    return failure.doc_code if failure else None


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (200, None), (201, None), (299, None), (301, "RT0012"), (400, "RT0012"), (401, "RT0012"), (404, "RT0012"),
        (413, "RT0019"), (415, "RT0015"), (429, "RT0023"), (500, "RT0012"), (502, "RT0010"), (503, "RT0023"),
        (504, "RT0010"), (599, "RT0012"), (999, "RT0012"),
    ],
)  # fmt: skip
def test_status(status: int, code: str | None) -> None:
    assert _code(status) == code


@pytest.mark.parametrize("content_type", [None, "", "application/json", _WANTED[:-1] + "5", _WANTED + "; a=b"])
def test_content_type_must_be_that_of_the_request(content_type: str | None) -> None:
    assert _code(200, content_type) == "RT0012"


@pytest.mark.parametrize(
    ("value", "delay_ms"),
    [
        (None, None), ("0", 0), ("77", 77_000), (" 5 ", 5000), ("-1", None), ("1.5", None), ("soon", None), ("", None),
        ("٣", None), ("9" * 40, 86_400_000),
        ("Wed, 21 Oct 2015 07:28:10 GMT", 10_000), ("Wed, 21 Oct 2015 07:27:00 GMT", 0),
        ("Wed, 21 Oct 2015 07:28:10", 10_000), ("Wed, 21 Oct 2035 07:28:10 GMT", 86_400_000),
    ],
)  # fmt: skip
def test_retry_after(value: str | None, delay_ms: int | None) -> None:
    assert retry_after_ms(value, now_ms=_NOW_MS) == delay_ms


def test_only_rate_limits_heed_retry_after() -> None:
    for status, delay_ms in ((429, 5000), (503, 5000), (500, None)):
        failure = check_response(status, content_type=None, wanted=_WANTED, retry_after="5", now_ms=_NOW_MS)
        assert failure is not None
        assert failure.next_retry_delay_ms == delay_ms
