"""The manifest as JSON: shape and value ranges, discovery versions 1 to 4. Pure: no I/O.

The versions only add fields, so that the newest shape reads all of them. Unknown fields, unknown types and
values out of range are refused, as a typing error in an option must not pass as "not set".
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from metad.registry.errors import DiscoveryError

__all__ = [
    "ACCEPT",
    "HandlerAnswer",
    "InputAnswer",
    "ManifestAnswer",
    "OutputAnswer",
    "ServiceAnswer",
    "decode_answer",
]

_MEDIA_TYPES = tuple(f"application/vnd.restate.endpointmanifest.v{version}+json" for version in (1, 2, 3, 4))
#: What discovery asks for.
ACCEPT = ", ".join(_MEDIA_TYPES)

_QUOTED_BYTES_LIMIT = 2000

ServiceName = Annotated[str, msgspec.Meta(pattern=r"^([a-zA-Z]|_[a-zA-Z0-9])[a-zA-Z0-9._-]*\Z")]
HandlerName = Annotated[str, msgspec.Meta(pattern=r"^([a-zA-Z]|_[a-zA-Z0-9])[a-zA-Z0-9_]*\Z")]
#: Milliseconds or a count: an unsigned 64-bit number.
Unsigned = Annotated[int, msgspec.Meta(ge=0)]
Version = Annotated[int, msgspec.Meta(ge=1)]

_UNSIGNED_LIMIT = 1 << 64


class _Answer(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Names are camelCase in JSON."""


class InputAnswer(_Answer, frozen=True):
    required: bool | None = None
    content_type: str | None = None
    json_schema: Any = None


class OutputAnswer(_Answer, frozen=True):
    content_type: str | None = None
    set_content_type_if_empty: bool | None = None
    json_schema: Any = None


class _Options(_Answer, frozen=True):
    """What services and handlers both may set. Durations are milliseconds."""

    documentation: str | None = None
    metadata: dict[str, str] = {}
    inactivity_timeout: Unsigned | None = None
    abort_timeout: Unsigned | None = None
    journal_retention: Unsigned | None = None
    idempotency_retention: Unsigned | None = None
    enable_lazy_state: bool | None = None
    ingress_private: bool | None = None
    retry_policy_initial_interval: Unsigned | None = None
    retry_policy_max_interval: Unsigned | None = None
    retry_policy_max_attempts: Unsigned | None = None
    retry_policy_exponentiation_factor: float | None = None
    retry_policy_on_max_attempts: Literal["PAUSE", "KILL"] | None = None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if type(value) is int and value >= _UNSIGNED_LIMIT:
                raise ValueError(f"{name} is {value}: want less than 2^64")


class HandlerAnswer(_Options, frozen=True, kw_only=True):
    name: HandlerName
    ty: Literal["WORKFLOW", "EXCLUSIVE", "SHARED"] | None = None
    input: InputAnswer | None = None
    output: OutputAnswer | None = None
    workflow_completion_retention: Unsigned | None = None


class ServiceAnswer(_Options, frozen=True, kw_only=True):
    name: ServiceName
    ty: Literal["VIRTUAL_OBJECT", "SERVICE", "WORKFLOW"]
    handlers: list[HandlerAnswer]


class ManifestAnswer(_Answer, frozen=True):
    """The body of a discovery answer."""

    min_protocol_version: Version
    max_protocol_version: Version
    services: list[ServiceAnswer]
    protocol_mode: Literal["BIDI_STREAM", "REQUEST_RESPONSE"] | None = None
    #: Only for Lambda; read and dropped.
    lambda_compression: Literal["zstd"] | None = None


_decoder = msgspec.json.Decoder(ManifestAnswer)


def decode_answer(*, content_type: str | None, body: bytes) -> ManifestAnswer:
    """Check the media type and read the body. Raises DiscoveryError."""
    if content_type not in _MEDIA_TYPES:
        got = "no content-type" if content_type is None else f"content-type {content_type!r}"
        raise DiscoveryError("META0013", f"the deployment answered with {got}: want one of {ACCEPT}")
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        quoted = body[:_QUOTED_BYTES_LIMIT].decode(errors="replace")
        raise DiscoveryError(
            None, f"the deployment's manifest cannot be read: {error}; it answered: {quoted}"
        ) from None
