"""Answers of queries as CSV, JSON, JSON lines, Arrow and Parquet, batch by batch. Owns: the file that is written.

A file is written beside its name and takes it when it is whole: what is cut leaves nothing that looks done.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from scripts.console.answers import Answer
from scripts.console.failures import UsageError
from scripts.console.values import json_column, text_column

__all__ = ["write_arrow", "write_csv", "write_json", "write_json_lines", "write_parquet"]

#: Rows that become text at once.
_SLICE_ROWS = 4096
#: Rows of a row group of Parquet, as its writers commonly have it; bounded, as it stays in memory until it is full.
_GROUP_ROWS = 131_072

#: Takes an answer, and tells of each batch that it is done with.
Tell = Callable[[], None]


def write_csv(answer: Answer, tell: Tell) -> None:
    """RFC 4180 to stdout, with a head; null is an empty field."""
    out = _stdout()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(answer.schema.names)
    out.write(_taken(text))
    for batch in _slices(answer):
        writer.writerows(zip(*map(text_column, batch.columns), strict=True))
        out.write(_taken(text))
        tell()
    out.flush()


def _taken(text: io.StringIO) -> bytes:
    data = text.getvalue().encode(errors="surrogateescape")
    text.seek(0)
    text.truncate()
    return data


def write_json(answer: Answer, tell: Tell) -> None:
    """One array of objects to stdout, an object a line."""
    out = _stdout()
    out.write(b"[")
    before = b"\n"
    for rows in _json_rows(answer, tell):
        out.write(before + b",\n".join(rows))
        before = b",\n"
    out.write(b"\n]\n" if before != b"\n" else b"]\n")
    out.flush()


def write_json_lines(answer: Answer, tell: Tell) -> None:
    """An object a line, to stdout."""
    out = _stdout()
    for rows in _json_rows(answer, tell):
        out.write(b"\n".join(rows) + b"\n")
    out.flush()


def _json_rows(answer: Answer, tell: Tell) -> Iterator[list[bytes]]:
    names = answer.schema.names
    for batch in _slices(answer):
        columns = map(json_column, batch.columns)
        yield [orjson.dumps(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]
        tell()


def _slices(answer: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in answer:
        for start in range(0, batch.num_rows, _SLICE_ROWS):
            yield batch.slice(start, _SLICE_ROWS)


def _stdout() -> Any:
    sys.stdout.flush()
    return sys.stdout.buffer


def write_arrow(answer: Answer, file: str, tell: Tell) -> None:
    """An Arrow file; to stdout (`-`) the streaming format, as nobody can go back in a pipe."""
    with _opened(file) as sink:
        make = pa.ipc.new_stream if file == "-" else pa.ipc.new_file
        with make(sink, answer.schema) as writer:
            for batch in answer:
                writer.write_batch(batch)
                tell()


def write_parquet(answer: Answer, file: str, tell: Tell) -> None:
    """A Parquet file, in groups of rows."""
    import pyarrow.parquet as pq

    with _opened(file) as sink, pq.ParquetWriter(sink, answer.schema) as writer:
        waiting: list[pa.RecordBatch] = []
        for batch in answer:
            waiting.append(batch)
            if sum(each.num_rows for each in waiting) >= _GROUP_ROWS:
                writer.write_table(pa.Table.from_batches(waiting, answer.schema))
                waiting.clear()
            tell()
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting, answer.schema))


@contextlib.contextmanager
def _opened(file: str) -> Iterator[Any]:
    """Raises UsageError when it cannot be written."""
    if file == "-":
        out = _stdout()
        yield pa.PythonFile(out, mode="w")
        out.flush()
        return
    path = Path(file)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        sink = pa.OSFile(str(partial), "wb")
    except OSError as error:
        raise UsageError(f"cannot write {file}: {os.strerror(error.errno) if error.errno else error}") from error
    try:
        with sink:
            yield sink
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
