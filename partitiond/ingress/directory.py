"""The catalog in the form that a request needs: all that can be computed before a request comes. Pure: no I/O."""

from __future__ import annotations

import msgspec

from shared.catalog.catalog import Catalog, HandlerOptions
from shared.catalog.services import Handler, InputRules, OutputRules, Service, ServiceKind
from shared.wal.commands import HandlerKind

__all__ = ["Directory", "HandlerEntry", "Retention", "ServiceEntry", "build_directory"]


class Retention(msgspec.Struct, frozen=True):
    """How long the result and the journal are kept. Invariant: the journal never longer than the result."""

    completion_ms: int
    journal_ms: int


class HandlerEntry(msgspec.Struct, frozen=True):
    """One handler, ready to be called."""

    service: str
    handler: str
    kind: HandlerKind
    #: Neither the handler nor its service is private.
    public: bool
    input: InputRules
    #: Header line of an answer with a body, and of one without; empty: no content type is told.
    content_type: bytes
    empty_content_type: bytes
    #: With an idempotency key, or for a workflow's run.
    retention: Retention
    #: A shared workflow handler without a key.
    retention_keyless: Retention


class ServiceEntry(msgspec.Struct, frozen=True):
    """One service. `run`: the handler that a workflow's result belongs to."""

    name: str
    keyed: bool
    handlers: dict[str, HandlerEntry]
    run: HandlerEntry | None


class Directory(msgspec.Struct, frozen=True):
    """All services at one version of the catalog. `health`: the JSON that lists them."""

    version: int
    services: dict[str, ServiceEntry]
    health: bytes


def build_directory(catalog: Catalog) -> Directory:
    """Done once per catalog version."""
    return Directory(
        version=catalog.version,
        services={name: _service_entry(catalog, service) for name, service in catalog.services.items()},
        health=msgspec.json.encode({"services": list(catalog.services)}),
    )


def _service_entry(catalog: Catalog, service: Service) -> ServiceEntry:
    handlers = {
        name: _handler_entry(service, handler, catalog.options_of(service, handler))
        for name, handler in service.handlers.items()
    }
    run = next((entry for entry in handlers.values() if entry.kind == HandlerKind.WORKFLOW_RUN), None)
    return ServiceEntry(service.name, service.kind != ServiceKind.SERVICE, handlers, run)


def _handler_entry(service: Service, handler: Handler, options: HandlerOptions) -> HandlerEntry:
    completion_ms = (
        options.workflow_completion_retention_ms
        if handler.kind == HandlerKind.WORKFLOW_RUN
        else options.idempotency_retention_ms
    )
    journal_ms = options.journal_retention_ms
    content_type = _content_type_line(handler.output)
    return HandlerEntry(
        service=service.name,
        handler=handler.name,
        kind=handler.kind,
        public=service.public and handler.public,
        input=handler.input,
        content_type=content_type,
        empty_content_type=content_type if handler.output.set_content_type_if_empty else b"",
        retention=Retention(completion_ms, min(journal_ms, completion_ms)),
        # A kept journal needs the result beside it.
        retention_keyless=Retention(journal_ms, journal_ms),
    )


def _content_type_line(output: OutputRules) -> bytes:
    value = output.content_type
    if not value or not value.isascii() or not value.isprintable():
        return b""
    return f"content-type: {value}\r\n".encode()
