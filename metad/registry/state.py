"""The registry's state and the catalog made of it. Pure: no I/O."""

from __future__ import annotations

import msgspec

from shared.catalog.catalog import Catalog
from shared.catalog.defaults import Defaults
from shared.catalog.deployments import Deployment
from shared.catalog.partitions import PartitionTable
from shared.catalog.services import Service
from shared.limits import Rule

__all__ = ["EMPTY", "PROPOSALS_REMEMBERED", "RegistryState"]

#: A proposal is repeated only while its proposer waits, so that few need to be remembered.
PROPOSALS_REMEMBERED = 1024


class RegistryState(msgspec.Struct, frozen=True):
    """Everything that group `meta` decides. A value: `apply` returns a new one.

    Invariant: `services[name]` is the greatest revision of `name` in any deployment.
    Two deployments have one identity (see `address.identity_of`) only if one was moved there by an update.
    """

    #: Grows with every change.
    version: int
    deployments: dict[str, Deployment]
    services: dict[str, Service]
    #: None until the node's first start has made it.
    partition_table: PartitionTable | None
    #: Uids of the newest proposals, oldest first.
    recent_proposals: tuple[bytes, ...]
    #: The rule book, by pattern, and its version, which grows with each change of it.
    rules: dict[str, Rule] = {}
    rules_version: int = 0

    def catalog(self, defaults: Defaults) -> Catalog | None:
        """What subscribers get; None while there is no partition table."""
        if self.partition_table is None:
            return None
        return Catalog(
            version=self.version,
            services=self.services,
            deployments=self.deployments,
            partition_table=self.partition_table,
            rules=self.rules,
            rules_version=self.rules_version,
            defaults=defaults,
        )

    def with_deployments(self, deployments: dict[str, Deployment]) -> RegistryState:
        """The state that follows from these deployments: each service at its greatest revision."""
        services: dict[str, Service] = {}
        for deployment in deployments.values():
            for name, service in deployment.services.items():
                assert service.deployment_id == deployment.id
                newest = services.get(name)
                # Two deployments never share a revision of one service: the order of `deployments` has no say.
                assert newest is None or newest.revision != service.revision
                if newest is None or service.revision > newest.revision:
                    services[name] = service
        return msgspec.structs.replace(
            self, version=self.version + 1, deployments=deployments, services=dict(sorted(services.items()))
        )


EMPTY = RegistryState(version=0, deployments={}, services={}, partition_table=None, recent_proposals=())
