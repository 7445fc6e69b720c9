"""All example services behind one port: `python -m scripts.examples.app`. Owns: the HTTP server."""

from __future__ import annotations

import argparse
import asyncio
import signal

import restate
from restate.server import install_shutdown_hook

from scripts.examples.counter import counter
from scripts.examples.greeter import greeter
from scripts.examples.sign_up import sign_up
from scripts.examples.trip import trip

app = restate.app([greeter, counter, sign_up, trip])


async def serve(bind: str) -> None:
    """Serve HTTP/2 without TLS (h2c) until SIGTERM or Ctrl-C."""
    import hypercorn.asyncio
    import hypercorn.config

    config = hypercorn.config.Config()
    config.bind = [bind]
    config.graceful_timeout = 0.5
    # Hypercorn drops a connection, with all that runs on it, after 1000 requests: too few for one that all calls share.
    config.keep_alive_max_requests = 2**31 - 1
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # The SDK listens to SIGTERM too, and asyncio keeps one listener a signal: so both register with the SDK.
        install_shutdown_hook(asyncio.get_running_loop(), ending.set, number)
    await hypercorn.asyncio.serve(app, config, shutdown_trigger=ending.wait)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m scripts.examples.app")
    parser.add_argument("--bind", default="127.0.0.1:9080", metavar="HOST:PORT")
    asyncio.run(serve(parser.parse_args().bind))


if __name__ == "__main__":
    main()
