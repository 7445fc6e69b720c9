"""DataFusion's filter -> predicate. Knows how pyarrow serialises an expression."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from sqld.engine.predicates import Predicate

__all__ = ["predicate_of"]

# An expression is serialised as an Arrow file of one batch: the schema's metadata is the expression in prefix
# order, its literals are the columns. The metadata has repeated keys, which only the schema's text keeps.
_TOKEN = re.compile(r"^(call|end|field_ref|literal|options|nested_field_ref): '(.*)'$")
_METADATA = "-- schema metadata --"


def predicate_of(expression: pc.Expression) -> Predicate:
    """The expression as nested tuples. Raises ValueError for a form that we do not know."""
    batch = pa.ipc.open_file(expression.__reduce__()[1][0]).get_batch(0)
    text = batch.schema.to_string(truncate_metadata=False)
    lines = text[text.index(_METADATA) :].split("\n")
    tokens = [match.groups() for line in lines if (match := _TOKEN.match(line))]
    predicate, at = _parse(tokens, 0, batch)
    if at != len(tokens):
        raise ValueError(f"expression {expression} has {len(tokens) - at} tokens too many")
    return predicate


def _parse(tokens: list[tuple[str, ...]], at: int, batch: pa.RecordBatch) -> tuple[Predicate, int]:
    kind, text = tokens[at]
    at += 1
    if kind == "field_ref":
        return ("field", text), at
    if kind == "literal":
        return ("literal", batch.column(int(text))[0].as_py()), at
    if kind != "call":
        raise ValueError(f"an expression may not have {kind} here")
    parts: list[object] = [text]
    while tokens[at][0] != "end":
        if tokens[at][0] == "options":
            options = batch.column(int(tokens[at][1]))[0].as_py()
            if text == "is_in":
                parts.append(options["value_set"])
            at += 1
        else:
            part, at = _parse(tokens, at, batch)
            parts.append(part)
    return tuple(parts), at + 1
