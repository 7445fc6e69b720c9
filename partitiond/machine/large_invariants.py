"""What must be true of large values: how many use each, and that all is there. Pure: no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from partitiond.machine.tables import Tables
from shared.errors import CorruptionError, FormatError
from shared.ids import partition_key_of
from shared.storage import keys, values
from shared.storage.packing import unpack
from shared.storage.values import InvocationRow, LargePart, LargeStateRow

__all__ = ["check_large_values"]

#: (partition key, number).
_Place = tuple[int, int]
#: Size and packing, as each that names it says.
_Sizes = dict[_Place, set[tuple[int, int]]]
_NIL = b"\xc0"


def check_large_values(tables: Tables) -> Iterator[str]:
    """Every broken rule, as a sentence."""
    uses: Counter[_Place] = Counter()
    sizes: _Sizes = {}
    newest = _newest(tables)
    yield from _check_states(tables, uses, sizes)
    if newest:
        # Where there never was one, journals are not read for it.
        yield from _check_journals(tables, uses, sizes)
    for key in tables.scan_keys(keys.LARGE, keys.LARGE_USES):
        place = _place(key)
        stored = tables.get(keys.large_uses_key(*place))
        counted = 0 if stored is None else int.from_bytes(stored, "big")
        if uses[place] == 0:
            yield f"large value {place[1]} at {place[0]:#x}: nothing uses it"
        if counted != uses[place]:
            yield f"large value {place[1]} at {place[0]:#x}: counts {counted} uses, and has {uses[place]}"
        if place[1] > newest:
            yield f"large value {place[1]} at {place[0]:#x}: the newest is {newest}"
        if place in sizes:
            yield from _check_content(place, tables.get(key) or b"", sizes[place])
    for key in tables.scan_keys(keys.LARGE_USES, keys.LARGE_STATE):
        uses.setdefault(_place(key), 0)
    for place in uses:
        if tables.get(keys.large_key(*place)) is None:
            yield f"large value {place[1]} at {place[0]:#x}: is missing"


def _check_content(place: _Place, stored: bytes, sizes: set[tuple[int, int]]) -> Iterator[str]:
    for size, packing in sizes:
        try:
            unpack(stored, packing, size)
        except (CorruptionError, FormatError) as error:
            yield f"large value {place[1]} at {place[0]:#x}: {error}"


def _newest(tables: Tables) -> int:
    stored = tables.get(keys.META_KEY)
    return 0 if stored is None else values.decode_meta(stored).large_number


def _place(key: bytes) -> _Place:
    return int.from_bytes(key[1:9], "big"), int.from_bytes(key[9:17], "big")


def _check_states(tables: Tables, uses: Counter[_Place], sizes: _Sizes) -> Iterator[str]:
    found = 0
    for kind, state_kind in ((keys.LARGE_STATE, keys.STATE), (keys.SCOPED_LARGE_STATE, keys.SCOPED_STATE)):
        for key, value in tables.scan(kind, keys.prefix_end(kind)):
            found += 1
            row: LargeStateRow = values.decode_large_state(value)
            place = int.from_bytes(key[1:9], "big"), row.number
            uses[place] += 1
            sizes.setdefault(place, set()).add((row.size, row.packing))
            if tables.get(state_kind + key[1:]) != b"":
                _, _, service, object_key, name = keys.decode_object(key)
                yield f"{service}/{object_key}: the row of its large value {name!r} is not there and empty"
    stored = tables.get(keys.META_KEY)
    counted = 0 if stored is None else values.decode_meta(stored).large_states
    if counted != found:
        yield f"the partition counts {counted} large values of state, and has {found}"


def _check_journals(tables: Tables, uses: Counter[_Place], sizes: _Sizes) -> Iterator[str]:
    for key, value in tables.scan(keys.INVOCATION, keys.JOURNAL):
        row: InvocationRow = values.decode_invocation(value)
        partition_key, named = partition_key_of(key[1:]), set[int]()
        for part in _parts(tables, key[1:], row.journal_length):
            named.add(part.number)
            sizes.setdefault((partition_key, part.number), set()).add((part.size, part.packing))
        for number in row.large_values:
            uses[partition_key, number] += 1
        if named != set(row.large_values) or len(named) != len(row.large_values):
            yield f"{row.target} {key[1:].hex()}: names {row.large_values}, and its journal has {sorted(named)}"


def _parts(tables: Tables, invocation_id: bytes, length: int) -> Iterator[LargePart]:
    for index in range(length):
        stored = tables.get(keys.journal_key(invocation_id, index))
        # An entry without one ends with nil: few are decoded.
        if stored is not None and not stored.endswith(_NIL):
            part = values.decode_journal(stored).large
            if part is not None:
                yield part
