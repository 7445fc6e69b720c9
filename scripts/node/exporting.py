"""Takes a snapshot of a node, running or stopped. Owns: `<data>/exporting` meanwhile, and a logd if none runs.

How the parts come to be of one moment:
1. every partition makes a checkpoint, which is pinned here by links;
2. logd is asked once how far all groups are committed: these are the cuts;
3. what each log has between its checkpoint and its cut goes along, and so does group `meta` up to its cut.

A partition is told that another one has its message only after that one's log had it. So whatever a partition's part
up to its cut says of another one is in that one's part, for the cuts are of one moment of one logd.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec

from scripts.node.offline import flush_and_keep, running_logd
from scripts.node.version import version
from scripts.node.workers import make_checkpoints
from shared.api.log import META_GROUP, LogError, LogReply, LogStatus, LogStatusReply, Read, ReadReply, partition_group
from shared.config import Settings
from shared.errors import ConfigError, UnavailableError
from shared.rpc.client import RpcCaller
from shared.snapshots.checkpoint_file import CHECKPOINT_FILE, CheckpointInfo, StoredFile, checkpoint_name
from shared.snapshots.checkpoints import checkpoints_folder, copy_checkpoint, read_checkpoint
from shared.snapshots.digest import checkpoint_digest
from shared.snapshots.log_file import encode_batch_frame, encode_head
from shared.snapshots.manifest import (
    FORMAT,
    MANIFEST_FILE,
    META_LOG,
    MetaPart,
    PartitionPart,
    SnapshotManifest,
    encode_manifest,
    log_name,
    store_folder,
)
from shared.snapshots.place import Place, Progress

__all__ = ["TrimmedError", "export_snapshot"]

_READ_BYTES = 8 * 1024 * 1024
_ANSWER_S = 30.0
_TRIES = 5


class TrimmedError(UnavailableError):
    """The log was trimmed behind a checkpoint before it was read: begin anew."""


class _Cut:
    """The pinned checkpoints and what the logs have behind them, in files of this node."""

    def __init__(self, folder: Path, parts: dict[int, CheckpointInfo], cuts: dict[str, int]) -> None:
        self.folder = folder
        self.parts = parts
        self.cuts = cuts
        self.meta_after_lsn = 0

    @property
    def size(self) -> int:
        """Bytes of all files."""
        logs = sum(self.log(group).stat().st_size for group in self.cuts)
        return logs + sum(info.size for info in self.parts.values())

    def pinned(self, partition_id: int) -> Path:
        return self.folder / str(partition_id)

    def log(self, group: str) -> Path:
        return self.folder / f"{group}.log"


def export_snapshot(
    settings: Settings,
    place: Place,
    *,
    running: bool,
    progress: Progress,
    on_size: Callable[[int], None] = lambda size: None,
) -> SnapshotManifest:
    """Write a snapshot to `place`, which must be empty. `progress` is told the bytes written, `on_size` all of them.

    Raises ConfigError for a place that is not empty, UnavailableError when a part of the node is away.
    """
    if not place.is_empty():
        raise ConfigError(f"{place.text} is not empty: a snapshot goes into a directory of its own")
    with _scratch(settings.data_path) as scratch:
        for tried in range(1, _TRIES + 1):
            try:
                folder = scratch / f"try-{tried}"
                folder.mkdir()
                cut = asyncio.run(_cut(settings, folder, running=running))
                break
            except (TrimmedError, FileNotFoundError) as error:
                # Checkpoints are made so fast that ours went before it was pinned, or its log before it was read.
                if tried == _TRIES:
                    raise UnavailableError(f"checkpoints come faster than they are read: {error}") from error
        on_size(cut.size)
        return _write(settings, place, cut, progress)


@contextlib.contextmanager
def _scratch(data_path: Path) -> Iterator[Path]:
    """A folder for links; what an interrupted export left is removed. Raises ConfigError while another one runs."""
    folder = data_path / "exporting"
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(f"another export of {data_path} is running") from error
        for left in folder.iterdir():
            shutil.rmtree(left, ignore_errors=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


async def _cut(settings: Settings, folder: Path, *, running: bool) -> _Cut:
    async with _log_of(settings, running=running) as log:
        if running:
            made = await make_checkpoints(settings)
            refused = next((reply for reply in made if reply.complaint), None)
            if refused is not None:
                text = f"partition {refused.partition_id} kept no checkpoint: {refused.complaint}"
                raise UnavailableError(text)
            newest = {reply.partition_id: reply.applied_lsn for reply in made}
        else:
            newest = await asyncio.to_thread(flush_and_keep, settings.data_path)
        cut = _Cut(folder, _pin(settings.data_path, newest, folder), {})
        status = await log.call(LogStatus(0), timeout_s=_ANSWER_S)
        assert isinstance(status, LogStatusReply)
        cut.cuts = {row.group: row.tail_lsn for row in status.groups}
        _check_groups(cut)
        for partition_id, info in cut.parts.items():
            await _save_log(log, partition_group(partition_id), info.applied_lsn, cut)
        first_lsn = next(row.first_lsn for row in status.groups if row.group == META_GROUP)
        await _save_meta(log, first_lsn, cut)
        return cut


def _pin(data_path: Path, lsns: dict[int, int], folder: Path) -> dict[int, CheckpointInfo]:
    """Links to the kept checkpoints: newer ones may drop them at any time."""
    parts: dict[int, CheckpointInfo] = {}
    for partition_id, lsn in sorted(lsns.items()):
        path = checkpoints_folder(data_path, partition_id) / checkpoint_name(lsn)
        parts[partition_id] = read_checkpoint(path)
        copy_checkpoint(path, folder / str(partition_id))
        shutil.copyfile(path / CHECKPOINT_FILE, folder / str(partition_id) / CHECKPOINT_FILE)
    return parts


@contextlib.asynccontextmanager
async def _log_of(settings: Settings, *, running: bool) -> AsyncIterator[RpcCaller]:
    """logd's socket; of a stopped node, with a logd that runs for as long."""
    with contextlib.nullcontext() if running else running_logd(settings):
        caller = RpcCaller(settings.socket("logd"), msgspec.msgpack.Decoder(LogReply).decode, name="logd")
        caller.start()
        try:
            yield caller
        finally:
            await caller.close()


