"""What the parent and a query worker say to each other. Pure: no I/O.

The parent asks one thing at a time: `Describe`, `Open` and `Fetch` each have exactly one answer at their end
(`Described`, `Opened`, `Fetched` or `Failed`), with `Chunk`s before it; `Run` is the two latter in one, and has the
answers of both. `Cancel` asks that the end come soon.
"""

from __future__ import annotations

import msgspec

from shared.catalog.catalog import Catalog

__all__ = [
    "EXIT_MEMORY",
    "Cancel",
    "Chunk",
    "Close",
    "Column",
    "Describe",
    "Described",
    "Failed",
    "Fetch",
    "Fetched",
    "Hurry",
    "Open",
    "Opened",
    "Output",
    "Ready",
    "Run",
    "SetCatalog",
    "WorkerReply",
    "WorkerRequest",
    "decode_reply",
    "decode_request",
    "encode",
]

#: With this a worker ends whose query needed more memory than it may.
EXIT_MEMORY = 12


class _Message(msgspec.Struct, array_like=True):
    """Both sides are of one version: they are started together."""


class Output(_Message):
    """How rows leave: `json`, `jsonl`, `arrow`, or `pg` with a format code a column (none: all text; one: for all)."""

    kind: str
    formats: list[int] = []


class SetCatalog(_Message, tag=1):
    """Queries opened from now on see this catalog. No answer."""

    catalog: Catalog


class Describe(_Message, tag=2):
    """A prepared statement: which parameters and columns has it? `parameter_types`: OIDs, 0 for unknown. `session`:
    what catalogue queries ask about the client's own, see `sqld.pgwire.catalogue.rewrite`."""

    sql: str
    parameter_types: list[int]
    session: dict[str, str] = {}


class Open(_Message, tag=3):
    """Plan a query under a number of the parent's choice. Parameters as they came from the client's wire; `session`
    as in `Describe`."""

    portal: int
    sql: str
    output: Output
    parameters: list[bytes | None] = []
    parameter_formats: list[int] = []
    parameter_types: list[int] = []
    session: dict[str, str] = {}


class Fetch(_Message, tag=4):
    """Send the next `max_rows` rows (0: all). `formats`: of a cursor, whose fetches may differ; as in `Output`."""

    portal: int
    max_rows: int
    formats: list[int] | None = None


class Close(_Message, tag=5):
    """Forget a query. No answer."""

    portal: int


class Cancel(_Message, tag=6):
    """End what is running, with `Failed`. No answer of its own; without effect when nothing runs."""


class Run(_Message, tag=7):
    """Plan a query, then send all its rows: `Opened`, and what answers a `Fetch`."""

    open: Open


class Hurry(_Message, tag=8):
    """The daemon drains and waits for what runs: it gives way to nobody any more. No answer."""


WorkerRequest = SetCatalog | Describe | Open | Fetch | Close | Cancel | Run | Hurry


class Column(_Message):
    """One column of an answer, as PostgreSQL describes it."""

    name: str
    type_oid: int
    type_size: int


class Described(_Message, tag=65):
    """`columns` None: the statement gives no rows."""

    parameter_types: list[int]
    columns: list[Column] | None


class Opened(_Message, tag=66):
    columns: list[Column]


class Chunk(_Message, tag=67):
    """The next bytes of the answer."""

    data: bytes


class Fetched(_Message, tag=68):
    """So many rows were sent now; `complete`: there are no more, and the query is closed. `data`: the last bytes."""

    rows: int
    complete: bool
    data: bytes = b""


class Ready(_Message, tag=70):
    """The first message of a worker: it can take requests."""


class Failed(_Message, tag=69):
    """The query is closed. `position`: 1-based character of the statement, 0 when unknown."""

    message: str
    sqlstate: str
    status: int
    position: int = 0


WorkerReply = Described | Opened | Chunk | Fetched | Failed | Ready

encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(WorkerRequest).decode
decode_reply = msgspec.msgpack.Decoder(WorkerReply).decode
