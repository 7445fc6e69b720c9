"""What `scripts/up` runs: `everlog up` with the example services as one more program, registered and called once."""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import sys
from collections.abc import Sequence
from typing import Any

from scripts.cli import options, up
from scripts.cli.show import addresses
from scripts.node.launch import StartError
from scripts.node.ports import local_address
from scripts.node.programs import PROGRAMS, Program
from shared.config import Settings
from shared.errors import EverlogError

__all__ = ["main"]

_EXAMPLES_PORT = 9080
_TIMEOUT_S = 30.0

_NEXT = """
Try next:
  curl {ingress}/Counter/apples/add -H 'content-type: application/json' -d 5
  psql '{sql}' -c "select id, target, status from sys_invocation"
  {everlog} status --data-dir {data}
  The services are in scripts/examples, with more calls in its README.md; README.md has a tour.
"""


def main(argv: Sequence[str] | None = None, programs: Sequence[Program] = PROGRAMS) -> int:
    """Start, register, call, stay."""
    parser = argparse.ArgumentParser(prog="scripts/up", description="A node with the example services on it.")
    up.add_arguments(parser)
    parser.add_argument("--no-example", action="store_true", help="leave the example services out")
    arguments = parser.parse_args(argv)
    try:
        settings = options.load(arguments)
        if arguments.no_example:
            return up.run_node(settings, programs, detach=arguments.detach)
        port = _free_port(_EXAMPLES_PORT)
        bind = f"127.0.0.1:{port}"
        examples = Program("examples", ("-m", "scripts.examples.app", "--bind", bind), port=port, takes_data_dir=False)

        def show_example(settings: Settings) -> None:
            _show_example(settings, f"http://{bind}")

        return up.run_node(settings, [*programs, examples], detach=arguments.detach, when_ready=show_example)
    except EverlogError as error:
        print(f"scripts/up: {error}", file=sys.stderr)
        return 1


def _free_port(preferred: int) -> int:
    """The preferred port, or any other one when somebody has it."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StartError("no free port for the example services")


def _show_example(settings: Settings, uri: str) -> None:
    host = local_address(settings.bind)
    where = addresses(
        host=host,
        ingress_port=settings.ingress_port,
        admin_port=settings.admin_port,
        sql_port=settings.sql_port,
    )
    deployment = _post(host, settings.admin_port, "/deployments", {"uri": uri, "force": True})
    names = ", ".join(service["name"] for service in deployment["services"])
    print(f"\nThe example services at {uri} are registered: {names}.")
    answer = _post(host, settings.ingress_port, "/Greeter/greet", "World")
    print(f"  curl {where['ingress']}/Greeter/greet -H 'content-type: application/json' -d '\"World\"'")
    print(f"  {json.dumps(answer)}")
    everlog = f"{sys.prefix}/bin/everlog"
    print(_NEXT.format(ingress=where["ingress"], sql=where["sql"], data=settings.data_dir, everlog=everlog), flush=True)


def _post(host: str, port: int, path: str, body: Any) -> Any:
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    try:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise StartError(f"POST http://{host}:{port}{path}: {error}") from error
    finally:
        connection.close()
    if response.status >= 300:
        raise StartError(f"POST http://{host}:{port}{path} answered {response.status}: {text}")
    return json.loads(text)


if __name__ == "__main__":
    sys.exit(main())
