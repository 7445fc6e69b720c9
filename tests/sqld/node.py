"""A node with only sqld on it: stores, a pushed catalog and workers' states are made by the test."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import uvloop

from shared.api.partition import InvocationState
from shared.api.sql import CancelQuery, QueryChunk, QueryEnd, QueryError, QueryRequest, SqlReply
from shared.catalog.partitions import PartitionTable, even_partitions
from shared.config import Settings, write_settings
from shared.rpc.frames import FrameReader, encode_frame
from tests.conftest import eventually, free_ports
from tests.fakes.invocation_states import StatesWorker
from tests.fakes.log_reader import ReadableLog
from tests.fakes.meta_push import MetaPush, example_catalog
from tests.fakes.partition_store import EXAMPLES, FakePartition

__all__ = ["ROOT", "Node", "QueryFailedError", "example_states"]

ROOT = Path(__file__).resolve().parents[2]
_T = TypeVar("_T")


class QueryFailedError(Exception):
    def __init__(self, error: QueryError) -> None:
        super().__init__(error.message)
        self.status = error.status


def example_states() -> list[InvocationState]:
    """`running` is in flight, `backing-off` has failed three times."""
    failure = ("[500] boom", "RT0007", 2, "step", "Run")
    return [
        InvocationState(EXAMPLES["running"], True, 1, 1_790_000_001_000, "dp_1one", "sdk/1", 0, *[None] * 5),
        InvocationState(EXAMPLES["backing-off"], False, 3, 1_790_000_001_000, "dp_1one", "sdk/1", 5, *failure),
    ]


class _Peers:
    """A loop in a thread, for the fake daemons."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def call(self, function: Any, *arguments: Any) -> None:
        self._loop.call_soon_threadsafe(function, *arguments)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Node:
    """Starts and ends sqld and what it talks to."""

    def __init__(self, data: Path, *, partitions: int = 2, **settings: Any) -> None:
        self.ports = free_ports(3)
        names = ("ingress_port", "admin_port", "sql_port")
        ports = dict(zip(names, self.ports, strict=True))
        self.settings = Settings(data_dir=str(data), workers=2, **(ports | settings))
        self.settings.run_path.mkdir(parents=True)
        write_settings(self.settings, self.settings.run_path / "settings.json")
        self.data = data
        self.partitions = [FakePartition(data, partition) for partition in even_partitions(partitions)]
        self._peers = _Peers()
        self.meta = MetaPush(self.settings.socket("metad"), example_catalog(partitions=partitions))
        self.workers_told = [
            StatesWorker(self.settings.socket(f"partitiond-{n}"), self._states(n)) for n in range(self.settings.workers)
        ]
        self.logd = ReadableLog(self.settings.socket("logd"))
        self.process: subprocess.Popen[bytes] | None = None
        self._log = data / "sqld.log"

    def _states(self, worker: int) -> list[InvocationState]:
        """Of the examples, those whose partition is this worker's."""
        table = PartitionTable(1, [fake.partition for fake in self.partitions])
        places = {s.id: table.partition_of(int.from_bytes(s.id[:8], "big")).id for s in example_states()}
        return [s for s in example_states() if self.settings.worker_of(places[s.id]) == worker]

    def start(self, *, peers: bool = True, logd: bool = True) -> None:
        if peers and logd:
            self._peers.run(self.logd.start())
        if peers:
            self._peers.run(self.meta.start())
            for worker in self.workers_told:
                self._peers.run(worker.start())
        self.start_sqld()
        if peers:
            eventually(lambda: self.meta.subscribers, what="sqld subscribes to the catalog")

    def start_sqld(self) -> None:
        command = [sys.executable, "-m", "sqld", "--data-dir", str(self.data)]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        eventually(self._listens, what=f"sqld listens; its log is {self.log()}")

    def push(self, catalog: Any) -> None:
        self._peers.call(self.meta.push, catalog)

    def start_meta(self) -> None:
        self._peers.run(self.meta.start())

    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        try:
            socket.create_connection(("127.0.0.1", self.settings.sql_port), 1).close()
            self.connect().close()
        except OSError:
            return False
        return True

    def workers(self) -> list[int]:
        """Pids of the query workers."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children if b"query worker" in _command_line(pid)]

    def query(self, sql: str, *, format: str = "json", timeout: float = 20.0) -> bytes:
        """The body of an answer, over the socket that metad uses. Raises QueryFailedError."""
        with self.connect(timeout) as peer:
            peer.sendall(encode_frame(msgspec.msgpack.encode(QueryRequest(7, sql, format))))
            return read_answer(peer)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = msgspec.json.decode(self.query(sql))["rows"]
        return rows

    def connect(self, timeout: float = 20.0) -> socket.socket:
        peer = socket.socket(socket.AF_UNIX)
        peer.settimeout(timeout)
        try:
            peer.connect(str(self.settings.socket("sqld")))
        except OSError:
            peer.close()
            raise
        return peer

    def psql_environment(self) -> dict[str, str]:
        return os.environ | {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.settings.sql_port),
            "PGUSER": "everlog",
            "PGDATABASE": "everlog",
            "PGCONNECT_TIMEOUT": "10",
        }

    @property
    def dsn(self) -> str:
        return f"host=127.0.0.1 port={self.settings.sql_port} user=everlog dbname=everlog connect_timeout=10"

    def stop_sqld(self, *, timeout: float = 15.0) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout)
        self.process = None
        return code

    def close(self) -> None:
        try:
            if self.process is not None and self.process.poll() is None:
                self.stop_sqld()
        finally:
            if self.process is not None:
                self.process.kill()
                self.process.wait()
            for partition in self.partitions:
                partition.close()
            self._peers.run(self.meta.close())
            for worker in self.workers_told:
                self._peers.run(worker.close())
            self._peers.run(self.logd.close())
            self._peers.close()


def cancel(peer: socket.socket) -> None:
    peer.sendall(encode_frame(msgspec.msgpack.encode(CancelQuery(7))))


def read_answer(peer: socket.socket) -> bytes:
    """All chunks up to the end."""
    reader, body = FrameReader(), bytearray()
    decode = msgspec.msgpack.Decoder(SqlReply).decode
    while True:
        data = peer.recv(1 << 18)
        assert data, "sqld closed the connection"
        for frame in reader.feed(data):
            message = decode(frame)
            if isinstance(message, QueryChunk):
                body += message.data
            elif isinstance(message, QueryEnd):
                return bytes(body)
            elif isinstance(message, QueryError):
                raise QueryFailedError(message)


def _command_line(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
