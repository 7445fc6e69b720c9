"""Ids in paths: those that are read, and what is told about the others."""

from __future__ import annotations

import pytest

from partitiond.ingress.errors import IngressError
from partitiond.ingress.names import (
    idempotent_invocation_id,
    parse_awakeable_id,
    parse_invocation_id,
    workflow_invocation_id,
)
from shared.ids import encode_invocation_id

TYPE, VERSION, KIND, LENGTH, FORMAT, BASE62 = (
    "unrecognized resource type: ",
    "unrecognized codec version",
    "id doesn't match the expected type",
    "bad length",
    "bad format",
    "base62 decode error",
)

BAD_INVOCATIONS = {
    "": LENGTH,
    "inv": FORMAT,
    "inv_": LENGTH,
    "inv_1": LENGTH,
    "inv_1" + "0" * 34: LENGTH,
    "inv_2" + "0" * 33: VERSION,
    "inv_1" + "!" * 33: BASE62,
    "inv_1" + "Z" * 33: BASE62,
    "INV_1" + "0" * 33: TYPE + "INV",
    "_1": TYPE,
    "dp_1x": KIND,
    "sign_1x": KIND,
}

BAD_AWAKEABLES = {
    "": LENGTH,
    "bad": FORMAT,
    "_": TYPE,
    "foo_1": TYPE + "foo",
    "prom_1abc": LENGTH,
    "prom_2" + "A" * 38: VERSION,
    "sign_1": LENGTH,
    "sign_1!!": KIND,
    "sign_1AY2ZO0Vsz0wBAAAAAAAAAAAAAAAAAAAAAAAAER": KIND,
    "sign_1AY2ZO0Vsz0wBAAAAAAAAAAAAAAAAAAAAAAAA€Q": KIND,
    "sign_2AY2ZO0Vsz0wBAAAAAAAAAAAAAAAAAAAAAAAAEQ": VERSION,
    "inv_1x": KIND,
}


@pytest.mark.parametrize("text", BAD_INVOCATIONS)
def test_fault_of_an_invocation_id_is_named(text: str) -> None:
    with pytest.raises(IngressError) as caught:
        parse_invocation_id(text)
    assert caught.value.status == 400
    assert caught.value.message == f"bad invocation id '{text}': {BAD_INVOCATIONS[text]}"


@pytest.mark.parametrize("text", BAD_AWAKEABLES)
def test_fault_of_an_awakeable_id_is_named(text: str) -> None:
    with pytest.raises(IngressError) as caught:
        parse_awakeable_id(text)
    assert caught.value.status == 400
    assert caught.value.message.startswith(f"bad awakeable id '{text}': ")


def test_awakeable_id_may_be_padded() -> None:
    text = "sign_1AY2ZO0Vsz0wBAAAAAAAAAAAAAAAAAAAAAAAAEQ"
    assert parse_awakeable_id(text) == parse_awakeable_id(text + "==")
    assert parse_awakeable_id("prom_1" + "0" * 38) is None


def test_ids_of_targets_are_those_of_restate() -> None:
    """As the oracle (1.7.12) computed them."""
    assert encode_invocation_id(idempotent_invocation_id("IngSvc", None, "greet", "i1")) == (
        "inv_1aUesEQQeL966ixHvTf8v8nHFHltM5H7g2"
    )
    assert encode_invocation_id(idempotent_invocation_id("IngObj", "k1", "add", "i1")) == (
        "inv_1foAirY4KKzi643ka39MkcfqBBExSfHxpW"
    )
    assert encode_invocation_id(workflow_invocation_id("IngFlow", "k1")) == "inv_1foAirY4KKzi1JjEsQAXZ5aa8p7R8WQSwT"
