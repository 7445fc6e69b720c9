"""What one may say to metad on its socket and what it pushes. Pure: no I/O."""

from __future__ import annotations

import msgspec

from shared.catalog.catalog import Catalog

__all__ = ["CatalogUpdate", "MetaPush", "MetaRequest", "Subscribe"]


class Subscribe(msgspec.Struct, array_like=True, tag=1):
    """Send the catalog now and after every change. `subscriber` is a name for the logs."""

    subscriber: str


class CatalogUpdate(msgspec.Struct, array_like=True, tag=65):
    """The catalog at its newest version: whole, since it is small and changes seldom."""

    catalog: Catalog


MetaRequest = Subscribe
MetaPush = CatalogUpdate
