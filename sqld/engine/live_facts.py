"""What the programs of the node tell of themselves, asked over their sockets and read from /proc."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import struct
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from shared.api.log import GroupStatus, LogError, LogReply, LogStatus, LogStatusReply, Read, ReadReply, partition_group
from shared.api.partition import PartitionReply, WorkerStatusReply, WorkerStatusRequest
from shared.catalog.catalog import Catalog
from shared.catalog.partitions import Partition
from shared.config import Settings
from shared.errors import RemoteProtocolError, UnavailableError
from shared.rpc.frames import FrameReader, encode_frame
from sqld.tables.node_facts import Host, OpenPartition, Process

__all__ = ["LiveFacts"]

_log = logging.getLogger(__name__)
_ANSWER_S = 1.0
#: logd reads in chunks between the turns of its loop.
_READ_S = 10.0
#: What is asked of a log at first: a query with a limit needs little. Then more at each read.
_READ_FIRST_BYTES = 16 * 1024
_READ_MOST_BYTES = 1024 * 1024
_decode_log = msgspec.msgpack.Decoder(LogReply).decode
_decode_partition = msgspec.msgpack.Decoder(PartitionReply).decode


class LiveFacts:
    """As of one query."""

    def __init__(self, settings: Settings, catalog: Catalog | None) -> None:
        self._settings = settings
        self._catalog = catalog
        self._workers: dict[int, WorkerStatusReply | None] = {}

    def host(self) -> Host:
        return self._host

    @cached_property
    def _host(self) -> Host:
        settings = self._settings
        name = f"[{settings.bind}]" if ":" in settings.bind else settings.bind
        usage = shutil.disk_usage(settings.data_path)
        return Host(
            name=settings.node_name,
            cluster=settings.cluster_name,
            ingress=settings.advertised_ingress or f"http://{name}:{settings.ingress_port}",
            admin=f"http://{name}:{settings.admin_port}",
            sql=f"postgresql://{name}:{settings.sql_port}/everlog",
            workers=settings.worker_count,
            disk_bytes=usage.total,
            disk_free_bytes=usage.free,
        )

    def processes(self) -> list[Process]:
        workers = [f"partitiond-{number}" for number in range(self._settings.worker_count)]
        return [_process(name, self._settings.socket(name)) for name in ("logd", "metad", *workers, "sqld", "ingress")]

    def partition_table(self) -> list[Partition]:
        return [] if self._catalog is None else list(self._catalog.partition_table.partitions)

    def open_partition(self, partition_id: int) -> OpenPartition:
        worker = self._settings.worker_of(partition_id)
        if worker not in self._workers:
            self._workers[worker] = _ask_worker(self._settings.socket(f"partitiond-{worker}"))
        told = self._workers[worker]
        if told is None:
            return OpenPartition(worker, None, f"partitiond-{worker} does not answer")
        damaged = dict(told.damaged)
        if partition_id in damaged:
            return OpenPartition(worker, None, f"damaged: {damaged[partition_id]}")
        status = next((each for each in told.partitions if each.partition_id == partition_id), None)
        head = f"partition {partition_id}: "
        trouble = next((text.removeprefix(head) for text in told.troubles if text.startswith(head)), "")
        return OpenPartition(worker, status, trouble)

    def log_groups(self) -> list[GroupStatus]:
        return self._groups

    @cached_property
    def _groups(self) -> list[GroupStatus]:
        try:
            with _Peer(self._settings.socket("logd"), _decode_log, timeout_s=_ANSWER_S) as logd:
                return _groups_of(logd)
        except UnavailableError as error:
            _log.warning("no log is told of: %s", error)
            return []

    def store_bytes(self, partition_id: int) -> int:
        return _bytes_below(self._settings.data_path / "partitions" / str(partition_id) / "store")

    def log_bytes(self) -> int:
        return _bytes_below(self._settings.data_path / "log")

    def records(self, partition_id: int, *, from_lsn: int) -> Iterator[tuple[int, bytes]]:
        name = partition_group(partition_id)
        with _Peer(self._settings.socket("logd"), _decode_log, timeout_s=_READ_S) as logd:
            group = next((each for each in _groups_of(logd) if each.group == name), None)
            if group is None:
                return
            # What comes while the query runs is not waited for: a log that grows would never end.
            end = group.tail_lsn
            lsn, limit = max(from_lsn, group.first_lsn), _READ_FIRST_BYTES
            while lsn <= end:
                reply = logd.ask(Read(1, name, lsn, limit))
                if isinstance(reply, LogError):
                    raise UnavailableError(f"the log of partition {partition_id} cannot be read: {reply.message}")
                assert isinstance(reply, ReadReply), reply
                if not reply.batches:
                    return
                yield from ((at, record) for at, record in reply.batches if at <= end)
                lsn, limit = reply.batches[-1][0] + 1, min(2 * limit, _READ_MOST_BYTES)


def _groups_of(logd: _Peer) -> list[GroupStatus]:
    reply = logd.ask(LogStatus(1))
    assert isinstance(reply, LogStatusReply), reply
    return reply.groups


def _ask_worker(path: Path) -> WorkerStatusReply | None:
    try:
        with _Peer(path, _decode_partition, timeout_s=_ANSWER_S) as worker:
            reply = worker.ask(WorkerStatusRequest(1))
    except UnavailableError:
        return None
    assert isinstance(reply, WorkerStatusReply), reply
    return reply


class _Peer:
    """A connection for questions with one answer each. Raises UnavailableError. Closed by leaving `with`."""

    def __init__(self, path: Path, decode: Callable[[bytes], Any], *, timeout_s: float) -> None:
        self._name = path.stem
        self._decode = decode
        self._reader = FrameReader()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise UnavailableError(f"{self._name} is away: {error}") from error

    def __enter__(self) -> _Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, request: msgspec.Struct) -> Any:
        """The answer."""
        try:
            self._socket.sendall(encode_frame(msgspec.msgpack.encode(request)))
            while data := self._socket.recv(1 << 18):
                for frame in self._reader.feed(data):
                    return self._decode(frame)
        except (OSError, RemoteProtocolError, msgspec.MsgspecError) as error:
            raise UnavailableError(f"{self._name} did not answer: {error}") from error
        raise UnavailableError(f"{self._name} went away before it answered")


def _process(name: str, path: Path) -> Process:
    """Who listens on a socket, by the operating system."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_ANSWER_S)
        try:
            connection.connect(str(path))
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            pid: int = struct.unpack("3i", credentials)[0]
            return _used(name, pid)
        except OSError:
            return Process(name)


def _used(name: str, pid: int) -> Process:
    """By proc(5). Raises OSError when the process is gone."""
    folder = Path(f"/proc/{pid}")
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / ticks
    return Process(
        name=name,
        pid=pid,
        started_at_ms=round((time.time() - age_s) * 1000),
        cpu_ms=round((int(fields[11]) + int(fields[12])) * 1000 / ticks),
        rss_bytes=int((folder / "statm").read_text().split()[1]) * page,
        threads=int(fields[17]),
        open_files=len(list((folder / "fd").iterdir())),
    )


def _bytes_below(folder: Path) -> int:
    """Of its files; those that go away meanwhile count nothing."""
    total = 0
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return 0
    for entry in entries:
        try:
            total += entry.stat().st_size if entry.is_file() else 0
        except OSError:
            continue
    return total
