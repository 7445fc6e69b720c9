"""The version of this Everlog, from the installed package or, in a bare checkout, from pyproject.toml."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

__all__ = ["is_compiled", "version"]

#: Of the folder in which pip keeps what it knows about this package.
_BEFORE, _BEHIND = "everlog-", ".dist-info"


def version() -> str:
    """Such as `0.1.0`."""
    for place in sys.path:
        with contextlib.suppress(OSError):
            for name in os.listdir(place or "."):
                if name.startswith(_BEFORE) and name.endswith(_BEHIND):
                    return name[len(_BEFORE) : -len(_BEHIND)]
    # Late: it takes as long as most verbs do, and a node's start waits for it.
    from importlib import metadata

    try:
        return metadata.version("everlog")
    except metadata.PackageNotFoundError:
        import tomllib

        pyproject = Path(__file__).resolve().parents[2] / "pyproject.toml"
        return str(tomllib.loads(pyproject.read_text())["project"]["version"])


def is_compiled() -> bool:
    """Whether the hot modules are C extensions (`scripts/compile`), all of which are made at once."""
    from importlib.util import find_spec

    found = find_spec("partitiond.machine.apply")
    return found is not None and not (found.origin or "").endswith(".py")
