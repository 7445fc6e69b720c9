"""Values as text and as bytes of the wire, and back."""

from __future__ import annotations

import contextlib
import datetime
import random
import struct
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqld.engine.failures import QueryFailure
from sqld.engine.text_formats import date_text, iso_duration, json_interval, pg_interval, pg_timestamp, rfc3339
from sqld.pgwire.encode import BINARY, TEXT, encoder
from sqld.pgwire.parameters import decode_parameter, infer_types
from sqld.pgwire.scalars import scalars
from sqld.pgwire.types import ARRAYS, TYPES, Oid, oid_of_arrow

EPOCH = datetime.datetime(1970, 1, 1)


@given(st.dates())
def test_dates_are_the_calendars(day: datetime.date) -> None:
    assert date_text((day - EPOCH.date()).days) == day.isoformat()


@given(st.datetimes())
def test_times_are_the_calendars(moment: datetime.datetime) -> None:
    micros = (moment - EPOCH) // datetime.timedelta(microseconds=1)
    assert datetime.datetime.fromisoformat(rfc3339(micros, 1_000_000, offset="Z")) == moment.replace(
        tzinfo=datetime.UTC
    )
    assert datetime.datetime.fromisoformat(rfc3339(micros, 1_000_000, offset="")) == moment
    text = pg_timestamp(micros, 1_000_000, zoned=False)
    assert text == str(moment).rstrip("0") if moment.microsecond else text == str(moment)


def test_fractions_have_as_few_digits_as_keep_the_value() -> None:
    assert rfc3339(1_500, 1000, offset="Z") == "1970-01-01T00:00:01.500Z"
    assert rfc3339(1_000, 1000, offset="Z") == "1970-01-01T00:00:01Z"
    assert rfc3339(1, 1_000_000_000, offset="") == "1970-01-01T00:00:00.000000001"
    assert rfc3339(0, 1, offset="+02:00") == "1970-01-01T02:00:00+02:00"
    assert rfc3339(0, 1, offset="-03:30") == "1969-12-31T20:30:00-03:30"


def test_durations_and_intervals() -> None:
    assert iso_duration(86_400_000, 1000) == "PT86400S"
    assert iso_duration(-10_123, 1000) == "-PT10.123S"
    assert iso_duration(0, 1000) == "P0D"
    assert json_interval(14, 3, 4_500_000_000) == "14 mons 3 days 4.500000000 secs"
    assert json_interval(0, 0, 0) == "0 secs"
    assert pg_interval(14, -1, 3_723_500_000) == "1 year 2 mons -1 days 01:02:03.5"
    assert pg_interval(0, 0, 0) == "00:00:00"
    assert pg_interval(0, 0, -90_000_000) == "-00:01:30"


@given(st.integers(-(2**80), 2**80))
def test_integers_survive_numeric(value: int) -> None:
    assert int(decode_parameter(encoder(Oid.NUMERIC, BINARY)(value), BINARY, Oid.NUMERIC)) == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=5, min_value=-(10**15), max_value=10**15))
def test_decimals_survive_numeric(value: Decimal) -> None:
    raw = encoder(Oid.NUMERIC, BINARY)(f"{value:f}")
    assert Decimal(decode_parameter(raw, BINARY, Oid.NUMERIC)) == value
    assert struct.unpack(">hhHh", raw[:8])[3] == 5


