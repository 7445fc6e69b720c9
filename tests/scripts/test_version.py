"""The version that `everlog --version` tells."""

from __future__ import annotations

from importlib import metadata

from scripts.node.version import version


def test_it_is_that_of_the_installed_package() -> None:
    assert version() == metadata.version("everlog")
