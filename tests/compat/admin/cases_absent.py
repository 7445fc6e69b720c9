"""Cases of what Everlog has not: Kafka and the web UI. Pure: no I/O."""

from __future__ import annotations

from typing import Any

from tests.compat.admin.case import NOTHING, Ask, Case, each

__all__ = ["CASES"]

_REFUSED: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/subscriptions", NOTHING),
    ("GET", "/v2/subscriptions?sink=service://S/h", NOTHING),
    ("GET", "/subscriptions?source=a&source=b", NOTHING),
    ("GET", "/subscriptions/sub_10000000000000000000000", NOTHING),
    ("GET", "/subscriptions/foo", NOTHING),
    ("DELETE", "/subscriptions/sub_10000000000000000000000", NOTHING),
    ("DELETE", "/subscriptions/sub_1", NOTHING),
    ("POST", "/subscriptions", {"source": "kafka://nope/topic", "sink": "service://Nope/h"}),
    ("POST", "/subscriptions", {"source": "kafka://nope/topic", "sink": "service://Nope/h", "options": {"a": "b"}}),
    ("POST", "/subscriptions", {"source": "a b", "sink": "service://Nope/h"}),
    ("POST", "/subscriptions", {"source": "kafka://nope/topic"}),
    ("POST", "/subscriptions", {"source": 5, "sink": "service://Nope/h"}),
    ("POST", "/subscriptions", b"{"),
    ("GET", "/kafka-clusters", NOTHING),
    ("GET", "/v4/kafka-clusters", NOTHING),
    ("GET", "/kafka-clusters/nope", NOTHING),
    ("GET", "/kafka-clusters/nope?include_subscriptions=true", NOTHING),
    ("GET", "/kafka-clusters/nope?include_subscriptions=x", NOTHING),
    ("GET", "/kafka-clusters/a%20b", NOTHING),
    ("PATCH", "/kafka-clusters/nope", {"properties": {"bootstrap.servers": "h:1"}}),
    ("PATCH", "/kafka-clusters/nope", {}),
    ("DELETE", "/kafka-clusters/nope", NOTHING),
    ("DELETE", "/kafka-clusters/nope?force=true", NOTHING),
    ("DELETE", "/kafka-clusters/nope?force=x", NOTHING),
    ("POST", "/kafka-clusters", {"name": "c"}),
    ("POST", "/kafka-clusters", {"name": 5, "properties": {}}),
    ("POST", "/kafka-clusters", {"name": "c", "properties": {"a": 5}}),
    ("POST", "/kafka-clusters", b"["),
    ("POST", "/kafka-clusters", {"name": "", "properties": {}}),
    ("POST", "/kafka-clusters", {"name": "c", "properties": {}}),
)

CASES = (
    *each("Kafka", *_REFUSED),
    Case(
        "a Kafka cluster is made",
        (
            Ask("POST", "/kafka-clusters", {"name": "made", "properties": {"bootstrap.servers": "127.0.0.1:1"}}),
            Ask("DELETE", "/kafka-clusters/made"),
        ),
    ),
    Case("the web UI", tuple(Ask("GET", path) for path in ("/", "/ui", "/ui/", "/ui/x/y", "/v2", "/v2/"))),
)
