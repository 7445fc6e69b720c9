"""A client's parameters -> values, and which types they have. Pure: no I/O.

Values are plain, as in `encode`: times are microseconds since 1970-01-01, numbers that are no machine type are text. A
time that came as text stays text: DataFusion reads it.
"""

from __future__ import annotations

import re
import struct
from typing import Any

from shared.tables.registry import TABLES, VIEWS
from sqld.engine.failures import QueryFailure
from sqld.pgwire.encode import BINARY
from sqld.pgwire.intervals import parse_interval
from sqld.pgwire.statements import parameter_count
from sqld.pgwire.types import ARRAYS, Oid, oid_of_column

__all__ = ["decode_parameter", "infer_types"]

_EPOCH_DAYS = 10_957
_EPOCH_MICROS = _EPOCH_DAYS * 86_400_000_000


def decode_parameter(raw: bytes, format_code: int, oid: int) -> Any:
    """One value that is not null. Raises QueryFailure when the bytes are no value of that type."""
    try:
        return _binary(raw, oid) if format_code == BINARY else _text(raw, oid)
    except (ValueError, struct.error, IndexError) as error:
        kind = Oid(oid).name.lower() if oid in set(Oid) else f"type {oid}"
        raise QueryFailure(f"a parameter is no {kind}: {error}", sqlstate="22P03", status=400) from error


_INTEGERS = {Oid.INT2: ">h", Oid.INT4: ">i", Oid.INT8: ">q", Oid.OID: ">I", Oid.REGCLASS: ">I", Oid.REGTYPE: ">I"}
_FLOATS = {Oid.FLOAT4: ">f", Oid.FLOAT8: ">d"}


def _text(raw: bytes, oid: int) -> Any:
    text = raw.decode()
    if oid in _INTEGERS:
        return int(text)
    if oid in _FLOATS:
        return float(text)
    if oid == Oid.BOOL:
        return _bool(text)
    if oid == Oid.BYTEA:
        return bytes.fromhex(text[2:]) if text.startswith("\\x") else _unescaped(raw)
    if oid == Oid.INTERVAL:
        return parse_interval(text)
    if oid in ARRAYS:
        element = ARRAYS[Oid(oid)]
        return [None if item is None else _text(item.encode(), element) for item in _array_items(text)]
    # Text, and what DataFusion reads from text by itself: times, dates, numbers.
    return text


_ESCAPE = re.compile(rb"\\(\\|[0-3][0-7]{2})?")


def _unescaped(raw: bytes) -> bytes:
    """The older text of bytes: a doubled backslash, and octal numbers behind one."""

    def byte(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            raise ValueError("invalid input syntax for type bytea")
        return b"\\" if match[1] == b"\\" else bytes([int(match[1], 8)])

    return _ESCAPE.sub(byte, raw)


def _bool(text: str) -> bool:
    text = text.strip()
    if text.lower() in ("t", "true", "yes", "on", "1", "y"):
        return True
    if text.lower() in ("f", "false", "no", "off", "0", "n"):
        return False
    raise ValueError(f"{text!r} is neither true nor false")


#: What PostgreSQL takes for space: less than Python does.
_SPACE = " \t\n\r\v\f"
_ITEM = re.compile(rf'[{_SPACE}]*(?:"((?:[^"\\]|\\.)*)"|([^,{{}}"\\]+))[{_SPACE}]*(?:,|$)', re.DOTALL)


def _array_items(text: str) -> list[str | None]:
    """`{a,"b c",NULL}` -> its items; only one dimension."""
    if not (text.startswith("{") and text.endswith("}")):
        raise ValueError(f"{text[:40]!r} is no array")
    body, at = text[1:-1], 0
    items: list[str | None] = []
    while at < len(body):
        match = _ITEM.match(body, at)
        if match is None:
            raise ValueError(f"{text[:40]!r} is no array of one dimension")
        quoted, bare = match[1], match[2]
        if quoted is not None:
            items.append(re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL))
        else:
            bare = bare.strip(_SPACE)
            items.append(None if bare.upper() == "NULL" else bare)
        at = match.end()
    return items


def _binary(raw: bytes, oid: int) -> Any:
    if oid in _INTEGERS:
        return struct.unpack(_INTEGERS[Oid(oid)], raw)[0]
    if oid in _FLOATS:
        return struct.unpack(_FLOATS[Oid(oid)], raw)[0]
    if oid == Oid.BOOL:
        return struct.unpack(">?", raw)[0]
    if oid == Oid.BYTEA:
        return raw
    if oid == Oid.NUMERIC:
        return _numeric(raw)
    if oid in (Oid.TIMESTAMP, Oid.TIMESTAMPTZ):
        # The ends of the range are the infinities.
        return _in_range(struct.unpack(">q", raw)[0] + _EPOCH_MICROS, 1 << 63)
    if oid == Oid.DATE:
        return _in_range(struct.unpack(">i", raw)[0] + _EPOCH_DAYS, 1 << 31)
    if oid == Oid.INTERVAL:
        micros, days, months = struct.unpack(">qii", raw)
        return months, days, micros
    if oid == Oid.TIME:
        return _clock(struct.unpack(">q", raw)[0])
    if oid == Oid.JSONB:
        if raw[:1] != b"\x01":
            raise ValueError("unsupported jsonb version number")
        return raw[1:].decode()
    if oid == Oid.UUID:
        if len(raw) != 16:
            raise ValueError(f"{len(raw)} bytes are no uuid")
        digits = raw.hex()
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    if oid in ARRAYS:
        return _binary_array(raw, ARRAYS[Oid(oid)])
    return raw.decode()


