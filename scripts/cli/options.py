"""Arguments that several verbs take, and the settings they make."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import msgspec

from scripts.node.layout import lock_holder
from shared.config import Settings, load_settings, read_settings
from shared.errors import ConfigError, EverlogError

__all__ = [
    "NotRunningError",
    "add_config",
    "add_data_dir",
    "add_settings",
    "load",
    "request_identity",
    "running_settings",
]

#: Flag -> (type, placeholder). Each sets the setting of the same name.
_FLAGS: dict[str, tuple[type, str]] = {
    "ingress_port": (int, "N"),
    "admin_port": (int, "N"),
    "sql_port": (int, "N"),
    "partitions": (int, "N"),
    "workers": (int, "N"),
}
#: Settings that name a file or folder.
_FILES = (
    *("data_dir", "request_identity_private_key_file", "service_ca_file"),
    *("sql_users_file", "sql_tls_cert_file", "sql_tls_key_file"),
)


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
    """The merged settings, with absolute paths. Raises ConfigError."""
    names = ("data_dir", *_FLAGS)
    flags: dict[str, Any] = {name: getattr(arguments, name, None) for name in names}
    settings = load_settings(file=getattr(arguments, "config", None), flags=flags)
    paths = {name: _absolute(getattr(settings, name)) for name in _FILES}
    return msgspec.structs.replace(settings, **paths)


def _absolute(path: str) -> str:
    """The programs of a node run elsewhere. "" stays: there is none."""
    return os.path.abspath(os.path.expanduser(path)) if path else path


def running_settings(arguments: argparse.Namespace) -> tuple[Settings, int]:
    """The settings of the node that runs on the data directory, and its supervisord's pid. Raises NotRunningError."""
    path = load(arguments).data_path
    running, pid = lock_holder(path)
    if not running or pid is None:
        raise NotRunningError(f"no node runs on {path}; start one with: everlog up --data-dir {path}")
    return read_settings(path / "run" / "settings.json"), pid


def request_identity(settings: Settings) -> str | None:
    """The public key by which services may check our requests; None: they are not signed."""
    from shared.transport.identity import load_identity

    file = settings.request_identity_private_key_file
    if not file:
        return None
    try:
        return load_identity(Path(file)).public_key
    except ConfigError as error:
        return f"not readable by now: {error}"
