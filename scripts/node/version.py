"""The version of this Everlog, from the installed package or, in a bare checkout, from pyproject.toml."""

from __future__ import annotations

from pathlib import Path

__all__ = ["version"]


def version() -> str:
    """Such as `0.1.0`. Imports late: it costs more than most verbs do."""
    from importlib import metadata

    try:
        return metadata.version("everlog")
    except metadata.PackageNotFoundError:
        import tomllib

        pyproject = Path(__file__).resolve().parents[2] / "pyproject.toml"
        return str(tomllib.loads(pyproject.read_text())["project"]["version"])
