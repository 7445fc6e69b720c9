"""What all tests of the invoker have in common."""

from __future__ import annotations

import pytest

from partitiond.invoker import attempt


@pytest.fixture(autouse=True)
def _short_farewells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many played services leave their response open behind a failure: nobody waits five seconds for them."""
    monkeypatch.setattr(attempt, "_FAREWELL_S", 0.2)
