"""Structured logging: one line an event on stderr, which supervisord keeps. Owns: the root logger's handler."""

from __future__ import annotations

import logging
import sys

__all__ = ["setup_logging"]


def setup_logging(daemon: str, level: str) -> None:
    """Lines are `time level daemon logger: text`; facts (partition, lsn, invocation) are key=value in the text."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        logging.Formatter(f"%(asctime)s.%(msecs)03d %(levelname)s {daemon} %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
