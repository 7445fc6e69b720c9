"""Where the node is that a verb asks. Owns: nothing; reads flags, environment and the data directory.

In this order: `--admin` and `--ingress`, then EVERLOG_ADMIN_URL and EVERLOG_INGRESS_URL, then the node that runs on the
data directory, then the ports of the settings on this machine (a container may publish them).
"""

from __future__ import annotations

import argparse
import os
from urllib.parse import urlsplit

from scripts.console.failures import UsageError

__all__ = ["ADMIN_VARIABLE", "INGRESS_VARIABLE", "add_node", "admin_url", "ingress_url", "named_admin"]

ADMIN_VARIABLE = "EVERLOG_ADMIN_URL"
INGRESS_VARIABLE = "EVERLOG_INGRESS_URL"


def add_node(parser: argparse.ArgumentParser, *, ingress: bool = False) -> None:
    """`--admin`, `--data-dir`, and `--ingress` where calls are made."""
    if ingress:
        parser.add_argument("--ingress", metavar="URL", help=f"the node's ingress, or {INGRESS_VARIABLE}")
    parser.add_argument("--admin", metavar="URL", help=f"the node's admin API, or {ADMIN_VARIABLE}")
    parser.add_argument("--data-dir", metavar="D", help="or the node that runs on this directory (./everlog-data)")


def named_admin(arguments: argparse.Namespace) -> str | None:
    """The URL that was given, if one was: the node may be on another machine."""
    return _given(arguments, "admin", ADMIN_VARIABLE)


def admin_url(arguments: argparse.Namespace) -> str:
    """Without a slash at its end. Raises UsageError when what was given is no URL."""
    given = named_admin(arguments)
    return given if given is not None else _of_node(arguments, "admin_port")


def ingress_url(arguments: argparse.Namespace) -> str:
    """As `admin_url`. A node that is elsewhere tells where its ingress is."""
    given = _given(arguments, "ingress", INGRESS_VARIABLE)
    if given is not None:
        return given
    admin = named_admin(arguments)
    if admin is None:
        return _of_node(arguments, "ingress_port")
    from scripts.console.admin import Admin

    found = Admin(admin).get("/version").get("ingress_endpoint")
    if not found:
        raise UsageError(f"{admin} does not say where its ingress is: name it with --ingress URL")
    return _checked(str(found), "ingress_endpoint")


def _given(arguments: argparse.Namespace, name: str, variable: str) -> str | None:
    flag = getattr(arguments, name, None)
    if flag is not None:
        return _checked(flag, f"--{name}")
    if getattr(arguments, "data_dir", None) is not None:
        # A flag says more than a variable that is set for good.
        return None
    text = os.environ.get(variable)
    return _checked(text, variable) if text else None


def _checked(text: str, source: str) -> str:
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        well = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        well = False
    if not well or "?" in url or "#" in url:
        raise UsageError(f"{source} is {text!r}: want a URL such as http://localhost:9070")
    return url.rstrip("/")


def _of_node(arguments: argparse.Namespace, port: str) -> str:
    """Of the running node, else what the settings say."""
    from scripts.cli import options
    from scripts.node.ports import local_address

    try:
        settings, _ = options.running_settings(arguments)
    except options.NotRunningError:
        settings = options.load(arguments)
    host = local_address(settings.bind)
    named = f"[{host}]" if ":" in host else host
    return f"http://{named}:{getattr(settings, port)}"
