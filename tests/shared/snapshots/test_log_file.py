"""A piece of a log as a file: golden bytes, every cut and every flipped bit."""

from __future__ import annotations

import pytest

from shared.errors import ConfigError, CorruptionError
from shared.snapshots.log_file import LogHead, decode_log, encode_batch_frame, encode_head

_BATCHES = [(4, b"four"), (7, b""), (9, b"n" * 300)]
_FILE = encode_head(group="p-0", after_lsn=3, upto_lsn=9) + b"".join(encode_batch_frame(*each) for each in _BATCHES)
#: Format 1: these bytes are in people's snapshots.
_GOLDEN_HEAD = "000000082a07944d9401a3702d300309"
_GOLDEN_FRAME = "0000000c3fd0d9ce0000000000000004666f7572"


def read(data: bytes, size: int | None = None) -> tuple[LogHead, list[tuple[int, bytes]]]:
    step = size or max(len(data), 1)
    head, batches = decode_log((data[at : at + step] for at in range(0, len(data), step)), what="it")
    return head, list(batches)


def test_bytes_of_format_1() -> None:
    assert encode_head(group="p-0", after_lsn=3, upto_lsn=9).hex() == _GOLDEN_HEAD
    assert encode_batch_frame(4, b"four").hex() == _GOLDEN_FRAME


@pytest.mark.parametrize("size", [1, 2, 7, 20, 1000])
def test_it_is_read_however_it_is_cut_into_chunks(size: int) -> None:
    assert read(_FILE, size) == (LogHead(1, "p-0", 3, 9), _BATCHES)


def test_every_flipped_byte_and_every_cut_is_found() -> None:
    whole = {len(_FILE)}
    at = 0
    for size in (len(bytes.fromhex(_GOLDEN_HEAD)), *(16 + len(batch) for _, batch in _BATCHES)):
        at += size
        whole.add(at)
    for at in range(len(_FILE)):
        with pytest.raises(CorruptionError, match="it "):
            read(_FILE[:at] + bytes([_FILE[at] ^ 0x40]) + _FILE[at + 1 :])
        if at not in whole:
            with pytest.raises(CorruptionError, match="it is"):
                read(_FILE[:at])


@pytest.mark.parametrize("lsns", [[3], [10], [5, 5], [6, 4]])
def test_batches_out_of_place_are_refused(lsns: list[int]) -> None:
    data = encode_head(group="p-0", after_lsn=3, upto_lsn=9) + b"".join(encode_batch_frame(lsn, b"") for lsn in lsns)
    with pytest.raises(CorruptionError, match="behind lsn="):
        read(data)


def test_a_newer_format_is_refused_by_its_number() -> None:
    import msgspec

    from shared.snapshots import log_file

    newer = log_file._frame(msgspec.msgpack.encode([2, "p-0", 3, 9, "more"]))
    with pytest.raises(ConfigError, match="format 2; this build reads up to 1"):
        read(newer)
    with pytest.raises(CorruptionError, match="no readable head"):
        read(log_file._frame(b"\x01"))
