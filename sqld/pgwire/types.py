"""PostgreSQL's types and which of Arrow's they stand for. Pure: no I/O.

An Arrow type is given by the text that Arrow writes for it. Source of the numbers: PostgreSQL 17, pg_type.dat.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import NamedTuple

__all__ = ["ARRAYS", "NAME_SUFFIX", "TYPES", "Oid", "PgType", "oid_of_arrow", "oid_of_column"]

#: Behind it in the name of a column stands what makes the name another one for DataFusion; clients do not see it.
NAME_SUFFIX = "\u200b#"


class Oid(IntEnum):
    """The types that we send or take."""

    BOOL = 16
    BYTEA = 17
    CHAR = 18
    NAME = 19
    INT8 = 20
    INT2 = 21
    INT4 = 23
    TEXT = 25
    OID = 26
    JSON = 114
    FLOAT4 = 700
    FLOAT8 = 701
    JSON_ARRAY = 199
    UNKNOWN = 705
    BOOL_ARRAY = 1000
    BYTEA_ARRAY = 1001
    CHAR_ARRAY = 1002
    NAME_ARRAY = 1003
    INT2_ARRAY = 1005
    INT4_ARRAY = 1007
    TEXT_ARRAY = 1009
    VARCHAR_ARRAY = 1015
    INT8_ARRAY = 1016
    FLOAT4_ARRAY = 1021
    FLOAT8_ARRAY = 1022
    OID_ARRAY = 1028
    BPCHAR = 1042
    VARCHAR = 1043
    DATE = 1082
    TIME = 1083
    TIMESTAMP = 1114
    TIMESTAMP_ARRAY = 1115
    DATE_ARRAY = 1182
    TIME_ARRAY = 1183
    TIMESTAMPTZ = 1184
    TIMESTAMPTZ_ARRAY = 1185
    INTERVAL = 1186
    INTERVAL_ARRAY = 1187
    NUMERIC_ARRAY = 1231
    NUMERIC = 1700
    REGCLASS = 2205
    REGTYPE = 2206
    UUID = 2950
    UUID_ARRAY = 2951
    JSONB = 3802


class PgType(NamedTuple):
    """A row of pg_type: name, length (-1: varies), category, and the name that `format_type` gives."""

    name: str
    length: int
    category: str
    title: str


TYPES: dict[Oid, PgType] = {
    Oid.BOOL: PgType("bool", 1, "B", "boolean"),
    Oid.BYTEA: PgType("bytea", -1, "U", "bytea"),
    Oid.CHAR: PgType("char", 1, "Z", '"char"'),
    Oid.NAME: PgType("name", 64, "S", "name"),
    Oid.INT8: PgType("int8", 8, "N", "bigint"),
    Oid.INT2: PgType("int2", 2, "N", "smallint"),
    Oid.INT4: PgType("int4", 4, "N", "integer"),
    Oid.TEXT: PgType("text", -1, "S", "text"),
    Oid.OID: PgType("oid", 4, "N", "oid"),
    Oid.JSON: PgType("json", -1, "U", "json"),
    Oid.JSON_ARRAY: PgType("_json", -1, "A", "json[]"),
    Oid.FLOAT4: PgType("float4", 4, "N", "real"),
    Oid.FLOAT8: PgType("float8", 8, "N", "double precision"),
    Oid.UNKNOWN: PgType("unknown", -2, "X", "unknown"),
    Oid.BOOL_ARRAY: PgType("_bool", -1, "A", "boolean[]"),
    Oid.BYTEA_ARRAY: PgType("_bytea", -1, "A", "bytea[]"),
    Oid.CHAR_ARRAY: PgType("_char", -1, "A", '"char"[]'),
    Oid.NAME_ARRAY: PgType("_name", -1, "A", "name[]"),
    Oid.INT2_ARRAY: PgType("_int2", -1, "A", "smallint[]"),
    Oid.INT4_ARRAY: PgType("_int4", -1, "A", "integer[]"),
    Oid.TEXT_ARRAY: PgType("_text", -1, "A", "text[]"),
    Oid.VARCHAR_ARRAY: PgType("_varchar", -1, "A", "character varying[]"),
    Oid.INT8_ARRAY: PgType("_int8", -1, "A", "bigint[]"),
    Oid.FLOAT4_ARRAY: PgType("_float4", -1, "A", "real[]"),
    Oid.FLOAT8_ARRAY: PgType("_float8", -1, "A", "double precision[]"),
    Oid.OID_ARRAY: PgType("_oid", -1, "A", "oid[]"),
    Oid.BPCHAR: PgType("bpchar", -1, "S", "character"),
    Oid.VARCHAR: PgType("varchar", -1, "S", "character varying"),
    Oid.DATE: PgType("date", 4, "D", "date"),
    Oid.TIME: PgType("time", 8, "D", "time without time zone"),
    Oid.TIMESTAMP: PgType("timestamp", 8, "D", "timestamp without time zone"),
    Oid.TIMESTAMP_ARRAY: PgType("_timestamp", -1, "A", "timestamp without time zone[]"),
    Oid.DATE_ARRAY: PgType("_date", -1, "A", "date[]"),
    Oid.TIME_ARRAY: PgType("_time", -1, "A", "time without time zone[]"),
    Oid.TIMESTAMPTZ: PgType("timestamptz", 8, "D", "timestamp with time zone"),
    Oid.TIMESTAMPTZ_ARRAY: PgType("_timestamptz", -1, "A", "timestamp with time zone[]"),
    Oid.INTERVAL: PgType("interval", 16, "T", "interval"),
    Oid.INTERVAL_ARRAY: PgType("_interval", -1, "A", "interval[]"),
    Oid.NUMERIC_ARRAY: PgType("_numeric", -1, "A", "numeric[]"),
    Oid.NUMERIC: PgType("numeric", -1, "N", "numeric"),
    Oid.UUID: PgType("uuid", 16, "U", "uuid"),
    Oid.UUID_ARRAY: PgType("_uuid", -1, "A", "uuid[]"),
    Oid.REGCLASS: PgType("regclass", 4, "N", "regclass"),
    Oid.REGTYPE: PgType("regtype", 4, "N", "regtype"),
    Oid.JSONB: PgType("jsonb", -1, "U", "jsonb"),
}

#: Array type -> type of its elements.
ARRAYS: dict[Oid, Oid] = {
    Oid.BOOL_ARRAY: Oid.BOOL,
    Oid.BYTEA_ARRAY: Oid.BYTEA,
    Oid.INT2_ARRAY: Oid.INT2,
    Oid.INT4_ARRAY: Oid.INT4,
    Oid.INT8_ARRAY: Oid.INT8,
    Oid.TEXT_ARRAY: Oid.TEXT,
    Oid.FLOAT4_ARRAY: Oid.FLOAT4,
    Oid.FLOAT8_ARRAY: Oid.FLOAT8,
    Oid.TIMESTAMPTZ_ARRAY: Oid.TIMESTAMPTZ,
    Oid.NUMERIC_ARRAY: Oid.NUMERIC,
    Oid.JSON_ARRAY: Oid.JSON,
    Oid.CHAR_ARRAY: Oid.CHAR,
    Oid.NAME_ARRAY: Oid.NAME,
    Oid.VARCHAR_ARRAY: Oid.VARCHAR,
    Oid.OID_ARRAY: Oid.OID,
    Oid.TIMESTAMP_ARRAY: Oid.TIMESTAMP,
    Oid.DATE_ARRAY: Oid.DATE,
    Oid.TIME_ARRAY: Oid.TIME,
    Oid.INTERVAL_ARRAY: Oid.INTERVAL,
    Oid.UUID_ARRAY: Oid.UUID,
}
_ARRAY_OF = {element: array for array, element in ARRAYS.items()}

_EXACT = {
    "bool": Oid.BOOL,
    "int8": Oid.INT2,
    "uint8": Oid.INT2,
    "int16": Oid.INT2,
    "uint16": Oid.INT4,
    "int32": Oid.INT4,
    "uint32": Oid.INT8,
    "int64": Oid.INT8,
    # PostgreSQL has no unsigned 64-bit number, and half of all partition keys are too large for a signed one.
    "uint64": Oid.NUMERIC,
    "halffloat": Oid.FLOAT4,
    "float": Oid.FLOAT4,
    "double": Oid.FLOAT8,
    "string": Oid.TEXT,
    "large_string": Oid.TEXT,
    "string_view": Oid.TEXT,
    "binary": Oid.BYTEA,
    "large_binary": Oid.BYTEA,
    "binary_view": Oid.BYTEA,
    "date32[day]": Oid.DATE,
    "date64[ms]": Oid.DATE,
    "month_day_nano_interval": Oid.INTERVAL,
}
_LIST = re.compile(r"^(?:large_|fixed_size_)?list(?:_view)?<\w+: (.*?)(?: not null)?>(?:\[\d+\])?$")


def oid_of_arrow(arrow_type: str) -> Oid:
    """The PostgreSQL type for an Arrow type; text for whatever has none."""
    if arrow_type in _EXACT:
        return _EXACT[arrow_type]
    if arrow_type.startswith("timestamp"):
        return Oid.TIMESTAMPTZ if "tz=" in arrow_type else Oid.TIMESTAMP
    if arrow_type.startswith("duration"):
        return Oid.INTERVAL
    if arrow_type.startswith("time"):
        return Oid.TIME
    if arrow_type.startswith("decimal"):
        return Oid.NUMERIC
    element = _LIST.match(arrow_type)
    return _ARRAY_OF.get(oid_of_arrow(element[1]), Oid.TEXT_ARRAY) if element else Oid.TEXT


_OF_COLUMN = {
    "UInt64": Oid.NUMERIC,
    "Int64": Oid.INT8,
    "UInt32": Oid.INT8,
    "Int32": Oid.INT4,
    "UInt16": Oid.INT4,
    "Int16": Oid.INT2,
    "UInt8": Oid.INT2,
    "Int8": Oid.INT2,
    "Float64": Oid.FLOAT8,
    "Float32": Oid.FLOAT4,
    "Boolean": Oid.BOOL,
    "Binary": Oid.BYTEA,
    "LargeBinary": Oid.BYTEA,
    "Date32": Oid.DATE,
}


def oid_of_column(arrow_name: str) -> Oid:
    """The same for the names that `ColumnType` has: those of `information_schema`."""
    if arrow_name.startswith("List("):
        return _ARRAY_OF.get(oid_of_column(arrow_name[5:-1]), Oid.TEXT_ARRAY)
    if arrow_name.startswith("Timestamp"):
        return Oid.TIMESTAMPTZ if '"' in arrow_name else Oid.TIMESTAMP
    if arrow_name.startswith("Duration"):
        return Oid.INTERVAL
    return _OF_COLUMN.get(arrow_name, Oid.TEXT)
