"""What Restate has and Everlog has not: Kafka and the web UI. Owns: nothing.

Lists are empty, as the CLI and consoles expect them, nothing is found by its name, and what would make something
says what to do instead.
"""

from __future__ import annotations

from typing import NoReturn

from aiohttp import web

from metad.admin.bodies import KafkaClusterBody, KafkaPropertiesBody, SubscriptionBody, read_json
from metad.admin.errors import AdminError, json_response
from metad.admin.parameters import flag, one, subscription_id

__all__ = ["AbsentRoutes"]

_INSTEAD = (
    "Everlog does not read from Kafka: run a consumer that posts each record to the ingress, "
    "with topic, partition and offset as its idempotency-key"
)


class AbsentRoutes:
    """/subscriptions, /kafka-clusters, / and /ui."""

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/subscriptions", self.list_subscriptions),
            web.post("/subscriptions", self.create_subscription),
            web.get("/subscriptions/{subscription}", self.no_subscription),
            web.delete("/subscriptions/{subscription}", self.no_subscription),
            web.get("/kafka-clusters", self.list_clusters),
            web.post("/kafka-clusters", self.create_cluster),
            web.get("/kafka-clusters/{cluster_name}", self.get_cluster),
            web.patch("/kafka-clusters/{cluster_name}", self.update_cluster),
            web.delete("/kafka-clusters/{cluster_name}", self.delete_cluster),
            web.get("/", self.web_ui),
            web.get("/ui", self.web_ui),
            web.get("/ui/{page:.*}", self.web_ui),
        ]

    async def list_subscriptions(self, request: web.Request) -> web.Response:
        for name in ("sink", "source"):
            one(request, name)
        return json_response({"subscriptions": []})

    async def create_subscription(self, request: web.Request) -> web.Response:
        """As where the cluster of the source is not known, for none is."""
        body = await read_json(request, SubscriptionBody)
        message = f"[META0009] field 'source': there is no Kafka cluster for {body.source}. {_INSTEAD}"
        raise AdminError(400, message, code="META0009")

    async def no_subscription(self, request: web.Request) -> web.Response:
        raise AdminError(404, f"there is no subscription '{subscription_id(request)}'. {_INSTEAD}")

    async def list_clusters(self, request: web.Request) -> web.Response:
        return json_response({"clusters": []})

    async def create_cluster(self, request: web.Request) -> web.Response:
        await read_json(request, KafkaClusterBody)
        raise AdminError(501, _INSTEAD)

    async def get_cluster(self, request: web.Request) -> web.Response:
        flag(request, "include_subscriptions")
        self._no_cluster(request)

    async def update_cluster(self, request: web.Request) -> web.Response:
        await read_json(request, KafkaPropertiesBody)
        self._no_cluster(request)

    async def delete_cluster(self, request: web.Request) -> web.Response:
        flag(request, "force")
        self._no_cluster(request)

    async def web_ui(self, request: web.Request) -> web.Response:
        raise AdminError(
            404,
            "Everlog has no web UI: ask by `everlog status`, by SQL (POST /query, or psql), "
            "or by this API, which GET /openapi describes",
        )

    def _no_cluster(self, request: web.Request) -> NoReturn:
        raise AdminError(404, f"there is no Kafka cluster '{request.match_info['cluster_name']}'. {_INSTEAD}")
