"""The questions that both runtimes get, out of `queries.sql`.

In that file `--- plain` begins a part, and `-- its name` a query. `-- : ordered` says that its rows are compared in
their order, `-- : ignored a b` which columns are not compared but for their types, `-- : status 400` what we answer
where the oracle answers otherwise, `-- : kinds` that another version of DataFusion has another type of the same kind,
`-- : differs why` that the rows are not the oracle's. In part `values` each line is an expression. `{busy}` is the
invocation that the case of this name in `scene.py` began.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PLAIN", "SCOPED", "Query"]

#: Columns in which no two runs, or we and the oracle on purpose, are the same (ARCHITECTURE.md tells the latter).
_ALWAYS = frozenset({"partition_key", "created_using_restate_version", "vqueue_id", "sequence_number", "raw"})


@dataclass(frozen=True)
class Query:
    """See above. `status` None: the oracle's."""

    name: str
    sql: str
    ordered: bool = False
    ignored: frozenset[str] = _ALWAYS
    status: int | None = None
    differs: str = ""
    kinds: bool = False


def _query(block: str) -> Query:
    head = [line for line in block.splitlines() if line.startswith("-- ")]
    sql = "\n".join(line for line in block.splitlines() if not line.startswith("-- "))
    said = dict(line.removeprefix("-- : ").partition(" ")[::2] for line in head[1:])
    return Query(
        name=head[0].removeprefix("-- "),
        sql=sql.strip("\n"),
        ordered="ordered" in said,
        ignored=_ALWAYS | set(said.get("ignored", "").split()),
        status=int(said["status"]) if "status" in said else None,
        differs=said.get("differs", ""),
        kinds="kinds" in said,
    )


def _parts() -> dict[str, str]:
    text = Path(__file__).with_name("queries.sql").read_text()
    _, *found = re.split(r"^--- (\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(found[::2], found[1::2], strict=True))


def _queries(part: str) -> tuple[Query, ...]:
    return tuple(_query(block) for block in re.split(r"\n\n+", part.strip("\n")))


_PARTS = _parts()
PLAIN: tuple[Query, ...] = (
    *_queries(_PARTS["plain"]),
    *(
        Query(f"value: {line}", f"SELECT {line} AS x", kinds="json_" in line)
        for line in _PARTS["values"].strip().splitlines()
    ),
)
#: Asked of a runtime with flow control, once the scene's `SCOPED` has been played as well.
SCOPED: tuple[Query, ...] = _queries(_PARTS["scoped"])
