"""All example services behind one port: `python -m scripts.examples.app`. Owns: the HTTP server."""

from __future__ import annotations

import argparse
import asyncio

import restate

from scripts.examples.counter import counter
from scripts.examples.greeter import greeter
from scripts.examples.sign_up import sign_up
from scripts.examples.trip import trip

app = restate.app([greeter, counter, sign_up, trip])


def main() -> None:
    """Serve HTTP/2 without TLS (h2c) until SIGTERM or Ctrl-C."""
    import hypercorn.asyncio
    import hypercorn.config

    parser = argparse.ArgumentParser(prog="python -m scripts.examples.app")
    parser.add_argument("--bind", default="127.0.0.1:9080", metavar="HOST:PORT")
    config = hypercorn.config.Config()
    config.bind = [parser.parse_args().bind]
    config.graceful_timeout = 0.5
    asyncio.run(hypercorn.asyncio.serve(app, config))


if __name__ == "__main__":
    main()
