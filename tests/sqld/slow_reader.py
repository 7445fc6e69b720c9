"""A client of `POST /query` that reads slowly, and what the programs on the way hold meanwhile.

By hand: `python -m tests.sqld.slow_reader --rows 1000000` starts a node and prints a table. Owns: its sockets.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import time
from pathlib import Path
from typing import NamedTuple

from tests.processes.node import Node, running_node

__all__ = ["Reading", "query_workers", "read_slowly", "rss_mb"]

ROWS = "SELECT x, 'some text to make it wide, and more, and more' AS t FROM generate_series(1, {}) s(x)"
_EVERY_S = 0.05


class Reading(NamedTuple):
    """`most_mb`: memory of each process beyond what it had before, at most."""

    bytes: int
    seconds: float
    whole: bool
    most_mb: dict[str, float]


def rss_mb(pid: int) -> float:
    """Memory in RAM; 0 when the process is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def query_workers(sqld: int) -> list[int]:
    """Pids of the query workers."""
    children = Path(f"/proc/{sqld}/task/{sqld}/children").read_text().split()
    return [int(pid) for pid in children if b"query worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def read_slowly(
    node: Node, sql: str, accept: str, *, bytes_per_s: float, within_s: float, pids: dict[str, int]
) -> Reading:
    """Ask, and take the answer at this rate, for so long. The connection is closed then, read or not."""
    before = {name: rss_mb(pid) for name, pid in pids.items()}
    most = dict.fromkeys(pids, 0.0)
    taken, whole, began = 0, False, time.monotonic()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        client.connect(("127.0.0.1", node.admin_port))
        body = json.dumps({"query": sql}).encode()
        head = f"POST /query HTTP/1.1\r\nHost: h\r\nAccept: {accept}\r\nContent-Type: application/json\r\n"
        client.sendall(f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        looked = 0.0
        while (now := time.monotonic()) - began < within_s:
            if now - looked > _EVERY_S:
                looked = now
                for name, pid in pids.items():
                    most[name] = max(most[name], rss_mb(pid) - before[name])
            due = bytes_per_s * (now - began) - taken
            if due < 1:
                time.sleep(min(_EVERY_S, (1 - due) / bytes_per_s))
                continue
            data = client.recv(min(int(due) + 1, 1 << 20))
            if not data:
                whole = True
                break
            taken += len(data)
    return Reading(taken, time.monotonic() - began, whole, most)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--mb-per-s", type=float, default=4.0)
    arguments = parser.parse_args()
    with running_node(partitions=2, workers=1) as node:
        sqld = node.pid("sqld")
        pids = {"metad": node.pid("metad"), "sqld": sqld, "query worker": query_workers(sqld)[0]}
        for accept in ("application/json", "application/x-ndjson", "application/vnd.apache.arrow.stream"):
            sql = ROWS.format(arguments.rows)
            reading = read_slowly(node, sql, accept, bytes_per_s=arguments.mb_per_s * 1e6, within_s=3600, pids=pids)
            grown = ", ".join(f"{name} +{mb:.1f} MB" for name, mb in reading.most_mb.items())
            end = "whole" if reading.whole else "CUT"
            print(f"{accept}: {reading.bytes / 1e6:.1f} MB in {reading.seconds:.1f} s, {end}; {grown}")


if __name__ == "__main__":
    main()
