"""What a disk holds after the power failed, out of what programs did to their files (`trace.c`).

The model: what a file's sync covered is there. Of what was written to it since, each page may be there or read as
zeros, and the file may end anywhere in it. A directory's names are durable up to its own last sync, and behind
that up to any of its later changes, in order: journaling file systems keep the order, none keeps more than was synced.
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

__all__ = ["Disk", "Event", "Loss", "read_trace"]

_head = struct.Struct("<6I2Q")
_PAGE = 4096
_CREATED, _TRUNCATED, _DIRECTORY = 1, 2, 4


class _Kind(IntEnum):
    OPEN = 1
    WRITE = 2
    TRUNCATE = 3
    SYNC_BEGIN = 4
    SYNC_END = 5
    RENAME = 6
    UNLINK = 7
    LINK = 8
    MKDIR = 9
    RMDIR = 10


class Event(NamedTuple):
    """`end`: offset in the trace behind it; what somebody was told when the trace was that long, preceded the rest."""

    end: int
    kind: _Kind
    flags: int
    inode: int
    offset: int
    path: str
    second: str
    data: bytes


class Loss(IntEnum):
    """Which of what was not synced is lost."""

    ALL = 0
    SOME = 1
    NOTHING = 2


def read_trace(file: Path) -> Iterator[Event]:
    data = file.read_bytes()
    at = 0
    while at + _head.size <= len(data):
        kind, flags, path, second, size, _, inode, offset = _head.unpack_from(data, at)
        at += _head.size
        parts = []
        for length in (path, second, size):
            parts.append(data[at : at + length])
            at += length
        if at <= len(data):
            yield Event(at, _Kind(kind), flags, inode, offset, os.fsdecode(parts[0]), os.fsdecode(parts[1]), parts[2])


@dataclass(eq=False)
class _File:
    data: bytearray = field(default_factory=bytearray)
    #: (offset, end) written since the last sync, oldest first; how many of them the sync that runs will cover.
    dirty: list[tuple[int, int]] = field(default_factory=list)
    covered: int = 0
    durable_size: int = 0

    def write(self, offset: int, data: bytes) -> None:
        if offset > len(self.data):
            self.data += bytes(offset - len(self.data))
        self.data[offset : offset + len(data)] = data
        self.dirty.append((offset, offset + len(data)))

    def truncate(self, size: int) -> None:
        del self.data[size:]
        self.data += bytes(size - len(self.data))
        self.durable_size = min(self.durable_size, size)

    def sync_begin(self) -> None:
        self.covered = len(self.dirty)

    def sync_end(self) -> None:
        self.durable_size = max([self.durable_size, *(end for _, end in self.dirty[: self.covered])])
        del self.dirty[: self.covered]
        self.covered = 0

    def after(self, loss: Loss, chooser: random.Random) -> bytes:
        if loss is Loss.NOTHING:
            return bytes(self.data)
        size = self.durable_size if loss is Loss.ALL else chooser.randint(self.durable_size, len(self.data))
        left = self.data[:size]
        for offset, end in self.dirty:
            at = offset
            while at < min(end, size):
                page_end = min((at // _PAGE + 1) * _PAGE, end, size)
                if loss is Loss.ALL or chooser.random() < 0.3:
                    left[at:page_end] = bytes(page_end - at)
                at = page_end
        return bytes(left)


@dataclass(eq=False)
class _Folder:
    names: dict[str, _File | _Folder] = field(default_factory=dict)
    #: (name, what it means from now on; None: nothing), and how many of these are durable.
    changes: list[tuple[str, _File | _Folder | None]] = field(default_factory=list)
    covered: int = 0
    durable: int = 0

    def set(self, name: str, node: _File | _Folder | None) -> None:
        if node is None:
            self.names.pop(name, None)
        else:
            self.names[name] = node
        self.changes.append((name, node))

    def sync_begin(self) -> None:
        self.covered = len(self.changes)

    def sync_end(self) -> None:
        self.durable = max(self.durable, self.covered)

    def after(self, loss: Loss, chooser: random.Random) -> dict[str, _File | _Folder]:
        count = {Loss.ALL: self.durable, Loss.NOTHING: len(self.changes)}.get(loss)
        count = chooser.randint(self.durable, len(self.changes)) if count is None else count
        names: dict[str, _File | _Folder] = {}
        for name, node in self.changes[:count]:
            if node is None:
                names.pop(name, None)
            else:
                names[name] = node
        return names


class Disk:
    """The files below `root`, which was empty when the trace began, or held what `holds` does, durably."""

    def __init__(self, root: Path, holds: Path | None = None) -> None:
        self._root = root
        self._top = _Folder()
        self._by_inode: dict[int, _File | _Folder] = {}
        if holds is not None:
            self._load(self._top, holds)

    def _load(self, folder: _Folder, path: Path) -> None:
        for entry in path.iterdir():
            if entry.is_dir():
                inner = _Folder()
                self._load(inner, entry)
                folder.set(entry.name, inner)
            elif entry.is_file():
                data = bytearray(entry.read_bytes())
                folder.set(entry.name, _File(data, durable_size=len(data)))
        folder.durable = len(folder.changes)

    def apply(self, event: Event) -> None:
        """What a program did."""
        match event.kind:
            case _Kind.OPEN:
                self._open(event)
            case _Kind.WRITE | _Kind.TRUNCATE | _Kind.SYNC_BEGIN | _Kind.SYNC_END:
                self._change(event)
            case _Kind.RENAME | _Kind.LINK:
                folder, name = self._place(event.path)
                into, new = self._place(event.second)
                node = folder.names.get(name)
                if node is not None and event.kind is _Kind.RENAME:
                    folder.set(name, None)
                if node is not None:
                    into.set(new, node)
            case _Kind.UNLINK | _Kind.RMDIR:
                folder, name = self._place(event.path)
                folder.set(name, None)
            case _Kind.MKDIR:
                folder, name = self._place(event.path)
                folder.set(name, _Folder())

    def _open(self, event: Event) -> None:
        if Path(event.path) == self._root:
            self._by_inode[event.inode] = self._top
            return
        folder, name = self._place(event.path)
        node = folder.names.get(name)
        if node is None or (event.flags & _CREATED and isinstance(node, _File) and not node.data):
            node = _Folder() if event.flags & _DIRECTORY else _File()
            folder.set(name, node)
        if event.flags & _TRUNCATED and isinstance(node, _File):
            node.truncate(0)
        self._by_inode[event.inode] = node

    def _change(self, event: Event) -> None:
        node = self._by_inode.get(event.inode)
        if node is None:
            return
        if event.kind is _Kind.SYNC_BEGIN:
            node.sync_begin()
        elif event.kind is _Kind.SYNC_END:
            node.sync_end()
        elif isinstance(node, _File):
            if event.kind is _Kind.WRITE:
                node.write(event.offset, event.data)
            else:
                node.truncate(event.offset)

    def _place(self, path: str) -> tuple[_Folder, str]:
        """The folder that a path's last name is in."""
        *folders, name = os.path.relpath(path, self._root).split(os.sep)
        at = self._top
        for each in folders:
            inner = at.names.get(each)
            if not isinstance(inner, _Folder):
                inner = _Folder()
                at.set(each, inner)
            at = inner
        return at, name

    def after_power_loss(self, into: Path, *, loss: Loss, seed: int) -> None:
        """Write out what is left."""
        self._write(self._top, into, loss, random.Random(seed))

    def _write(self, folder: _Folder, into: Path, loss: Loss, chooser: random.Random) -> None:
        into.mkdir(mode=0o700, parents=True, exist_ok=True)
        # In the order of names: a seed must say the same whatever the order of a dict.
        for name, node in sorted(folder.after(loss, chooser).items()):
            if isinstance(node, _Folder):
                self._write(node, into / name, loss, chooser)
            else:
                (into / name).write_bytes(node.after(loss, chooser))
