"""Arguments that several verbs take, and the settings they make."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import msgspec

from scripts.node.layout import lock_holder
from shared.config import Settings, load_settings, read_settings
from shared.errors import EverlogError

__all__ = ["NotRunningError", "add_config", "add_data_dir", "add_settings", "load", "running_settings"]

#: Flag -> (type, placeholder). Each sets the setting of the same name.
_FLAGS: dict[str, tuple[type, str]] = {
    "ingress_port": (int, "N"),
    "admin_port": (int, "N"),
    "sql_port": (int, "N"),
    "partitions": (int, "N"),
    "workers": (int, "N"),
}


class NotRunningError(EverlogError):
    """No node runs on this data directory. Start one with `everlog up`."""


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """`--data-dir`: which node is meant."""
    parser.add_argument("--data-dir", metavar="D", help="the node's data directory (default: ./everlog-data)")


def add_config(parser: argparse.ArgumentParser) -> None:
    """`--config`: the TOML file."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with settings")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Everything that makes the settings of a new node."""
    from shared.config import SETTING_DOCS

    add_data_dir(parser)
    for name, (kind, placeholder) in _FLAGS.items():
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=kind, metavar=placeholder, help=SETTING_DOCS[name])
    add_config(parser)


def load(arguments: argparse.Namespace) -> Settings:
    """The merged settings, with an absolute data directory. Raises ConfigError."""
    names = ("data_dir", *_FLAGS)
    flags: dict[str, Any] = {name: getattr(arguments, name, None) for name in names}
    settings = load_settings(file=getattr(arguments, "config", None), flags=flags)
    path = os.path.abspath(os.path.expanduser(settings.data_dir))
    return msgspec.structs.replace(settings, data_dir=path)


def running_settings(arguments: argparse.Namespace) -> tuple[Settings, int]:
    """The settings of the node that runs on the data directory, and its supervisord's pid. Raises NotRunningError."""
    path = load(arguments).data_path
    running, pid = lock_holder(path)
    if not running or pid is None:
        raise NotRunningError(f"no node runs on {path}; start one with: everlog up --data-dir {path}")
    return read_settings(path / "run" / "settings.json"), pid
