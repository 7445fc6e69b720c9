"""Where services run and which protocol they speak. Pure: no I/O."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from shared.catalog.services import Service

__all__ = ["Deployment", "ProtocolMode"]


class ProtocolMode(StrEnum):
    """As the admin API spells it."""

    BIDI_STREAM = "BidiStream"
    REQUEST_RESPONSE = "RequestResponse"


class Deployment(msgspec.Struct, frozen=True, omit_defaults=True):
    """One registered endpoint. `services` are as discovered from it, with the revision they got."""

    id: str
    uri: str
    protocol_mode: ProtocolMode
    #: "HTTP/2.0" or "HTTP/1.1".
    http_version: str
    min_protocol_version: int
    max_protocol_version: int
    created_at_ms: int
    services: dict[str, Service]
    additional_headers: dict[str, str] = {}
    metadata: dict[str, str] = {}
    sdk_version: str | None = None
