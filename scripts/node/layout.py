"""The data directory. Owns: its folders, its FORMAT file and its lock.

    FORMAT              {"format": 2, "created_by": "everlog 0.1.0"}; a newer format is refused, nothing is touched;
                        an older one is raised before the first program is started
    run/lock            held (flock) by supervisord and every program for as long as they live; text: supervisord's pid
    run/settings.json   the merged settings of the running node
    run/*.sock          the programs' sockets, mode 0600
    logs/<program>.log  what each program says

Everything else in it belongs to the programs.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from scripts.node.procfs import command_line
from shared.config import Settings
from shared.errors import ConfigError, FormatError
from shared.formats import DATA_FORMAT
from shared.wal_guard import sync_folders

__all__ = [
    "NodeLock",
    "hold_stopped",
    "lock_holder",
    "make_data_dir",
    "open_data_dir",
    "raise_format",
    "read_format",
    "write_format",
]

_SOCKET_PATH_BYTES_MAX = 107
#: supervisord makes its socket as `supervisor.sock.<pid>` first.
_LONGEST_SOCKET = "supervisor.sock.4194304"
#: What an interrupted first start may leave; a folder with anything else and no FORMAT is not ours.
_OWN_NAMES = frozenset({"FORMAT", "FORMAT.new", "run", "logs"})
_ORPHANS_END_WITHIN_S = 15.0


class NodeLock:
    """The flock on `run/lock`. Invariant: held while any process of the node lives, since children inherit it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def name_holder(self, pid: int) -> None:
        """Write down who holds it, for `everlog down` and for error texts."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, f"{pid}\n".encode(), 0)

    def close(self) -> None:
        """Let go of our copy; the lock ends with the last copy."""
        os.close(self.descriptor)


def open_data_dir(settings: Settings) -> NodeLock:
    """Check the data directory, make what is missing and lock it. Raises ConfigError that names the remedy."""
    path = settings.data_path
    try:
        _check(settings)
        _make(path)
        (path / "run").mkdir(mode=0o700, exist_ok=True)
        lock = _lock(path)
        (path / "logs").mkdir(mode=0o700, exist_ok=True)
        path.chmod(0o700)
        if read_format(path) is None:
            write_format(path)
    except PermissionError as error:
        raise ConfigError(
            f"no permission on {error.filename}: run as the owner of the data directory, or choose another (--data-dir)"
        ) from error
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise ConfigError(f"cannot use the data directory {path}: {error.strerror}{where}") from error
    return lock


def _make(path: Path) -> None:
    """Durably: what is acknowledged in it must not be lost with its name."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for made in missing:
        # Who may write to a directory need not be allowed to read it.
        with contextlib.suppress(PermissionError):
            sync_folders(made.parent)


def _check(settings: Settings) -> None:
    path = settings.data_path
    if path.exists() and not path.is_dir():
        raise ConfigError(f"the data directory {path} is not a directory: choose another (--data-dir)")
    if any(text in str(path) for text in (" ;", " #")) or not str(path).isprintable():
        raise ConfigError(f"supervisord cannot take a path with ' ;', ' #' or control characters: {str(path)!r}")
    longest = len(os.fsencode(settings.run_path / _LONGEST_SOCKET))
    if longest > _SOCKET_PATH_BYTES_MAX:
        raise ConfigError(
            f"the path of the data directory {path} is too long for Unix sockets by "
            f"{longest - _SOCKET_PATH_BYTES_MAX} bytes: choose a shorter one (--data-dir)"
        )
    if _known_format(path) is None and path.is_dir():
        others = sorted({entry.name for entry in path.iterdir()} - _OWN_NAMES)
        if others:
            raise ConfigError(
                f"{path} is no data directory of Everlog and is not empty (it holds {others[0]!r}): "
                f"choose a new or empty directory (--data-dir)"
            )


