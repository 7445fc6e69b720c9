"""The project's own Python files, parsed. Read once for all tidy tests."""

from __future__ import annotations

import ast
import functools
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["PACKAGES", "ROOT", "Source", "settings", "sources", "sources_of_tests"]

ROOT = Path(__file__).resolve().parents[2]
#: The top-level packages: four daemons, what they share, and the scripts.
DAEMONS = ("logd", "partitiond", "metad", "sqld")
PACKAGES = (*DAEMONS, "shared", "scripts")


@dataclass(frozen=True)
class Source:
    """One file: `name` is its path from the root, `module` its dotted name."""

    name: str
    text: str
    tree: ast.Module

    @property
    def module(self) -> str:
        return self.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.tree) or ""

    @property
    def is_pure(self) -> bool:
        """A module says so itself, and is then held to it."""
        return "Pure: no I/O" in self.docstring


@functools.cache
def settings() -> dict[str, Any]:
    """`[tool.tidy]` of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["tidy"]
    return table


@functools.cache
def sources() -> tuple[Source, ...]:
    """Every file of the packages, without what a generator wrote."""
    return tuple(_parse(path) for package in PACKAGES for path in _files(package))


@functools.cache
def sources_of_tests() -> tuple[Source, ...]:
    """Every file of the tests."""
    return tuple(_parse(path) for path in _files("tests"))


def _files(folder: str) -> list[Path]:
    generated = set(settings()["generated"])
    command = [
        "git",
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "--",
        f"{folder}/**.py",
        f"{folder}/*.py",
    ]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        listed = [str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*.py")]
    return [ROOT / name for name in sorted(set(listed)) if name not in generated and (ROOT / name).exists()]


def _parse(path: Path) -> Source:
    text = path.read_text()
    return Source(str(path.relative_to(ROOT)), text, ast.parse(text))
