"""The rule book that a partition applies. Pure: no I/O.

Its row is read once for each version, however many transactions ask for it: all partitions of a worker share it.
"""

from __future__ import annotations

import hashlib

from partitiond.machine.txn import Txn
from shared.limits import Rule, RuleBook
from shared.storage import keys, values
from shared.storage.values import PartitionMeta

__all__ = ["book_of", "store_rules"]

_NO_RULES = RuleBook([])
#: By digest of the row: for each partition of a worker the present version, or the one before.
_books: dict[bytes, RuleBook] = {}
_BOOKS_MAX = 4


def store_rules(txn: Txn, version: int, rules: list[tuple[str, int | None]]) -> None:
    """These count from now on."""
    row = values.encode(rules)
    txn.put(keys.RULES, row)
    txn.meta.rules_version = version
    txn.meta.rules_digest = hashlib.sha256(row).digest()[:16]


def book_of(txn: Txn) -> RuleBook:
    """The rules that count now."""
    meta: PartitionMeta = txn.meta
    if not meta.rules_digest:
        return _NO_RULES
    book = _books.get(meta.rules_digest)
    if book is None:
        row = txn.get(keys.RULES)
        assert row is not None, f"rules of version {meta.rules_version} are missing"
        book = RuleBook([Rule(pattern, limit, 0, 0) for pattern, limit in values.decode_rules(row)])
        while len(_books) >= _BOOKS_MAX:
            del _books[next(iter(_books))]
        _books[meta.rules_digest] = book
    return book
