"""Everlog's package; with EVERLOG_COMPILED=1 in the environment, its hot modules become C extensions by mypyc.

The rest of the project's description is in pyproject.toml, and so is the list of what is compiled (tool.everlog).
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from setuptools import Extension, setup


def _modules() -> list[str]:
    with Path("pyproject.toml").open("rb") as file:
        wanted: dict[str, list[str]] = tomllib.load(file)["tool"]["everlog"]
    found = {path for pattern in wanted["compiled"] for path in Path().glob(pattern)}
    return sorted(str(path) for path in found if str(path) not in wanted["interpreted"])


def _extensions() -> list[Extension]:
    if os.environ.get("EVERLOG_COMPILED") != "1":
        return []
    from mypyc.build import mypycify

    # -O2: -O3 takes half as long again, and was not faster. Without debug information, which would be 40 MB.
    extensions: list[Extension] = mypycify(_modules(), opt_level="2", debug_level="0", multi_file=True)
    return extensions


setup(ext_modules=_extensions())
