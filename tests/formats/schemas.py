"""What each stored format consists of, as text: every struct with its tag and fields, every enum, every kind of key.

`<format>-<version>.txt` beside this file is what a version of a format consists of. It begins with the golden release
that the version came with; once there is a newer release (`tests/shared/golden.py`), it is never changed again. So
whoever adds a tag or a field afterwards must raise the version, or `test_schemas.py` fails. After that, or while the
release is still open:

    python -m tests.formats.schemas
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from types import ModuleType, UnionType
from typing import Any, NamedTuple, get_args

import msgspec

import logd.entry
import logd.keys
import logd.peers.handshake
import logd.peers.wire
import logd.store
import metad.registry.codec
import metad.registry.commands
import shared.api.log
import shared.api.meta
import shared.api.partition
import shared.api.sql
import shared.config
import shared.formats
import shared.rpc.frames
import shared.snapshots.checkpoint_file
import shared.snapshots.log_file
import shared.snapshots.manifest
import shared.storage.keys
import shared.storage.values
import shared.wal.batch
from tests.shared.golden import NEWEST, RELEASES

__all__ = ["FORMATS", "Format", "file_of", "release_of", "schema_of", "versions_of", "write"]

FOLDER = Path(__file__).parent


class Format(NamedTuple):
    """`describe` gives the lines of today's schema."""

    version: Callable[[], int]
    describe: Callable[[], list[str]]


def _structs(*roots: Any) -> list[str]:
    """A line for each struct, enum and named dict that can be reached from these types."""
    found: dict[str, str] = {}
    waiting = list(roots)
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            if kind.__name__ not in found:
                found[kind.__name__] = _struct(kind)
                waiting += typing.get_type_hints(kind).values()
        elif isinstance(kind, type) and issubclass(kind, Enum):
            members = ", ".join(f"{member.name}={member.value!r}" for member in kind)
            found[kind.__name__] = f"enum {kind.__name__}: {members}"
        elif typing.is_typeddict(kind):
            hints = typing.get_type_hints(kind, include_extras=True)
            fields = ", ".join(f"{name} {_type(hint)}" for name, hint in hints.items())
            found[kind.__name__] = f"dict {kind.__name__}: {fields}"
        else:
            waiting += [part for part in get_args(kind) if not isinstance(part, str)]
    return [found[name] for name in sorted(found)]


def _struct(kind: type[msgspec.Struct]) -> str:
    config = kind.__struct_config__
    tag = "" if config.tag is None else f" tag {config.tag}"
    shape = "" if config.array_like else " by name"
    hints = typing.get_type_hints(kind)
    fields = [
        f"{field.name} {_type(hints[field.name])}{'' if field.required else ' = ' + _default(field)}"
        for field in msgspec.structs.fields(kind)
    ]
    return f"struct {kind.__name__}{tag}{shape}: {', '.join(fields)}"


def _default(field: msgspec.structs.FieldInfo) -> str:
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return repr(value)


def _type(hint: Any) -> str:
    if isinstance(hint, UnionType) or typing.get_origin(hint) is typing.Union:
        return " | ".join(_type(part) for part in get_args(hint))
    arguments = get_args(hint)
    if arguments and typing.get_origin(hint) is not typing.Literal:
        origin = typing.get_origin(hint)
        name = getattr(origin, "__name__", str(origin))
        return f"{name}[{', '.join('…' if part is ... else _type(part) for part in arguments)}]"
    return "None" if hint is type(None) else getattr(hint, "__name__", str(hint))


def _constants(module: ModuleType, wanted: Callable[[str, Any], bool]) -> Iterator[str]:
    for name, value in vars(module).items():
        if wanted(name, value):
            yield f"constant {name} = {value.hex() if isinstance(value, bytes) else value}"


def _batch() -> list[str]:
    return _structs(shared.wal.batch.Batch)


def _store() -> list[str]:
    values, keys = shared.storage.values, shared.storage.keys
    kinds = [*_constants(keys, lambda name, value: name.isupper() and isinstance(value, bytes) and name != "META_KEY")]
    bound = {name: getattr(value, "__self__", None) for name, value in vars(values).items()}
    rows = {name: each.type for name, each in bound.items() if isinstance(each, msgspec.msgpack.Decoder)}
    decoders = [f"constant {name} of {_type(kind)}" for name, kind in sorted(rows.items())]
    return [*sorted(kinds), *decoders, *_structs(*rows.values())]


