"""The JSON functions, by the names that Restate's queries know. Runs in the query worker.

Of a text that is no JSON, a path that leads nowhere, and a value of another type, each is null.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pyarrow as pa
from datafusion import SessionContext, udf

from sqld.engine.json_sql import FUNCTIONS, PATH_MAX

__all__ = ["register_json_functions"]

_NOWHERE = object()
_TEXTS = pa.list_(pa.string())


def _text(value: Any) -> str | None:
    """A text as it is, all else as JSON."""
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _of(kind: type | tuple[type, ...], convert: Callable[[Any], Any] = lambda value: value) -> Callable[[Any], Any]:
    """The value when it is of this type. In Python a boolean is a number as well."""

    def pick(value: Any) -> Any:
        right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        return convert(value) if right else None

    return pick


def _whole_number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and -(1 << 63) <= value < 1 << 63 else None


#: Name -> type of its result, and the result of the value that the path leads to.
_RESULTS: dict[str, tuple[pa.DataType, Callable[[Any], Any]]] = {
    "json_get": (pa.string(), _text),
    "json_as_text": (pa.string(), _text),
    "json_get_str": (pa.string(), _of(str)),
    "json_get_int": (pa.int64(), _whole_number),
    "json_get_float": (pa.float64(), _of((int, float), float)),
    "json_get_bool": (pa.bool_(), _of(bool)),
    "json_get_json": (pa.string(), _json),
    "json_get_array": (_TEXTS, _of(list, lambda items: [_json(item) for item in items])),
    "json_object_keys": (_TEXTS, _of(dict, list)),
    "json_length": (pa.uint64(), _of((list, dict), len)),
    "json_contains": (pa.bool_(), lambda value: True),
}
assert _RESULTS.keys() == set(FUNCTIONS)


def register_json_functions(context: SessionContext) -> None:
    """Make them known to a session, once for each length of the path (see `json_sql`)."""
    for name, (result, of_value) in _RESULTS.items():
        for steps in range(PATH_MAX + 1):
            arguments = [pa.large_string(), *[pa.string()] * steps]
            call = _vectorised(of_value, result, missing=False if name == "json_contains" else None)
            known_as = name if steps == 1 else f"{name}_{steps}"
            context.register_udf(udf(call, arguments, result, "immutable", name=known_as))


def _vectorised(of_value: Callable[[Any], Any], result: pa.DataType, *, missing: Any) -> Callable[..., pa.Array]:
    def call(*arguments: Any) -> pa.Array:
        # A constant comes as a scalar.
        rows = max((len(a) for a in arguments if isinstance(a, pa.Array)), default=1)
        columns = [a.to_pylist() if isinstance(a, pa.Array) else [a.as_py()] * rows for a in arguments]
        values = []
        for text, *path in zip(*columns, strict=True):
            found = _walk(text, path)
            values.append((None if text is None else missing) if found is _NOWHERE else of_value(found))
        return pa.array(values, result)

    return call


def _walk(text: str | None, path: list[str | None]) -> Any:
    try:
        value = _NOWHERE if text is None else orjson.loads(text)
    except orjson.JSONDecodeError:
        return _NOWHERE
    for step in path:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step is not None and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return _NOWHERE
    return value
