"""Ids as official SDKs and the CLI know them, and the key space."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.ids import (
    SERVICE_BUCKETS,
    awakeable_id,
    decode_invocation_id,
    decode_signal_id,
    encode_deployment_id,
    encode_invocation_id,
    encode_ulid,
    idempotent_partition_key,
    idempotent_uuid,
    key_partition_key,
    partition_key_of,
    scope_partition_key,
    service_partition_key,
    target_partition_key,
    workflow_uuid,
)

_ids = st.binary(min_size=24, max_size=24)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("a", "inv_18JGSdHdDGIK6F5ZEO91lAP3ItxdoV6l3m"),
        ("b", "inv_1fPeNFii35EX6pYi5lu1anLvqNE1RwYxpK"),
        ("hello", "inv_1kDx24KM7ml75wlnrja7OuevZqIEkdsaOo"),
    ],
)
def test_idempotent_calls_have_the_oracles_ids(key: str, text: str) -> None:
    """Taken from Restate 1.7: service Cheap, handler greet, these idempotency keys."""
    place = idempotent_partition_key("Cheap", key)
    raw = place.to_bytes(8, "big") + idempotent_uuid("Cheap", None, "greet", key)
    assert encode_invocation_id(raw) == text
    assert decode_invocation_id(text) == raw
    assert partition_key_of(raw) == place


@settings(deadline=None)
@given(_ids)
def test_invocation_ids_come_back(raw: bytes) -> None:
    text = encode_invocation_id(raw)
    assert text.startswith("inv_1")
    assert len(text) == 38
    assert decode_invocation_id(text) == raw


@settings(deadline=None)
@given(_ids, _ids)
def test_different_ids_have_different_texts(left: bytes, right: bytes) -> None:
    assert (encode_invocation_id(left) == encode_invocation_id(right)) == (left == right)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "inv_1",
        "inv_18JGSdHdDGIK6F5ZEO91lAP3ItxdoV6l3",
        "inv_18JGSdHdDGIK6F5ZEO91lAP3ItxdoV6l3mm",
        "inv_28JGSdHdDGIK6F5ZEO91lAP3ItxdoV6l3m",
        "dp_118JGSdHdDGIK6F5ZEO91lAP3ItxdoV6l3m",
        "INV_18JGSdHdDGIK6F5ZEO91lAP3ItxdoV6l3m",
        "inv_18JGSdHdDGIK6F5ZEO91lAP3ItxdoV6l3-",
        "inv_18JGSdHdDGIK6F5ZEO91lAP3ItxdoV6l3é",
        " inv_18JGSdHdDGIK6F5ZEO91lAP3ItxdoV6l3m",
        "inv_1" + "Z" * 33,
        "inv_1" + "0" * 11 + "Z" * 22,
        "inv_1" + "Z" * 11 + "0" * 22,
    ],
)
def test_a_bad_invocation_id_is_refused_with_the_text_and_the_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"base62 digit|not an invocation id") as refused:
        decode_invocation_id(text)
    assert repr(text) in str(refused.value) or "base62 digit" in str(refused.value)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_an_id_or_a_value_error(text: str) -> None:
    for given_text in (text, "inv_1" + text, "sign_1" + text):
        for decode in (decode_invocation_id, decode_signal_id):
            with contextlib.suppress(ValueError):
                decode(given_text)


@settings(deadline=None)
@given(_ids, st.integers(0, (1 << 32) - 1))
def test_awakeable_ids_come_back(raw: bytes, signal: int) -> None:
    text = awakeable_id(raw, signal)
    assert text.startswith("sign_1")
    assert "=" not in text
    assert decode_signal_id(text) == (raw, signal)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "does not begin"),
        ("prom_1abc", "does not begin"),
        ("sign_1", "holds 0 bytes"),
        ("sign_1AAAA", "holds 3 bytes"),
        ("sign_1A", "not an awakeable id"),
        (awakeable_id(bytes(24), 1) + "AAAA", "holds 31 bytes"),
    ],
)
def test_a_bad_awakeable_id_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode_signal_id(text)


def test_deployment_ids_and_ulids_are_what_they_were() -> None:
    assert encode_deployment_id(bytes(16)) == "dp_1" + "0" * 22
    assert encode_deployment_id(bytes(range(16))) == "dp_10spiZ5jnFiXLEB5q4Itm5q"
    assert encode_ulid(1_469_918_176_385, bytes(16)) == "01ARYZ6S410000000000000000"
    assert encode_ulid(0, b"\xff" * 16) == "0000000000ZZZZZZZZZZZZZZZZ"


@settings(deadline=None)
@given(st.integers(0, (1 << 48) - 1), st.binary(min_size=16, max_size=16), st.integers(1, 1000))
def test_later_ulids_are_greater(now_ms: int, entropy: bytes, later_ms: int) -> None:
    first, second = encode_ulid(now_ms, entropy), encode_ulid(now_ms + later_ms, bytes(16))
    assert len(first) == 26
    assert first < second


def test_places_in_the_key_space_are_what_they_were() -> None:
    """A change would send every key to another partition."""
    assert key_partition_key("") == 0xD6BCEC3C6B29D72E
    assert key_partition_key("c1") == 0x5402245C23044F91
    assert service_partition_key("Greeter", 0) == 0xB8482BBD25B7DE4A
    assert workflow_uuid("SignUp", "w1").hex() == "09ce59d5d54e7bb42127432ec78b8cc2"


def test_a_scope_decides_the_place_and_is_part_of_the_identity() -> None:
    assert scope_partition_key("c1") == target_partition_key(None, "c1") == target_partition_key("c1", "other")
    assert workflow_uuid("SignUp", "w1", "s") not in (workflow_uuid("SignUp", "w1"), workflow_uuid("SignUp", "w1", "t"))
    plain = idempotent_uuid("Greeter", None, "greet", "k")
    assert idempotent_uuid("Greeter", None, "greet", "k", "s") not in (
        plain,
        idempotent_uuid("Greeter", "s", "greet", "k"),
    )


def test_an_unkeyed_service_has_512_places() -> None:
    places = {service_partition_key("Greeter", bucket) for bucket in range(SERVICE_BUCKETS)}
    assert len(places) == SERVICE_BUCKETS
    assert {idempotent_partition_key("Greeter", str(number)) for number in range(500)} <= places


@settings(deadline=None)
@given(st.text(), st.text(), st.text())
def test_an_idempotent_request_of_an_object_is_another_than_one_of_a_service(
    service: str, handler: str, key: str
) -> None:
    assert idempotent_uuid(service, None, handler, key) == idempotent_uuid(service, None, handler, key)
    assert len(idempotent_uuid(service, "k", handler, key)) == 16
