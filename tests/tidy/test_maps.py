"""Each package's docstring is a map of it: every module is named, and nothing that is not there."""

from __future__ import annotations

import ast
import re

import pytest

from tests.tidy.sources import ROOT, Source, settings, sources

_ENTRY = re.compile(r"^    (\w+)(?: {2,}|$)", re.MULTILINE)


def _packages() -> list[Source]:
    return [source for source in sources() if source.name.endswith("/__init__.py")]


def _contents(package: Source) -> set[str]:
    """Names of the modules and sub-packages directly in it; `__main__` need not be named."""
    prefix = package.name.removesuffix("__init__.py")
    inside = {source.name.removeprefix(prefix) for source in sources() if source.name.startswith(prefix)}
    names = {name.partition("/")[0].removesuffix(".py") for name in inside}
    return {name for name in names if not name.startswith("__")}


def test_every_folder_of_code_is_a_package() -> None:
    folders = {source.name.rpartition("/")[0] for source in sources()}
    maps = {source.name.rpartition("/")[0] for source in _packages()}
    assert not folders - maps, f"no __init__.py with a map in {sorted(folders - maps)}"


@pytest.mark.parametrize("package", _packages(), ids=lambda package: package.name)
def test_map_names_every_module(package: Source) -> None:
    missing = {name for name in _contents(package) if not re.search(rf"\b{name}\b", package.docstring)}
    assert not missing, f"{package.name} does not name {sorted(missing)}"


@pytest.mark.parametrize("package", _packages(), ids=lambda package: package.name)
def test_map_names_nothing_else(package: Source) -> None:
    folder = ROOT / package.name.removesuffix("__init__.py")
    entries = set(_ENTRY.findall(package.docstring))
    gone = {name for name in entries if not (folder / name).is_dir() and not list(folder.glob(f"{name}.py*"))}
    assert not gone, f"{package.name} names {sorted(gone)}, which are not there"


def test_package_files_hold_only_their_maps() -> None:
    with_code = [
        package.name
        for package in _packages()
        if not all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in package.tree.body)
    ]
    assert all(package.docstring for package in _packages())
    assert with_code == settings()["ratchet"]["packages_with_code"], "an __init__.py holds only its map"
