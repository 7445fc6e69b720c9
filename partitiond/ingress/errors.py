"""Everything that the ingress refuses, and in which words. Pure: no I/O."""

from __future__ import annotations

from shared.errors import EverlogError

__all__ = [
    "EXPECTED_AWAKEABLE",
    "EXPECTED_INVOCATION",
    "EXPECTED_LEGACY",
    "EXPECTED_NEW",
    "EXPECTED_WORKFLOW",
    "IngressError",
    "bad_header",
    "bad_path",
    "bad_request",
    "bad_scope",
    "body_too_long",
    "failed",
    "handler_not_found",
    "invocation_not_found",
    "method_not_allowed",
    "not_found",
    "not_ready",
    "service_not_found",
    "stopping",
    "too_many_requests",
    "unavailable",
    "unexpected_path",
]

EXPECTED_LEGACY = "either /:service-name/:handler or /:object-name/:object-key/:handler"
EXPECTED_NEW = (
    "/restate/call/:service/:handler, /restate/send/:service/:handler, /restate/scope/:scope/call/:service/:handler, "
    "/restate/attach/:invocation_id, /restate/output/:invocation_id, or /restate/lookup"
)
EXPECTED_AWAKEABLE = "either /restate/awakeables/:id/resolve or /restate/awakeables/:id/reject"
EXPECTED_INVOCATION = (
    "either /restate/invocation/:invocation_id/output or /restate/invocation/:invocation_id/attach or "
    "/restate/invocation/:invocation_target/:idempotency_key/output or "
    "/restate/invocation/:invocation_target/:idempotency_key/attach"
)
EXPECTED_WORKFLOW = (
    "either /restate/workflow/:workflow_name/:workflow_key/output or "
    "/restate/workflow/:workflow_name/:workflow_key/attach"
)


class IngressError(EverlogError):
    """The client's request is refused with this HTTP status. Not `InvocationError`: no invocation has spoken."""

    def __init__(
        self, status: int, message: str, *, retry_after_s: int = 0, allow: str = "", invocation_id: bytes = b""
    ) -> None:
        """`retry_after_s` not 0: the same request may be sent again after so long. `allow`: methods that would do.

        `invocation_id`: whose fate is not known; the client may attach to it.
        """
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after_s = retry_after_s
        self.allow = allow
        self.invocation_id = invocation_id


def bad_path(path: str) -> IngressError:
    """Fewer than 2 or more than 7 slashes."""
    return IngressError(400, f"bad path: {path}")


def bad_scope(reason: ValueError) -> IngressError:
    return IngressError(400, f"bad scope value: {reason}")


def unexpected_path(expected: str) -> IngressError:
    """The path has the wrong number of parts for what it begins with."""
    return IngressError(400, f"bad path, expected {expected}")


def not_found() -> IngressError:
    """No such route."""
    return IngressError(404, "not found")


def service_not_found(service: str) -> IngressError:
    return IngressError(404, f"service '{service}' not found, make sure to register the service before calling it.")


def handler_not_found(service: str, handler: str) -> IngressError:
    return IngressError(
        404,
        f"the service '{service}' exists, but the handler '{handler}' was not found, "
        "check that the handler exists in the latest registered service version.",
    )


def method_not_allowed(allow: str) -> IngressError:
    return IngressError(405, "method not allowed", allow=allow)


def bad_request(status: int, reason: str) -> IngressError:
    """It is no HTTP, or more than we take: nothing has looked at what it asks for."""
    return IngressError(status, f"bad request: {reason}")


def body_too_long() -> IngressError:
    return IngressError(413, "cannot read body: it is over the limit (setting `request_bytes_limit`)")


def too_many_requests(limit: int) -> IngressError:
    """Load is shed: nothing was done."""
    return IngressError(
        429,
        f"too many requests, the ingress serves {limit} at once (setting `ingress_requests_limit`). Retry later.",
        retry_after_s=1,
    )


def stopping(invocation_id: bytes) -> IngressError:
    """The client waited longer than a drain does. What it asked for goes on, if it had begun."""
    return IngressError(
        503,
        "this ingress is stopping: the invocation goes on, attach to its id (x-restate-id) to wait for the result",
        retry_after_s=1,
        invocation_id=invocation_id,
    )


def failed() -> IngressError:
    """A fault of ours."""
    return IngressError(500, "the ingress failed to answer, its log tells why; the request may have been carried out")


def bad_header(name: str) -> IngressError:
    return IngressError(400, f"bad header {name}: only visible ASCII characters are allowed")


def invocation_not_found() -> IngressError:
    """Output of an invocation that is unknown; attaching to one is answered as its failure instead."""
    return IngressError(404, "invocation not found")


def unavailable(reason: str, *, retry_after_s: int = 1) -> IngressError:
    """Nothing was done, for a reason that may pass."""
    return IngressError(503, reason, retry_after_s=retry_after_s)


def not_ready() -> IngressError:
    """Output of an invocation that has not ended."""
    return IngressError(470, "the invocation exists but has not completed yet")