def _check_groups(cut: _Cut) -> None:
    """Every group of a partition has a part. Raises UnavailableError when a worker is not up yet."""
    wanted = {partition_group(number) for number in cut.parts} | {META_GROUP}
    if wanted != set(cut.cuts):
        differing = ", ".join(sorted(wanted ^ set(cut.cuts)))
        raise UnavailableError(f"log and workers do not have the same partitions yet ({differing}): try again")


async def _save_meta(log: RpcCaller, first_lsn: int, cut: _Cut) -> None:
    """From its beginning, or if that is trimmed from its first record on, which is a snapshot of the registry."""
    with contextlib.suppress(TrimmedError):
        return await _save_log(log, META_GROUP, 0, cut)
    cut.meta_after_lsn = first_lsn - 1
    await _save_log(log, META_GROUP, first_lsn - 1, cut)


async def _save_log(log: RpcCaller, group: str, after_lsn: int, cut: _Cut) -> None:
    """The batches behind `after_lsn` up to the cut. Read at once: logd may trim them when it will."""
    upto_lsn = cut.cuts[group]
    at = after_lsn
    with cut.log(group).open("wb") as out:
        out.write(encode_head(group=group, after_lsn=after_lsn, upto_lsn=upto_lsn))
        while at < upto_lsn:
            reply = await log.call(Read(0, group, at + 1, _READ_BYTES), timeout_s=_ANSWER_S)
            if isinstance(reply, LogError) and reply.code == "trimmed":
                raise TrimmedError(reply.message)
            if not isinstance(reply, ReadReply):
                raise UnavailableError(f"logd does not give group {group}: {reply}")
            for lsn, batch in reply.batches:
                if lsn <= upto_lsn:
                    out.write(encode_batch_frame(lsn, batch))
            at = reply.batches[-1][0] if reply.batches else upto_lsn


def _write(settings: Settings, place: Place, cut: _Cut, progress: Progress) -> SnapshotManifest:
    """All files, and the manifest last."""
    partitions = tuple(_write_partition(place, cut, number, progress) for number in cut.parts)
    meta = MetaPart(cut.meta_after_lsn, cut.cuts[META_GROUP], place.put(META_LOG, cut.log(META_GROUP), progress))
    manifest = SnapshotManifest(
        format=FORMAT,
        created_by=f"everlog {version()}",
        node_name=settings.node_name,
        cluster_name=settings.cluster_name,
        created_at_ms=time.time_ns() // 1_000_000,
        partitions=partitions,
        meta=meta,
    )
    place.put_chunks(MANIFEST_FILE, [encode_manifest(manifest)])
    return manifest


def _write_partition(place: Place, cut: _Cut, number: int, progress: Progress) -> PartitionPart:
    info = cut.parts[number]
    pinned = cut.pinned(number)
    group = partition_group(number)
    folder = store_folder(number)
    files: list[StoredFile] = []
    for file in info.files:
        stored = place.put(f"{folder}/{file.name}", pinned / file.name, progress)
        if (stored.size, stored.xxh3) != (file.size, file.xxh3):
            raise ConfigError(f"{pinned / file.name} is damaged: the checkpoint at lsn={info.applied_lsn} is no good")
        files.append(file)
    return PartitionPart(
        partition_id=number,
        start_key=info.start_key,
        end_key=info.end_key,
        applied_lsn=info.applied_lsn,
        digest=checkpoint_digest(pinned, cut.folder / "digest"),
        cut_lsn=cut.cuts[group],
        epoch=info.epoch,
        store_format=info.store_format,
        files=tuple(files),
        log=place.put(log_name(number), cut.log(group), progress),
    )
