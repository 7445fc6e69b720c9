"""One logd of a cluster as a process: the members come from the command line, there is no setting for them yet.

python -m tests.logd.cluster_node DATA_DIR NAME '{"a": ["127.0.0.1", 20001], "b": ...}'
"""

from __future__ import annotations

import asyncio
import json
import sys

import uvloop

from logd.peers.options import ClusterOptions
from logd.raft.timing import Timing
from logd.service import LogService
from shared.config import Settings
from shared.logs import setup_logging

FAST = Timing(heartbeat_s=0.05, election_s_min=0.2, election_s_max=0.5, fallback_s=1.0)


async def main(data_dir: str, name: str, members: dict[str, tuple[str, int]]) -> None:
    listen = members.pop(name)
    service = LogService(
        Settings(data_dir=data_dir, node_name=name),
        ClusterOptions(tuple(listen), {peer: tuple(address) for peer, address in members.items()}, b"secret", FAST),
    )
    service.open_group("p-1")
    await service.start()
    await service.run(asyncio.Event())


if __name__ == "__main__":
    setup_logging(f"logd-{sys.argv[2]}", "INFO")
    uvloop.run(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
