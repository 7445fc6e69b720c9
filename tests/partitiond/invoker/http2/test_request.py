"""Request heads and origins: what is sent is valid, or was never made."""

import pytest
from hpack import Decoder

from partitiond.invoker.http2.hpack import encode_field
from partitiond.invoker.http2.request import Origin, RequestHead

ORIGIN = Origin("http", "localhost", 9080)


def decoded(head: RequestHead, origin: Origin = ORIGIN) -> list[tuple[str, str]]:
    return [tuple(field) for field in Decoder().decode(head.before + origin.block() + head.after)]


def test_a_head_reads_back_with_pseudo_headers_first() -> None:
    head = RequestHead("POST", "/invoke/Greeter/greet", (("content-type", "a/b"), ("x-n", "")))
    assert decoded(head) == [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "localhost:9080"),
        (":path", "/invoke/Greeter/greet"),
        ("content-type", "a/b"),
        ("x-n", ""),
    ]


def test_golden_bytes_of_a_head() -> None:
    head = RequestHead("POST", "/a", (("k", "v"),))
    golden = "83 86 010e 6c6f63616c686f73743a39303830 0402 2f61 00016b0176"
    assert head.before + ORIGIN.block() + head.after == bytes.fromhex(golden)


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 254, 255, 16_384, 30_000])
def test_values_of_any_length_read_back(size: int) -> None:
    head = RequestHead("PATCH", "/" + "p" * size, (("x", "v" * size),))
    assert decoded(head, Origin("https", "h", 1))[3:] == [(":path", "/" + "p" * size), ("x", "v" * size)]


def test_with_path_keeps_the_fixed_headers_and_adds_more() -> None:
    fixed = RequestHead("GET", "/", (("a", "1"),))
    assert decoded(fixed.with_path("/b", ("c", "2"))) == decoded(RequestHead("GET", "/b", (("a", "1"), ("c", "2"))))
    assert decoded(fixed) == decoded(RequestHead("GET", "/", (("a", "1"),)))


def test_secrets_are_never_indexed() -> None:
    assert encode_field("authorization", "Bearer x")[0] == 0x10
    assert encode_field("accept", "*/*")[0] == 0x00


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Upper", "v"), ("", "v"), (":path", "/"), ("a b", "v"), ("a\n", "v"), ("a:", "v"), ("é", "v"),
        ("a", "b\r\nc: d"), ("a", "b\n"), ("a", "\r"), ("a", "b\0"), ("a", " b"), ("a", "b "), ("a", "\tb"),
        ("connection", "close"), ("transfer-encoding", "chunked"), ("upgrade", "h2c"), ("keep-alive", "1"),
        ("proxy-connection", "x"), ("te", "gzip"),
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_sent_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="header"):
        RequestHead("POST", "/", ((name, value),))
    with pytest.raises(ValueError, match="header"):
        RequestHead("POST", "/").with_path("/", (name, value))


@pytest.mark.parametrize("path", ["", "a", "/a b", "/a\r\n", "/ü", "/a#b", "http://x/"])
def test_a_path_that_cannot_be_sent_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        RequestHead("POST", path)


@pytest.mark.parametrize("method", ["", "A B", "CONNECT", "P\n"])
def test_a_method_that_cannot_be_sent_is_refused(method: str) -> None:
    with pytest.raises(ValueError, match="method"):
        RequestHead(method, "/")


def test_values_beyond_ascii_are_utf8() -> None:
    assert decoded(RequestHead("POST", "/", (("x", "grüße"), ("te", "trailers"))))[4] == ("x", "grüße")


@pytest.mark.parametrize(
    "bad",
    [
        ("ftp", "h", 1, ""),
        ("http", "", 1, ""),
        ("http", "h", 0, ""),
        ("http", "h", 65536, ""),
        ("http", "h", 1, "a\r\nb"),
        ("http", "h", 1, "user@h"),
        ("http", "h i", 1, ""),
    ],
)
def test_a_bad_origin_is_refused(bad: tuple[str, str, int, str]) -> None:
    with pytest.raises(ValueError, match=r"scheme|host|authority"):
        Origin(*bad)


def test_an_origin_names_ipv6_hosts_in_brackets() -> None:
    assert Origin("http", "::1", 80).authority == "[::1]:80"
    assert str(Origin("https", "10.0.0.1", 443, "svc.example")) == "https://svc.example"
