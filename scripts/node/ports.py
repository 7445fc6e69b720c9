"""The node's public ports: are they free, and who has them."""

from __future__ import annotations

import errno
import os
import socket

from scripts.node.procfs import listener_of_port
from shared.config import Settings
from shared.errors import ConfigError

__all__ = ["check_ports", "local_address"]

_PORT_SETTINGS = ("ingress_port", "admin_port", "sql_port")


def check_ports(settings: Settings) -> None:
    """Raise ConfigError that names every port that cannot be had, who has it, and the remedy."""
    problems = [text for name in _PORT_SETTINGS if (text := _problem(name, settings))]
    if problems:
        raise ConfigError("\n".join(problems))


def _problem(name: str, settings: Settings) -> str:
    port: int = getattr(settings, name)
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.bind, port))
            probe.listen(1)
    except socket.gaierror as error:
        raise ConfigError(f"bind is {settings.bind!r}, which is no address: {error.strerror}") from error
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise ConfigError(f"bind is {settings.bind!r}, which is no address of this machine") from error
        remedy = f"choose another with --{name.replace('_', '-')} (or EVERLOG_{name.upper()})"
        if error.errno == errno.EADDRINUSE:
            return f"port {port} ({name}) is taken{_by_whom(port)}: stop that, or {remedy}"
        return f"port {port} ({name}) cannot be used: {os.strerror(error.errno or 0)}; {remedy}"
    return ""


def _by_whom(port: int) -> str:
    holder = listener_of_port(port)
    if holder is None:
        return ""
    pid, command = holder
    return f" by pid {pid} ({command[:80]})"


def local_address(bind: str) -> str:
    """Where to reach, from this machine, what listens on `bind`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(bind, bind)
