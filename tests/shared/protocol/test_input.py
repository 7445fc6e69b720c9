"""The hand-made Input bytes are those of the protobuf library."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.protocol import service_pb2 as pb
from shared.protocol.input import encode_input, input_headers, input_payload

headers = st.lists(st.tuples(st.text(max_size=300), st.text(max_size=300)), max_size=5)


@given(headers, st.binary(max_size=400))
def test_input_bytes_are_those_of_protobuf(headers: list[tuple[str, str]], payload: bytes) -> None:
    message = pb.InputCommand(
        headers=[pb.Header(key=key, value=value) for key, value in headers], value=pb.Value(content=payload)
    )
    raw = encode_input(headers, payload)
    assert pb.InputCommand.FromString(raw) == message
    assert (input_headers(raw), input_payload(raw)) == (headers, payload)


def test_a_payload_of_megabytes_is_kept_whole() -> None:
    assert input_payload(encode_input([], bytes(3_000_000))) == bytes(3_000_000)
