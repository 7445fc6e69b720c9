"""The picture of an invocation's life in ARCHITECTURE.md is that of the code."""

from __future__ import annotations

from tests.tidy.lifecycle_picture import draw, drawn_in
from tests.tidy.sources import ROOT


def test_the_picture_is_current() -> None:
    _, drawing, _ = drawn_in((ROOT / "ARCHITECTURE.md").read_text())
    assert drawing == draw(), "run scripts/draw"
