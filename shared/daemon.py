"""How every daemon starts and ends: settings, logging, uvloop, SIGTERM drains, a second SIGTERM ends.

`run_daemon` for those with an event loop, `run_blocking` for the one without.

Owns: the process's signals.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from shared.config import Settings, read_own_settings
from shared.errors import ConfigError, StoreError
from shared.host_watch import watch_host
from shared.logs import setup_logging

__all__ = ["run_blocking", "run_daemon", "watch_signals"]

_log = logging.getLogger(__name__)


def run_daemon(name: str, serve: Callable[[Settings, asyncio.Event], Awaitable[None]]) -> None:
    """Read `--data-dir`, run `serve(settings, stopping)` until it returns.

    `stopping` is set by the first SIGTERM or SIGINT: `serve` drains and returns. The second ends the process at once.
    An exception out of `serve` is logged and ends the process with status 1: supervisord starts it again.
    """
    run_blocking(name, lambda settings: uvloop.run(_main(name, settings, serve)))


def run_blocking(name: str, serve: Callable[[Settings], None]) -> None:
    """As `run_daemon`, but signals are the business of `serve(settings)`."""
    if not __debug__:
        sys.exit("Everlog's assertions guard its data: run Python without -O")
    parser = argparse.ArgumentParser(prog=name)
    parser.add_argument("--data-dir", required=True, type=Path)
    arguments = parser.parse_args()
    try:
        settings = read_own_settings(arguments.data_dir / "run" / "settings.json")
    except ConfigError as error:
        sys.exit(f"{name}: {error}")
    setup_logging(name, settings.log_level)
    _log.info("%s starts pid=%d", name, os.getpid())
    try:
        serve(settings)
    except (ConfigError, StoreError) as error:
        # The operator's to mend: no trace of ours helps.
        _log.critical("%s", error)
        sys.exit(1)
    except Exception:
        _log.critical("%s failed", name, exc_info=True)
        sys.exit(1)
    _log.info("%s ends", name)


async def _main(name: str, settings: Settings, serve: Callable[[Settings, asyncio.Event], Awaitable[None]]) -> None:
    stopping = watch_signals(name)
    watch = asyncio.create_task(watch_host(clock=False), name="host-watch")
    await serve(settings, stopping)
    watch.cancel()


def watch_signals(name: str) -> asyncio.Event:
    """An event that the first SIGTERM or SIGINT sets; the second ends the process at once."""
    stopping = asyncio.Event()

    def on_signal() -> None:
        if stopping.is_set():
            os._exit(1)
        _log.info("%s drains", name)
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    return stopping
