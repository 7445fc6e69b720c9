"""Descriptions of checkpoints and snapshots: golden text of format 1, and fields of a newer build."""

from __future__ import annotations

import pytest

from shared.errors import CorruptionError
from shared.snapshots.checkpoint_file import (
    CheckpointInfo,
    StoredFile,
    checkpoint_name,
    decode_checkpoint,
    encode_checkpoint,
    lsn_of_name,
)
from shared.snapshots.manifest import decode_manifest, encode_manifest
from tests.shared.snapshots.test_place import example

_INFO = CheckpointInfo(1, 3, 29, 7, 10, 2**64 - 1, 1, 1_700_000_000_000, (StoredFile("000009.sst", 5, "ab" * 16),))
#: These texts are in people's data directories and backups.
_GOLDEN_CHECKPOINT = """\
{
  "format": 1,
  "partition_id": 3,
  "applied_lsn": 29,
  "epoch": 7,
  "start_key": 10,
  "end_key": 18446744073709551615,
  "store_format": 1,
  "created_at_ms": 1700000000000,
  "files": [
    {
      "name": "000009.sst",
      "size": 5,
      "xxh3": "abababababababababababababababab"
    }
  ],
  "checksum": "402fe446b91951b455e94ab3c36cdf8f4434534b516087e1eafdb1af1cbd0ec5"
}
"""
_GOLDEN_MANIFEST_CHECKSUM = "030cf801042aa0c96f6d9177843391d3c0fd979cf985ee5713ead39fb7acc36d"


def test_text_of_a_checkpoint_in_format_1() -> None:
    assert encode_checkpoint(_INFO).decode() == _GOLDEN_CHECKPOINT
    assert decode_checkpoint(_GOLDEN_CHECKPOINT.encode(), what="it") == _INFO


def test_text_of_a_manifest_in_format_1() -> None:
    text = encode_manifest(example())
    assert f'"checksum": "{_GOLDEN_MANIFEST_CHECKSUM}"'.encode() in text
    assert decode_manifest(text, what="it") == example()


def test_fields_that_a_newer_build_added_are_covered_by_the_checksum_and_skipped() -> None:
    from hashlib import sha256

    body = _GOLDEN_CHECKPOINT.partition(',\n  "checksum"')[0] + ',\n  "more": [1, {"a": 2}]'
    text = f'{body},\n  "checksum": "{sha256(body.encode()).hexdigest()}"\n}}\n'
    assert decode_checkpoint(text.encode(), what="it") == _INFO
    with pytest.raises(CorruptionError, match="it is damaged"):
        decode_checkpoint(text.replace('"a": 2', '"a": 3').encode(), what="it")
    with pytest.raises(CorruptionError, match="it is damaged"):
        decode_checkpoint(text.replace("}\n", "}\n\n").encode(), what="it")


def test_names_of_kept_checkpoints() -> None:
    assert checkpoint_name(29) == "00000000000000000029"
    assert lsn_of_name(checkpoint_name(2**64 - 1)) == 2**64 - 1
    assert [lsn_of_name(name) for name in (".making", "29", "0000000000000000002x", "")] == [None] * 4