def read_format(path: Path) -> int | None:
    """The format of the data in `path`, None where there is none yet."""
    file = path / "FORMAT"
    try:
        number = json.loads(file.read_bytes())["format"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file} is damaged: restore it from a copy, or choose another --data-dir") from error
    if not isinstance(number, int):
        raise ConfigError(f"{file} is damaged: its format is {number!r}; restore it, or choose another --data-dir")
    return number


def _known_format(path: Path) -> int | None:
    """The same. Raises FormatError for a newer one."""
    number = read_format(path)
    if number is not None and number > DATA_FORMAT:
        raise FormatError(
            f"the data directory {path} has format {number}, this version of Everlog knows up to {DATA_FORMAT}: "
            f"run the version that wrote it{_named(path)}, or choose another directory (--data-dir)"
        )
    return number


def _named(path: Path) -> str:
    """Who wrote the FORMAT file, as it says, in parentheses."""
    said = json.loads((path / "FORMAT").read_bytes())
    who = said.get("raised_by") or said.get("created_by")
    return f" ({who})" if isinstance(who, str) else ""


def make_data_dir(path: Path) -> None:
    """A new data directory, or an empty one that is there; it is nobody's until `write_format`. Raises ConfigError."""
    try:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise ConfigError(
                f"{path} is not empty: a snapshot is imported into a new or empty data directory (--data-dir)"
            )
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise ConfigError(f"cannot use the data directory {path}: {error.strerror} ({error.filename})") from error


def write_format(path: Path) -> None:
    """Say that this is a data directory, durable on return."""
    from scripts.node.version import version

    _replace_format(path, {"format": DATA_FORMAT, "created_by": f"everlog {version()}"})


def raise_format(path: Path) -> int | None:
    """The programs are about to write what older versions cannot read: let those refuse the whole directory first.

    Returns the format before, None if nothing had to be done.
    """
    number = read_format(path)
    if number is None or number >= DATA_FORMAT:
        return None
    from scripts.node.version import version

    said = json.loads((path / "FORMAT").read_bytes())
    _replace_format(path, {**said, "format": DATA_FORMAT, "raised_by": f"everlog {version()}"})
    return number


def _replace_format(path: Path, content: dict[str, object]) -> None:
    """Durable on return."""
    new = path / "FORMAT.new"
    with new.open("w") as file:
        file.write(json.dumps(content) + "\n")
        file.flush()
        os.fsync(file.fileno())
    new.rename(path / "FORMAT")
    sync_folders(path)


def _lock(path: Path) -> NodeLock:
    """Take the lock. When its holder was killed, wait for its programs: they hold it too, and end soon."""
    descriptor = os.open(path / "run" / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _ORPHANS_END_WITHIN_S
    while not _try_lock(descriptor):
        holder = _read_holder(descriptor)
        alive = holder is not None and str(path) in command_line(holder)
        if alive or time.monotonic() > deadline:
            os.close(descriptor)
            who = f"by the node with pid {holder}" if alive else "by programs of a killed node that do not end"
            raise ConfigError(
                f"the data directory {path} is in use {who}: stop it (everlog down --data-dir {path}), "
                f"or choose another (--data-dir)"
            )
        time.sleep(0.05)
    return NodeLock(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def _read_holder(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else None


@contextlib.contextmanager
def hold_stopped(path: Path) -> Iterator[None]:
    """Hold the lock of a node that does not run, so that nobody starts it. Raises ConfigError when it runs."""
    if _known_format(path) is None or not (path / "run" / "settings.json").exists():
        raise ConfigError(f"{path} is no data directory that a node ran on: which node? (--data-dir)")
    with contextlib.closing(_lock(path)):
        yield


def lock_holder(path: Path) -> tuple[bool, int | None]:
    """(does a node run on this directory, the pid of its supervisord). Leaves no trace."""
    try:
        descriptor = os.open(path / "run" / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False, None
    except OSError as error:
        raise ConfigError(f"cannot look into the data directory {path}: {error.strerror}") from error
    with contextlib.closing(NodeLock(descriptor)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True, _read_holder(descriptor)
    return False, None
