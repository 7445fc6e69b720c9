"""Where Everlog answers not as the oracle, on purpose, by the title of the case. Pure: no I/O.

ARCHITECTURE.md has a row for each reason. One holds everywhere and is in `test_admin.py`: a refusal that has no body
there has one here.
"""

from __future__ import annotations

from tests.compat.case import Difference

__all__ = ["DIFFERENCES"]


def _statuses(why: str, *, theirs: int, ours: int) -> Difference:
    return Difference(why, theirs=(f" -> {theirs} ",), ours=(f" -> {ours} ",))


DIFFERENCES: dict[str, Difference] = {
    "Kafka: POST /kafka-clusters {'name': 'c', 'properties': {}}": _statuses("there is no Kafka", theirs=400, ours=501),
    "a Kafka cluster is made": Difference(
        "there is no Kafka",
        theirs=("POST .* -> 201 ", "DELETE .* -> 202 "),
        ours=("POST .* -> 501 ", "DELETE .* -> 404 "),
    ),
    "the web UI": Difference(
        "there is no web UI", theirs=(" -> 308 .*/ui/", " -> 200 .*text/html"), ours=("GET /.* -> 404 .*<message>",)
    ),
    "health of the cluster": Difference(
        "metadata is in a log of its own, not in a cluster of its own", theirs=('"members"',), ours=('"NoneType"',)
    ),
    "changes of a deployment": Difference(
        "use_http_11 of a PATCH holds at once",
        theirs=('"http_version": "HTTP/2.0"',),
        ours=('"http_version": "HTTP/1.1"',),
    ),
    "refused: POST /deployments {'uri': 'ftp://127.0.0.1:1/'}": _statuses(
        "a scheme that cannot be served is the client's mistake", theirs=500, ours=400
    ),
    "queries": _statuses("a column that is not there is the client's mistake", theirs=500, ours=400),
    "manifest: private": Difference(
        "what nobody may call is not described", theirs=("openapi -> 200",), ours=("openapi -> 200",)
    ),
    "state of a scope that is none": _statuses("it is the client's mistake", theirs=500, ours=400),
    "a list for an object": _statuses("a list is no object", theirs=200, ours=422),
    "a duration under a millisecond": Difference(
        "durations are kept in milliseconds", theirs=('"abort_timeout": "1ns"',), ours=('"abort_timeout": "0s"',)
    ),
    "a method that nobody knows": _statuses("the parser knows the registered methods", theirs=405, ours=400),
    "wrong: PATCH /invocations//cancel": _statuses("a path with an empty part is no route", theirs=400, ours=404),
    f"hostile: PATCH /services/Nope {str(b'[' * 100_000)[:80]}": _statuses(
        "nesting without an end is no JSON", theirs=422, ours=400
    ),
    """hostile: PATCH /services/Nope b'{"public":true,"public":false}'""": _statuses(
        "of a field that is given twice the last one counts", theirs=422, ours=404
    ),
    "state of a bad scope": _statuses("a scope that is none is the caller's mistake", theirs=500, ours=400),
    "state of a key that cannot be called": _statuses("no call can have such a key", theirs=202, ours=400),
    "previews": Difference("a body has a type", theirs=(" -> 200 {} ",), ours=("application/octet-stream",)),
    "raw: no host": _statuses("RFC 9112 section 3.2 wants a host", theirs=200, ours=400),
    "raw: expects something": _statuses("RFC 9110 section 10.1.1: what is not met is refused", theirs=422, ours=417),
}
