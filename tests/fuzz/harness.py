"""Requests drawn from an OpenAPI document, by schemathesis: no 500, no hang, and no answer but those it describes.

For each operation of the document, requests that fit it and requests that do not. Of every answer it is checked that
its status, its content type and the shape of its body are in the document, and that it came in time. Names that the
server knows (`names`) are put in half of the places that want one, so that more than "not found" is found.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.core.errors import SchemathesisError
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

__all__ = ["Case", "Response", "examples", "fuzz"]

Case = schemathesis.Case
Response = schemathesis.Response

#: After it, a request counts as one that hangs.
_REQUEST_S = 20.0
_SLOW_S = 10.0
_CHECKS: list[Any] = [status_code_conformance, content_type_conformance, response_schema_conformance]
_MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
#: requests refuses to send them; the raw cases of the differential suites do.
_NOT_SENT = (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader, UnicodeError)


def examples(default: int) -> int:
    """Of each operation and mode; EVERLOG_TEST_FUZZ sets another number for a long run."""
    return int(os.environ.get("EVERLOG_TEST_FUZZ", default))


def fuzz(
    document: Mapping[str, Any],
    base_url: str,
    *,
    examples: int,
    names: Mapping[str, Sequence[str]] | None = None,
    edit: Callable[[Case], None] = lambda case: None,
    allowed: Callable[[Response], bool] = lambda response: False,
    last: Sequence[str] = (),
) -> int:
    """Ask for everything. -> how many requests were sent. AssertionError with all problems, and the seed.

    `names`: path and query parameter -> what the server knows. `edit`: changes a request before it is sent.
    `allowed`: is this 5xx an honest answer? `last`: ids of operations that take away what others ask for.
    """
    number = int(os.environ.get("EVERLOG_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    problems: list[str] = []
    sent = 0
    with requests.Session() as session:
        for operation in _operations(document, last):
            for mode in _modes(operation):
                run = _Run(base_url, session, names or {}, edit, allowed)
                problem = run.play(operation, mode, examples, number)
                sent += run.sent
                if problem:
                    problems.append(f"{operation.label} ({mode}): {problem}")
    assert not problems, f"EVERLOG_TEST_SEED={number} EVERLOG_TEST_FUZZ={examples}\n" + "\n\n".join(problems)
    return sent


def _operations(document: Mapping[str, Any], last: Sequence[str]) -> list[Any]:
    schema = schemathesis.openapi.from_dict(dict(document))
    found = [each.ok() for each in schema.get_all_operations()]
    return sorted(found, key=lambda each: each.definition.raw.get("operationId") in last)


def _modes(operation: Any) -> Sequence[Any]:
    """Any text fits a parameter that is a text: hypothesis would search for long for one that does not."""
    raw = operation.definition.raw
    parameters = [each.get("schema") for each in raw.get("parameters", [])]
    if "requestBody" in raw or any(schema != {"type": "string"} for schema in parameters):
        return _MODES
    return _MODES[:1]


class _Run:
    """One operation in one mode."""

    def __init__(
        self,
        base_url: str,
        session: requests.Session,
        names: Mapping[str, Sequence[str]],
        edit: Callable[[Case], None],
        allowed: Callable[[Response], bool],
    ) -> None:
        self._base_url, self._session, self._names = base_url, session, names
        self._edit, self._allowed = edit, allowed
        self.sent = 0

    def play(self, operation: Any, mode: Any, examples: int, number: int) -> str:
        """What is wrong; or nothing."""

        @seed(number)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
            # What a server answers depends on what it was told before: a smaller request may not show it again.
            phases=(Phase.generate,),
            report_multiple_bugs=False,
        )
        @given(case=operation.as_strategy(generation_mode=mode), data=st.data())
        def one(case: Case, data: st.DataObject) -> None:
            self._put_names(case, data)
            self._edit(case)
            self._send(case)

        try:
            one()
        except (Unsatisfiable, SchemathesisError):
            # Nothing can be wrong with a request that has nothing in it.
            return ""
        except FailureGroup as error:
            return "\n".join([str(error), *(str(each) for each in error.exceptions)])
        except (AssertionError, requests.RequestException) as error:
            return "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])
        return ""

    def _put_names(self, case: Case, data: st.DataObject) -> None:
        for where in (case.path_parameters, case.query):
            for name in list(where or {}):
                known = self._names.get(name)
                if known and data.draw(st.booleans(), label=f"a known {name}"):
                    where[name] = data.draw(st.sampled_from(list(known)), label=name)

    def _send(self, case: Case) -> None:
        began = time.monotonic()
        try:
            response = case.call(
                base_url=self._base_url, session=self._session, timeout=_REQUEST_S, allow_redirects=False
            )
        except _NOT_SENT:
            return
        self.sent += 1
        took = time.monotonic() - began
        assert took < _SLOW_S, f"took {took:.1f} s: {case.as_curl_command()}"
        if response.status_code >= 500:
            told = f"{response.status_code} {response.content[:500]!r} to {case.as_curl_command()}"
            assert self._allowed(response), told
        case.validate_response(response, checks=_CHECKS)
