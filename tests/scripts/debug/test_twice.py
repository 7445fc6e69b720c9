"""The check at the end of a session can fail."""

from __future__ import annotations

import pytest

from shared.wal.batch import decode_batch, encode_batch
from tests import twice
from tests.partitiond.machine.fixtures import ALL_KEYS
from tests.scripts.debug.two_partitions import Two


def test_a_log_that_gives_other_bytes_is_named(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twice, "_folder", None)
    monkeypatch.setattr(twice, "_names", [])
    log, digest = two.left.log, two.left.store.digest()
    key_range = two.left.meta.start_key, two.left.meta.end_key
    later = decode_batch(log[-1][1])
    later.at_ms += 1
    twice.add("whole", 0, key_range, log, digest)
    twice.add("another time", 0, key_range, [*log[:-1], (log[-1][0], encode_batch(later))], digest)
    twice.add("other keys", 0, ALL_KEYS, log, digest)
    found = twice.differences()
    assert ["another time" in found[0], "other keys" in found[1]] == [True, True]
    assert len(found) == 2
    assert twice.differences() == []
