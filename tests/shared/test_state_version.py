"""Versions of a state are those that Restate's clients make."""

from __future__ import annotations

import pytest

from shared.state_version import state_version


@pytest.mark.parametrize(
    ("state", "version"),
    [
        ({}, "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"),
        ({b"name": b"bob"}, "tDqA04Lj3_qJ-PgNPTecXDGZgpwy6jm2Ni2BYqJIthM"),
        ({b"a": b"aaa", b"b": b"bbb"}, "RVM17P6x18Wp-JnzQ01BzmqCvhAunTOQI_az6Px3Zyk"),
    ],
)
def test_known_versions(state: dict[bytes, bytes], version: str) -> None:
    """As `crates/types/src/state_mut.rs` of Restate has them in its tests."""
    assert state_version(sorted(state.items())) == version
