"""What the head of a service's response says: go on, or why not. Pure: no I/O.

Source: features.md §1.2, response checks.
"""

from __future__ import annotations

from email.utils import mktime_tz, parsedate_tz
from http import HTTPStatus

from partitiond.invoker.failure import AttemptFailure

__all__ = ["check_response", "retry_after_ms"]

#: Proxies have been seen to ask for years.
RETRY_AFTER_MS_MAX = 24 * 60 * 60 * 1000
_DOC_CODES = {415: "RT0015", 413: "RT0019", 502: "RT0010", 504: "RT0010", 429: "RT0023", 503: "RT0023"}


def check_response(
    status: int, *, content_type: str | None, wanted: str, retry_after: str | None, now_ms: int
) -> AttemptFailure | None:
    """None: the body is a conversation. `wanted` is the content type that the request named."""
    if 200 <= status < 300:
        if content_type == wanted:
            return None
        return AttemptFailure("RT0012", f"the service answered with content-type {content_type!r}, want {wanted!r}")
    doc_code = _DOC_CODES.get(status, "RT0012")
    failure = AttemptFailure(doc_code, f"the service answered with HTTP status {_status_text(status)}")
    if doc_code == "RT0023":
        failure.next_retry_delay_ms = retry_after_ms(retry_after, now_ms=now_ms)
    return failure


def retry_after_ms(value: str | None, *, now_ms: int) -> int | None:
    """RFC 9110 section 10.2.3: seconds or a date. None for none, or one that makes no sense."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(int(value[:9]) * 1000, RETRY_AFTER_MS_MAX)
    date = parsedate_tz(value)
    if date is None:
        return None
    # No zone means Greenwich here; mktime_tz would take it for local time.
    try:
        at_ms = mktime_tz((*date[:9], date[9] or 0)) * 1000
    except (ValueError, OverflowError):
        return None
    return min(max(0, at_ms - now_ms), RETRY_AFTER_MS_MAX)


def _status_text(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
