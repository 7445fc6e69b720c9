"""The version of this Everlog, from the installed package or, in a bare checkout, from pyproject.toml."""

from __future__ import annotations

from pathlib import Path

__all__ = ["is_compiled", "version"]


def version() -> str:
    """Such as `0.1.0`. Imports late: it costs more than most verbs do."""
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