def _log() -> list[str]:
    entry = logd.entry
    heads = ("_entry_head", "_entry_place", "_value_head")
    layouts = [f"layout {name} = {getattr(entry, name).format}" for name in heads]
    kinds = _constants(logd.keys, lambda name, value: name.isupper() and isinstance(value, int))
    return [*sorted(kinds), *layouts, *_structs(entry.HardState)]


def _peers() -> list[str]:
    wire = logd.peers.wire
    dicts = [value for value in vars(wire).values() if typing.is_typeddict(value)]
    return [f"batch {shared.wal.batch.FORMAT_VERSION}", *_structs(wire.PeerMessage, *dicts)]


def _interfaces() -> list[str]:
    log, meta, partition, sql = shared.api.log, shared.api.meta, shared.api.partition, shared.api.sql
    unions = [
        value
        for module in (log, meta, partition, sql)
        for name, value in vars(module).items()
        if name.endswith(("Request", "Reply", "Push")) and not name.startswith("_")
    ]
    return [f"frame of {shared.rpc.frames.FRAME_BYTES_LIMIT} bytes", *_structs(shared.config.Settings, *unions)]


def _checkpoint() -> list[str]:
    return [f"store {shared.storage.values.STORE_FORMAT}", *_structs(shared.snapshots.checkpoint_file.CheckpointInfo)]


def _snapshot() -> list[str]:
    """One that cannot be read in some part is refused by its manifest."""
    parts = [f"{name} {FORMATS[name].version()}" for name in ("batch", "store", "meta", "snapshot-log")]
    return [*parts, *_structs(shared.snapshots.manifest.SnapshotManifest)]


def _data() -> list[str]:
    """A data directory needs a build that reads all that is in it."""
    return [
        f"{name} {FORMATS[name].version()}" for name in ("batch", "store", "meta", "log", "log-folder", "checkpoint")
    ]


FORMATS: dict[str, Format] = {
    "batch": Format(lambda: shared.wal.batch.FORMAT_VERSION, _batch),
    "store": Format(lambda: shared.storage.values.STORE_FORMAT, _store),
    "meta": Format(lambda: metad.registry.codec.FORMAT_VERSION, lambda: _structs(metad.registry.commands.Proposal)),
    "log": Format(lambda: logd.entry.FORMAT_VERSION, _log),
    "log-folder": Format(lambda: logd.store.STORE_FORMAT, lambda: ["one RocksDB, and FORMAT: the number as text"]),
    "checkpoint": Format(lambda: shared.snapshots.checkpoint_file.FORMAT, _checkpoint),
    "snapshot-log": Format(
        lambda: shared.snapshots.log_file.FORMAT,
        lambda: [
            f"layout {shared.snapshots.log_file._frame_head.format}, {shared.snapshots.log_file._lsn.format}",
            *_structs(shared.snapshots.log_file.LogHead),
        ],
    ),
    "snapshot": Format(lambda: shared.snapshots.manifest.FORMAT, _snapshot),
    "data": Format(lambda: shared.formats.DATA_FORMAT, _data),
    "peers": Format(lambda: logd.peers.handshake.WIRE_VERSION, _peers),
    "interfaces": Format(lambda: shared.formats.INTERFACES, _interfaces),
}


def file_of(name: str, version: int) -> Path:
    """The schema file of a version."""
    return FOLDER / f"{name}-{version}.txt"


def versions_of(name: str) -> list[int]:
    """Versions that have a file, oldest first."""
    return sorted(int(path.stem.rpartition("-")[2]) for path in FOLDER.glob(f"{name}-[0-9]*.txt"))


def release_of(name: str, version: int) -> str:
    """The golden release that the version came with."""
    return file_of(name, version).read_text().splitlines()[0].removeprefix("# since ")


def schema_of(name: str, version: int) -> list[str]:
    """As the file says."""
    return file_of(name, version).read_text().splitlines()[1:]


def write() -> list[str]:
    """Bring the files of today's versions up to date. Returns what is refused: closed versions."""
    refused = []
    for name, (version, describe) in FORMATS.items():
        lines = describe()
        file = file_of(name, version())
        release = NEWEST
        if file.exists():
            release = release_of(name, version())
            if schema_of(name, version()) == lines:
                continue
            if release != NEWEST:
                refused.append(
                    f"{file.name} is of release {release} and closed: raise the version of the {name} format first"
                )
                continue
        assert release in RELEASES
        file.write_text("\n".join([f"# since {release}", *lines]) + "\n")
    return refused


if __name__ == "__main__":
    sys.exit("\n".join(write()) or 0)