def _in_range(value: int, end: int) -> int:
    return min(max(value, -end), end - 1)


def _clock(micros: int) -> str:
    seconds, rest = divmod(micros, 1_000_000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:06}"


def _binary_array(raw: bytes, element: Oid) -> list[Any]:
    dimensions = struct.unpack_from(">i", raw)[0]
    if dimensions == 0:
        return []
    if dimensions != 1:
        raise ValueError("only arrays of one dimension are taken")
    count = struct.unpack_from(">i", raw, 12)[0]
    at, items = 20, []
    for _ in range(count):
        length = struct.unpack_from(">i", raw, at)[0]
        at += 4
        if length > len(raw) - at:
            raise ValueError("an array is cut short")
        items.append(None if length < 0 else _binary(raw[at : at + length], element))
        at += max(length, 0)
    if at != len(raw):
        raise ValueError("something stands behind the last element of an array")
    return items


def _numeric(raw: bytes) -> str:
    """numeric_recv: digits in base 10000 -> decimal text."""
    count, weight, sign, scale = struct.unpack_from(">hhHh", raw)
    digits = struct.unpack_from(f">{count}h", raw, 8)
    if sign not in (0, 0x4000):
        return "NaN"
    whole = "".join(f"{digits[i] if i < count else 0:04}" for i in range(weight + 1)).lstrip("0") or "0"
    rest = "0000" * max(0, -weight - 1) + "".join(f"{digit:04}" for digit in digits[max(0, weight + 1) :])
    decimals = rest.ljust(scale, "0")[:scale]
    return f"{'-' if sign else ''}{whole}{'.' + decimals if scale else ''}"


#: Columns of one name have one type throughout, but for a few, which are left to be text.
_COLUMNS: dict[str, set[Oid]] = {}
for _columns in [table.columns for table in TABLES.values()] + [view.columns for view in VIEWS.values()]:
    for _column in _columns:
        _COLUMNS.setdefault(_column.name, set()).add(oid_of_column(_column.type.value))

_OF_CAST = {
    "bigint": Oid.INT8,
    "int": Oid.INT4,
    "smallint": Oid.INT2,
    "boolean": Oid.BOOL,
    "double": Oid.FLOAT8,
    "float": Oid.FLOAT4,
    "text": Oid.TEXT,
    "varchar": Oid.TEXT,
    "decimal": Oid.NUMERIC,
    "timestamptz": Oid.TIMESTAMPTZ,
    "timestamp": Oid.TIMESTAMP,
    "date": Oid.DATE,
    "varbinary": Oid.BYTEA,
    "interval": Oid.INTERVAL,
    "time": Oid.TIME,
    "uuid": Oid.UUID,
    "char": Oid.TEXT,
    "name": Oid.TEXT,
    "json": Oid.TEXT,
    "jsonb": Oid.TEXT,
    "ubigint": Oid.NUMERIC,
}
_ARRAY_OF = {element: array for array, element in ARRAYS.items()}


def infer_types(sql: str, given: list[int]) -> list[int]:
    """The type of each parameter: as the client gave it, else from a cast or the column beside it, else text."""
    known = [0 if oid == Oid.UNKNOWN else oid for oid in given]
    types = known + [0] * (parameter_count(sql) - len(known))
    if all(types):
        return types
    for number, oid in _guesses(sql).items():
        if number <= len(types) and not types[number - 1]:
            types[number - 1] = oid
    return [oid or Oid.TEXT for oid in types]


def _guesses(sql: str) -> dict[int, Oid]:
    # Imported when needed: 8 MB that a worker without such clients does not pay.
    import sqlglot
    from sqlglot import exp

    try:
        tree = sqlglot.parse_one(sql, read="postgres")
    except sqlglot.errors.SqlglotError:
        # DataFusion will say what is wrong.
        return {}
    guesses: dict[int, Oid] = {}
    for node in tree.find_all(exp.Parameter, exp.Placeholder):
        text = node.name or str(node.this or "")
        oid = _guess(node) if text.isdecimal() else None
        if oid is not None:
            guesses.setdefault(int(text), oid)
    return guesses


def _guess(node: Any) -> Oid | None:
    from sqlglot import exp

    parent = node.parent
    while isinstance(parent, exp.Paren | exp.Tuple):
        parent = parent.parent
    if isinstance(parent, exp.Cast):
        return _of_cast(parent.to)
    if isinstance(parent, exp.Limit | exp.Offset | exp.Fetch):
        return Oid.INT8
    if isinstance(parent, exp.Any):
        element = _beside(parent.parent)
        return None if element is None else _ARRAY_OF.get(element)
    return _beside(parent)


def _of_cast(kind: Any) -> Oid | None:
    from sqlglot import exp

    name = getattr(kind.this, "value", kind.this)
    if isinstance(kind.this, exp.Interval):
        return Oid.INTERVAL
    if str(name).lower() == "array" and kind.expressions:
        element = _of_cast(kind.expressions[0])
        return None if element is None else _ARRAY_OF.get(element)
    return _OF_CAST.get(str(name).lower())


def _beside(node: Any) -> Oid | None:
    """The type of the one column that stands in the same comparison."""
    from sqlglot import exp

    if not isinstance(node, exp.Binary | exp.In | exp.Between):
        return None
    for column in node.find_all(exp.Column):
        found = _COLUMNS.get(column.name, set())
        if len(found) == 1:
            return next(iter(found))
    return None
