"""A data directory of two partitions, made once and copied for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.fakes.data_directory import write_data_directory
from tests.scripts.debug.two_partitions import PROPOSALS, Two


@pytest.fixture(scope="package")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Two]:
    """What no test may change."""
    two, path = Two(), tmp_path_factory.mktemp("two") / "data"
    write_data_directory(path, two.machines, PROPOSALS)
    return path, two


@pytest.fixture
def two(template: tuple[Path, Two]) -> Two:
    """What is in the directory."""
    return template[1]


@pytest.fixture
def data(template: tuple[Path, Two], tmp_path: Path) -> Path:
    """The directory, to be changed."""
    return Path(shutil.copytree(template[0], tmp_path / "data"))
