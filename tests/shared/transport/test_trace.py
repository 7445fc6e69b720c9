"""Trace context: what is passed on, and what is none."""

from __future__ import annotations

import pytest

from shared.transport.trace import read_trace, trace_headers

_IDS = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
_PARENT = f"00-{_IDS}-01"


@pytest.mark.parametrize("parent", [_PARENT, f"00-{_IDS}-00", f"00-{_IDS}-03"])
def test_a_parent_is_passed_on_as_it_is(parent: str) -> None:
    assert read_trace({"traceparent": parent}) == (parent, None)
    assert trace_headers(parent, None) == [("traceparent", parent)]


@pytest.mark.parametrize("parent", [f"01-{_IDS}-01", f"cc-{_IDS}-01-what-will-be"])
def test_of_a_later_version_the_known_parts_are_passed_on(parent: str) -> None:
    assert read_trace({"traceparent": parent, "tracestate": "a=b"}) == (_PARENT, "a=b")


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "zz",
        "00",
        f"ff-{_IDS}-01",
        f"00-{_IDS}-1",
        f"00-{_IDS}-01-more",
        f"00-{_IDS}-01-",
        f"00-{_IDS.upper()}-01",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
        f"{_PARENT}\r\nx-more: 1",
        f"01-{_IDS}-01\r\nx",
    ],
)
def test_what_is_no_parent_is_dropped_with_the_state(parent: str) -> None:
    assert read_trace({"traceparent": parent, "tracestate": "a=b"}) == (None, None)
    assert trace_headers(parent, "a=b") == []


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        ("a=b,c=d", "a=b,c=d"),
        ("rojo=00f067aa0ba902b7 , t61@congo=x y,,", "rojo=00f067aa0ba902b7,t61@congo=x y"),
        ("a=" + "v" * 256, "a=" + "v" * 256),
        ("", None),
        (",,", None),
        ("bad state", None),
        ("a=b,Bad=c", None),
        ("a=é", None),
        ("a=b\r\nx: 1", None),
        ("a=" + "v" * 257, None),
        (",".join(f"k{n}=v" for n in range(33)), None),
        (",".join(f"k{n}={'v' * 100}" for n in range(6)), None),
    ],
)
def test_a_state_is_kept_whole_or_dropped(state: str, kept: str | None) -> None:
    assert read_trace({"traceparent": _PARENT, "tracestate": state}) == (_PARENT, kept)


def test_a_state_alone_means_nothing() -> None:
    assert read_trace({"tracestate": "a=b"}) == (None, None)


def test_state_is_sent_beside_its_parent() -> None:
    assert trace_headers(_PARENT, "a=b") == [("traceparent", _PARENT), ("tracestate", "a=b")]