@pytest.mark.parametrize("code", [TEXT, BINARY])
@given(items=st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_text_arrays_survive(code: int, items: list[str | None]) -> None:
    raw = encoder(Oid.TEXT_ARRAY, code)(items)
    assert decode_parameter(raw, code, Oid.TEXT_ARRAY) == items


def test_numbers_arrays_and_bytes_survive() -> None:
    for code in (TEXT, BINARY):
        assert decode_parameter(encoder(Oid.INT8_ARRAY, code)([1, None, -3]), code, Oid.INT8_ARRAY) == [1, None, -3]
        assert decode_parameter(encoder(Oid.BYTEA, code)(b"\0\xff"), code, Oid.BYTEA) == b"\0\xff"
        assert decode_parameter(encoder(Oid.BOOL, code)(True), code, Oid.BOOL) is True
        assert decode_parameter(encoder(Oid.FLOAT8, code)(1e300), code, Oid.FLOAT8) == 1e300


def test_floats_are_written_as_postgres_does() -> None:
    text = encoder(Oid.FLOAT8, TEXT)
    values = (1.0, 0.1, 1e16, 1e-7, float("nan"), float("inf"), float("-inf"))
    assert [text(value) for value in values] == [b"1", b"0.1", b"1e+16", b"1e-07", b"NaN", b"Infinity", b"-Infinity"]


def test_any_bytes_are_a_value_or_a_failure() -> None:
    """Whatever a client sends as a parameter: a value, or an error of its own query."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    source = random.Random(seed)
    for _ in range(5000):
        raw = source.randbytes(source.randrange(40))
        with contextlib.suppress(QueryFailure):
            scalars([raw], [source.randrange(2)], [source.choice([*Oid, 0, 99999])])


@pytest.mark.parametrize(
    ("raw", "code", "oid", "sqlstate"),
    [
        (b"99999999999999999999", TEXT, Oid.INT8, "22003"),
        (b"{1,99999999999999999999}", TEXT, Oid.INT8_ARRAY, "22003"),
        (b"1 parsec", TEXT, Oid.INTERVAL, "22P03"),
        (b"x", BINARY, Oid.INTERVAL, "22P03"),
        (b"\\9", TEXT, Oid.BYTEA, "22P03"),
        (b"{}", BINARY, Oid.JSONB, "22P03"),
        (b"\1\2", BINARY, Oid.BOOL, "22P03"),
        (b"short", BINARY, Oid.UUID, "22P03"),
        (struct.pack(">iiiiii", 1, 0, 20, 1, 1, 8) + b"1234", BINARY, Oid.INT8_ARRAY, "22P03"),
        (struct.pack(">iiiiii", 1, 0, 20, 1, 1, -1) + b"more", BINARY, Oid.INT8_ARRAY, "22P03"),
    ],
)
def test_what_is_no_value_is_the_failure_of_its_query(raw: bytes, code: int, oid: Oid, sqlstate: str) -> None:
    with pytest.raises(QueryFailure) as failed:
        scalars([raw], [code], [oid])
    assert failed.value.sqlstate == sqlstate


@pytest.mark.parametrize(
    ("raw", "code", "oid", "value"),
    [
        (b"1 day 00:00:01", TEXT, Oid.INTERVAL, datetime.timedelta(days=1, seconds=1)),
        (struct.pack(">qii", 1_000_000, 1, 0), BINARY, Oid.INTERVAL, datetime.timedelta(days=1, seconds=1)),
        (struct.pack(">qii", 0, 0, 2), BINARY, Oid.INTERVAL, pa.MonthDayNano([2, 0, 0])),
        (struct.pack(">q", 3_661_000_001), BINARY, Oid.TIME, "01:01:01.000001"),
        (b"\1{}", BINARY, Oid.JSONB, "{}"),
        (bytes(range(16)), BINARY, Oid.UUID, "00010203-0405-0607-0809-0a0b0c0d0e0f"),
        (b"a\\\\b\\001", TEXT, Oid.BYTEA, b"a\\b\1"),
        (b"\\x00ff", TEXT, Oid.BYTEA, b"\0\xff"),
        (b"18446744073709551615", TEXT, Oid.NUMERIC, 2**64 - 1),
        (b"-1.50", TEXT, Oid.NUMERIC, Decimal("-1.50")),
        (b"{1,18446744073709551615}", TEXT, Oid.NUMERIC_ARRAY, [1, 2**64 - 1]),
        (b"{1.5,NULL}", TEXT, Oid.NUMERIC_ARRAY, [Decimal("1.5"), None]),
        (b"{1 day}", TEXT, Oid.INTERVAL_ARRAY, [datetime.timedelta(days=1)]),
        (b"{2024-02-29}", TEXT, Oid.DATE_ARRAY, ["2024-02-29"]),
        (
            struct.pack(">iiiiii", 1, 0, 1082, 1, 1, 4) + struct.pack(">i", 0),
            BINARY,
            Oid.DATE_ARRAY,
            [datetime.date(2000, 1, 1)],
        ),
        (b"x", TEXT, Oid.VARCHAR, "x"),
    ],
)
def test_parameters_of_all_types_are_taken(raw: bytes, code: int, oid: Oid, value: object) -> None:
    assert scalars([raw], [code], [oid])[0].as_py() == value


@pytest.mark.parametrize(
    ("sql", "types"),
    [
        ("SELECT * FROM state WHERE service_key = $1", [Oid.TEXT]),
        ("SELECT * FROM sys_invocation i WHERE i.created_at > $2 AND $1 = retry_count", [Oid.NUMERIC, Oid.TIMESTAMPTZ]),
        ("SELECT * FROM state WHERE partition_key BETWEEN $1 AND $2", [Oid.NUMERIC, Oid.NUMERIC]),
        ("SELECT * FROM state WHERE service_key IN ($1, $2) LIMIT $3 OFFSET $4", [25, 25, Oid.INT8, Oid.INT8]),
        ("SELECT $1::bigint, $2::boolean, $3::text, $4", [Oid.INT8, Oid.BOOL, Oid.TEXT, Oid.TEXT]),
        (
            "SELECT * FROM sys_invocation WHERE id = ANY($1) AND journal_size = ANY($2)",
            [Oid.TEXT_ARRAY, Oid.INT8_ARRAY],
        ),
        ("SELECT * FROM state WHERE value = $1 AND lower(key) = lower($2)", [Oid.BYTEA, Oid.TEXT]),
        ("this is no SQL $1", [Oid.TEXT]),
        ("SELECT * FROM sys_invocation WHERE completion_retention > $1", [Oid.INTERVAL]),
        ("SELECT $1::interval, $2::bigint[], $3::uuid, '$4'", [Oid.INTERVAL, Oid.INT8_ARRAY, Oid.UUID]),
        ("SELECT 1", []),
    ],
)
def test_parameter_types_are_inferred(sql: str, types: list[int]) -> None:
    assert infer_types(sql, []) == types


def test_given_parameter_types_stay() -> None:
    assert infer_types("SELECT $1::bigint, $2", [Oid.INT4, 0]) == [Oid.INT4, Oid.TEXT]
    assert infer_types("SELECT $1::bigint, $2", [Oid.UNKNOWN]) == [Oid.INT8, Oid.TEXT]


@pytest.mark.parametrize(
    ("kind", "oid"),
    [
        (pa.uint64(), Oid.NUMERIC),
        (pa.uint32(), Oid.INT8),
        (pa.large_string(), Oid.TEXT),
        (pa.timestamp("ms", "+00:00"), Oid.TIMESTAMPTZ),
        (pa.timestamp("ns"), Oid.TIMESTAMP),
        (pa.duration("ms"), Oid.INTERVAL),
        (pa.list_(pa.uint32()), Oid.INT8_ARRAY),
        (pa.large_list(pa.large_string()), Oid.TEXT_ARRAY),
        (pa.list_(pa.field("item", pa.int8(), nullable=False)), Oid.INT2_ARRAY),
        (pa.decimal128(10, 2), Oid.NUMERIC),
        (pa.struct([("a", pa.int8())]), Oid.TEXT),
        (pa.null(), Oid.TEXT),
    ],
)
def test_arrow_types_have_their_oid(kind: pa.DataType, oid: Oid) -> None:
    assert oid_of_arrow(str(kind)) == oid


def test_every_type_is_described() -> None:
    assert TYPES.keys() == set(Oid)
    assert ARRAYS.keys() <= TYPES.keys()
