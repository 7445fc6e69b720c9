"""Starts the ingress: `python -m partitiond.ingress --data-dir D`."""

from __future__ import annotations

import asyncio
import logging
import sys

from partitiond.ingress import service
from shared.config import Settings
from shared.daemon import run_daemon
from shared.errors import ConfigError


async def _serve(settings: Settings, stopping: asyncio.Event) -> None:
    try:
        await service.serve(settings, stopping)
    except ConfigError as error:
        # The operator's to mend: no trace of ours helps.
        logging.getLogger(__name__).critical("%s", error)
        sys.exit(1)


if __name__ == "__main__":
    run_daemon("ingress", _serve)
