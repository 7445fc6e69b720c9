"""The catalog on metad's socket."""

from __future__ import annotations

from pathlib import Path

import uvloop

from metad.publisher import Publisher
from shared.catalog.catalog import Catalog
from shared.catalog.partitions import PartitionTable, even_partitions
from shared.catalog.services import Service, ServiceKind
from shared.catalog_client import CatalogClient
from tests.metad.harness import new_settings, until


def _catalog(version: int, *, documentation: str = "") -> Catalog:
    service = Service("S", ServiceKind.SERVICE, {}, "dp_1", version, documentation=documentation)
    return Catalog(version, {"S": service}, {}, PartitionTable(1, even_partitions(2)))


def test_subscribers_get_the_newest_at_once_and_every_change(tmp_path: Path) -> None:
    async def main() -> None:
        settings = new_settings(tmp_path)
        publisher = Publisher(settings)
        await publisher.start()
        early = CatalogClient(settings.socket("metad"), subscriber="early")
        early.start()
        publisher.publish(_catalog(1))
        assert await early.known() == _catalog(1)
        publisher.publish(_catalog(2))
        late = CatalogClient(settings.socket("metad"), subscriber="late")
        late.start()
        assert await late.known() == _catalog(2)
        publisher.publish(_catalog(3))
        await until(lambda: early.catalog == late.catalog == _catalog(3))
        await early.close()
        await late.close()
        await publisher.close()

    uvloop.run(main())


def test_a_slow_subscriber_skips_catalogs_and_ends_with_the_newest(tmp_path: Path) -> None:
    """Each catalog is larger than the write buffer; all are published within one loop turn or two."""

    async def main() -> None:
        settings = new_settings(tmp_path)
        publisher = Publisher(settings)
        await publisher.start()
        seen: list[int] = []
        client = CatalogClient(settings.socket("metad"), subscriber="slow")
        client.on_change(lambda: seen.append(client.catalog.version if client.catalog else 0))
        client.start()
        big = "x" * (6 * 1024 * 1024)
        publisher.publish(_catalog(1, documentation=big))
        await client.known()
        for version in range(2, 12):
            publisher.publish(_catalog(version, documentation=big))
            # One turn: enough for the write, not for the reader.
            await until(lambda: True)
        await until(lambda: seen[-1] == 11)
        assert seen == sorted(set(seen))
        await client.close()
        await publisher.close()

    uvloop.run(main())
