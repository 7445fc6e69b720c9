"""Directories whose sockets have short paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.config import Settings
from tests.logd.client import make_settings


@pytest.fixture
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A node of its own. Not tmp_path: with the test's name in it a socket's path would be too long."""
    directory: Path = tmp_path_factory.mktemp("n")
    return make_settings(directory)
