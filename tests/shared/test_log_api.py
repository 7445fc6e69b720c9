"""Messages of logd that are made by hand."""

from __future__ import annotations

import msgspec
import pytest

from shared.api.log import Append, LogRequest, encode_kept_append


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65535, 65536, 3_000_000])
@pytest.mark.parametrize("request_id", [1, 127, 128, 70_000, 1 << 40])
def test_a_kept_append_in_pieces_is_the_message(size: int, request_id: int) -> None:
    payload = bytes(size)
    pieces = encode_kept_append(request_id, "p-17", payload)
    assert pieces[1] is payload, "it is not copied"
    decoded = msgspec.msgpack.decode(b"".join(pieces), type=LogRequest)
    assert decoded == Append(request_id, "p-17", payload, True)
