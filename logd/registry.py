"""Names of groups <-> the numbers that their keys begin with. Owns: nothing, it is stored with the entries."""

from __future__ import annotations

import re

from logd.entry import decode_value, encode_value
from logd.keys import group_name, registry_key, registry_range
from logd.store import Store

__all__ = ["GroupRegistry", "valid_name"]

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}\Z")


def valid_name(name: str) -> bool:
    """`meta`, `p-17`: a lower-case letter, then letters, digits and dashes, 63 at most."""
    return _NAME.match(name) is not None


class GroupRegistry:
    """All groups that this node ever opened. A number is never given twice."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ids = {
            group_name(key): decode_value(value, int, key=key, what=f"number of group={group_name(key)}")
            for key, value in store.scan(*registry_range())
        }

    def known(self) -> dict[str, int]:
        """Every name and its number."""
        return dict(self._ids)

    def number_of(self, name: str) -> int:
        """The number of a group, given now and durably when it is new."""
        assert valid_name(name)
        number = self._ids.get(name)
        if number is None:
            number = max(self._ids.values(), default=0) + 1
            key = registry_key(name)
            self._store.put_durable(key, encode_value(number, key=key))
            self._ids[name] = number
        return number
