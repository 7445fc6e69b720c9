"""Request bodies: shape, types and ranges. Owns: nothing."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar

import msgspec
from aiohttp import web

from metad.admin.errors import AdminError, FormError

__all__ = [
    "BatchBody",
    "KafkaClusterBody",
    "KafkaPropertiesBody",
    "MatchesBody",
    "ModifyBody",
    "MovableBatchBody",
    "NotThereBody",
    "QueryBody",
    "RegisterBody",
    "RuleDeleteBody",
    "RuleUpsertBody",
    "StateBody",
    "SubscriptionBody",
    "UpdateBody",
    "read_json",
    "read_register_body",
    "read_update_body",
]

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t -~\x80-\U0010ffff]*")
_JSON_MEDIA_TYPE = re.compile(r"application/(?:[^;\s]+\+)?json(?:\+[^;\s]+)?\s*(?:;.*)?", re.IGNORECASE)
_Body = TypeVar("_Body")
_Uri = Annotated[str, msgspec.Meta(pattern=r"^[!-~]+\Z")]
_Version = Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]
_Byte = Annotated[int, msgspec.Meta(ge=0, le=255)]


class RegisterBody(msgspec.Struct, frozen=True):
    """POST /deployments. `force` None: as the API version says."""

    uri: str
    additional_headers: dict[str, str] | None = None
    metadata: dict[str, str] = {}
    use_http_11: bool = False
    breaking: bool = False
    force: bool | None = None
    dry_run: bool = False
    #: Google ID tokens: known, and refused by us.
    auth: dict[str, Any] | None = None


class UpdateBody(msgspec.Struct, frozen=True):
    """PATCH /deployments/{id}. None: as it is."""

    uri: str | None = None
    additional_headers: dict[str, str] | None = None
    use_http_11: bool | None = None
    overwrite: bool = False
    dry_run: bool = False


class ModifyBody(msgspec.Struct, frozen=True):
    """PATCH /services/{service}. None: as it is. Durations are texts such as `10m` or `PT10M`."""

    public: bool | None = None
    idempotency_retention: str | None = None
    workflow_completion_retention: str | None = None
    journal_retention: str | None = None
    inactivity_timeout: str | None = None
    abort_timeout: str | None = None


class StateBody(msgspec.Struct, frozen=True):
    """POST /services/{service}/state. `version`: of the state that it replaces, None: whatever it is.

    A value is its bytes as numbers, or a text that stands for its UTF-8.
    """

    object_key: str
    new_state: dict[str, list[_Byte] | str]
    version: str | None = None
    #: Of an object or workflow within a scope.
    scope: str | None = None


class QueryBody(msgspec.Struct, frozen=True):
    """POST /query."""

    query: str


class LimitsBody(msgspec.Struct, frozen=True):
    """What a rule bounds: how many run at once. None: unlimited."""

    concurrency: Annotated[int, msgspec.Meta(ge=1, lt=1 << 32)] | None = None


class AnyBody(msgspec.Struct, frozen=True, tag="none"):
    """Whatever is there is changed."""


class MatchesBody(msgspec.Struct, frozen=True, tag="matches"):
    """A rule that is there, at this version."""

    version: _Version


class NotThereBody(msgspec.Struct, frozen=True, tag="does_not_exist"):
    """A rule that is new."""


class RuleUpsertBody(msgspec.Struct, frozen=True):
    """One rule of PUT /limits/rules."""

    pattern: str
    limits: LimitsBody = LimitsBody()
    description: str | None = None
    disabled: bool = False
    precondition: AnyBody | MatchesBody | NotThereBody = AnyBody()


class RuleDeleteBody(msgspec.Struct, frozen=True):
    """One rule of POST /limits/rules/bulk-delete."""

    pattern: str
    expected_version: _Version | None = None


class SubscriptionBody(msgspec.Struct, frozen=True):
    """POST /subscriptions: read, and refused by us."""

    source: _Uri
    sink: _Uri
    options: dict[str, str] | None = None


class KafkaPropertiesBody(msgspec.Struct, frozen=True):
    """PATCH /kafka-clusters/{name}: likewise."""

    properties: dict[str, str]


class KafkaClusterBody(msgspec.Struct, frozen=True):
    """POST /kafka-clusters: likewise."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    properties: dict[str, str]


class BatchBody(msgspec.Struct, frozen=True):
    """POST /internal/invocations_batch_operations/{cancel,kill,purge,purge-journal,pause}."""

    invocation_ids: list[str]


class MovableBatchBody(msgspec.Struct, frozen=True):
    """Likewise /resume and /restart-as-new. `deployment`: Keep, Latest or an id; None: the verb's default."""

    invocation_ids: list[str]
    deployment: str | None = None


async def read_json(request: web.Request, kind: type[_Body]) -> _Body:
    """Raises FormError: 415 no JSON by its type, 400 no JSON by its text, 422 JSON of another form."""
    return _convert(await _read_object(request), kind)


async def read_register_body(request: web.Request) -> RegisterBody:
    """A body for HTTP endpoints. Raises FormError, or AdminError for what we do not support."""
    value = await _read_object(request)
    if isinstance(value, dict) and "arn" in value and "uri" not in value:
        raise AdminError(400, "field 'arn': AWS Lambda deployments are not supported, register one by its 'uri'")
    body = _convert(value, RegisterBody)
    _check_headers(body.additional_headers or {})
    return body


async def read_update_body(request: web.Request) -> UpdateBody:
    """Likewise, for a change of one."""
    value = await _read_object(request)
    if isinstance(value, dict) and {"arn", "assume_role_arn"} & value.keys() and "uri" not in value:
        raise AdminError(400, "field 'arn': AWS Lambda deployments are not supported, give a 'uri'")
    body = _convert(value, UpdateBody)
    _check_headers(body.additional_headers or {})
    return body


def _check_headers(headers: dict[str, str]) -> None:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise FormError(422, f"field 'additional_headers': {name!r} is no valid header")


async def _read_object(request: web.Request) -> object:
    if not _JSON_MEDIA_TYPE.fullmatch(request.headers.get("Content-Type", "")):
        raise FormError(415, "this route wants a body with Content-Type: application/json")
    try:
        return msgspec.json.decode(await request.read())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormError(400, f"the body is not JSON: {error}") from error


def _convert(value: object, kind: type[_Body]) -> _Body:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise FormError(422, f"the body does not fit this route: {error}") from error
