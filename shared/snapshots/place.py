"""Where a snapshot is: a directory, or a prefix of an object store, through `pyarrow.fs`.

Files are written and read as streams, with their SHA-256 on the way.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pyarrow import ArrowException, fs

from shared.errors import ConfigError, CorruptionError
from shared.snapshots.checkpoint_file import StoredFile, new_checksum
from shared.snapshots.checkpoints import sync_folder
from shared.snapshots.manifest import MANIFEST_FILE, SnapshotManifest, decode_manifest

__all__ = ["Place", "Progress"]

#: Is told how many bytes more are done.
Progress = Callable[[int], None]
_CHUNK_BYTES = 1024 * 1024


def _quiet(size: int) -> None:
    """Nobody watches."""


class Place:
    """A directory or prefix: `base` on `system`; `text` is what people call it."""

    def __init__(self, system: Any, base: str, text: str) -> None:
        self._system = system
        self._base = base.rstrip("/")
        self.text = text

    @classmethod
    def at(cls, text: str) -> Place:
        """A path, or a URI that pyarrow knows: file:// s3:// gs://. Raises ConfigError."""
        if "://" not in text:
            return cls(fs.LocalFileSystem(), os.path.abspath(os.path.expanduser(text)), text)
        try:
            system, base = fs.FileSystem.from_uri(text)
        except (ArrowException, OSError, ValueError) as error:
            raise ConfigError(f"cannot use {text}: {error}") from error
        return cls(system, base, text)

    def path(self, name: str) -> str:
        """A file's name for people."""
        return f"{self.text.rstrip('/')}/{name}"

    def is_empty(self) -> bool:
        """Nothing is there, or an empty directory."""
        with self._named(self.text):
            if self._system.get_file_info(self._base).type == fs.FileType.File:
                return False
            return not self._system.get_file_info(fs.FileSelector(self._base, allow_not_found=True))

    def manifest(self) -> SnapshotManifest:
        """Raises ConfigError when there is no snapshot or it is newer, CorruptionError when it is damaged."""
        name = self._full(MANIFEST_FILE)
        with self._named(self.path(MANIFEST_FILE)):
            if self._system.get_file_info(name).type != fs.FileType.File:
                raise ConfigError(f"{self.text} holds no snapshot: there is no {MANIFEST_FILE}")
            with self._system.open_input_stream(name) as stream:
                data = stream.read()
        return decode_manifest(data, what=self.path(MANIFEST_FILE))

    def put(self, name: str, source: Path, progress: Progress = _quiet) -> StoredFile:
        """Store a file."""
        with source.open("rb") as file:
            return self.put_chunks(name, iter(lambda: file.read(_CHUNK_BYTES), b""), progress)

    def put_chunks(self, name: str, chunks: Iterable[bytes], progress: Progress = _quiet) -> StoredFile:
        """Store a file of these bytes."""
        checksum, size = new_checksum(), 0
        full = self._full(name)
        with self._named(self.path(name)):
            self._system.create_dir(full.rpartition("/")[0], recursive=True)
            with self._system.open_output_stream(full) as stream:
                for chunk in chunks:
                    stream.write(chunk)
                    checksum.update(chunk)
                    size += len(chunk)
                    progress(len(chunk))
            if isinstance(self._system, fs.LocalFileSystem):
                _sync(Path(full))
        return StoredFile(name, size, checksum.hexdigest())

    def get(self, file: StoredFile, target: Path, progress: Progress = _quiet) -> None:
        """Fetch a file, durable on return. Raises CorruptionError when it is not what was stored."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as out:
            for chunk in self.chunks(file, progress):
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())

    def chunks(self, file: StoredFile, progress: Progress = _quiet) -> Iterator[bytes]:
        """The bytes of a file. Raises CorruptionError, at the end, when they are not what was stored."""
        checksum, size = new_checksum(), 0
        full, what = self._full(file.name), self.path(file.name)
        with self._named(what):
            if self._system.get_file_info(full).type != fs.FileType.File:
                raise CorruptionError(f"{what} is missing")
            with self._system.open_input_stream(full) as stream:
                while chunk := stream.read(_CHUNK_BYTES):
                    checksum.update(chunk)
                    size += len(chunk)
                    progress(len(chunk))
                    yield chunk
        if size != file.size:
            raise CorruptionError(f"{what} has {size} bytes, {file.size} were written")
        if checksum.hexdigest() != file.xxh3:
            raise CorruptionError(f"{what} is damaged: its checksum does not match")

    def _full(self, name: str) -> str:
        return f"{self._base}/{name}"

    @contextlib.contextmanager
    def _named(self, what: str) -> Iterator[None]:
        try:
            yield
        except (ArrowException, OSError) as error:
            raise ConfigError(f"{what}: {error}") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)
