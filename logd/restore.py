"""Makes a log out of the files of a snapshot. Owns: the new `<data>/log`.

python -m logd.restore LOG_FOLDER FILE...

Each group begins behind its file's `after_lsn`, where the state that was restored with it ends, and keeps its LSNs.
What was Raft's own between the batches becomes entries of nobody.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from logd.entry import HardState, encode_entry, encode_value
from logd.keys import commit_key, entry_key, hard_state_key, trim_key
from logd.raft.private import COMMAND, NO_OP
from logd.registry import GroupRegistry
from logd.store import RocksStore, Store
from shared.errors import ConfigError, EverlogError
from shared.snapshots.log_file import LogHead, decode_log

__all__ = ["restore_group", "restore_log"]

#: Of everything that is restored: the next leader takes a higher one.
_TERM = 1
_STAGE_BYTES = 4 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024


def restore_log(folder: Path, files: list[Path]) -> None:
    """A new log at `folder`. Raises ConfigError when there is one."""
    if folder.exists():
        raise ConfigError(f"{folder} exists: a log is restored into a new data directory only")
    store = RocksStore(folder)
    registry = GroupRegistry(store)
    for path in files:
        with path.open("rb") as file:
            head, batches = decode_log(iter(lambda: file.read(_CHUNK_BYTES), b""), what=str(path))
            restore_group(store, registry.number_of(head.group), head, batches)
    store.close()


def restore_group(store: Store, number: int, head: LogHead, batches: Iterator[tuple[int, bytes]]) -> None:
    """The entries, term, commit index and trim point of one group."""
    # Raft looks at the entry before those it sends: so the log begins with the last of what is trimmed.
    position = 0
    staged = 0
    for index, command in _entries(head, batches):
        position += len(command)
        store.put(
            entry_key(number, index),
            encode_entry(group_id=number, index=index, term=_TERM, position=position, command=command),
        )
        if position - staged > _STAGE_BYTES:
            store.stage()
            staged = position
    values: dict[bytes, HardState | int] = {
        hard_state_key(number): HardState(_TERM),
        commit_key(number): head.upto_lsn,
    }
    if head.after_lsn:
        values[trim_key(number)] = head.after_lsn
    for key, value in values.items():
        store.put(key, encode_value(value, key=key))
    store.stage()


def _entries(head: LogHead, batches: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """(index, command) without a gap, up to the group's end."""
    index = max(head.after_lsn - 1, 1)
    for lsn, batch in batches:
        while index < lsn:
            yield index, bytes([NO_OP])
            index += 1
        yield lsn, bytes([COMMAND]) + batch
        index = lsn + 1
    while index <= head.upto_lsn:
        yield index, bytes([NO_OP])
        index += 1


def main() -> None:
    """Entry of the process."""
    folder, *files = map(Path, sys.argv[1:])
    try:
        restore_log(folder, files)
    except (EverlogError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
