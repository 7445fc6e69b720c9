"""Paths and where they lead."""

from __future__ import annotations

import pytest

from partitiond.ingress import errors
from partitiond.ingress.errors import IngressError
from partitiond.ingress.names import idempotent_invocation_id, workflow_invocation_id
from partitiond.ingress.paths import (
    AwakeableRoute,
    BodyRoute,
    CallRoute,
    HealthRoute,
    ResultRoute,
    RouteTable,
    parse,
    split_target,
)
from shared.ids import awakeable_id, encode_invocation_id
from tests.partitiond.ingress.catalogs import directory

DIRECTORY = directory()
ID = bytes(range(24))
NAME = encode_invocation_id(ID)
GREET = DIRECTORY.services["Greeter"].handlers["greet"]
ADD = DIRECTORY.services["Counter"].handlers["add"]
RUN = DIRECTORY.services["Signup"].handlers["run"]
STATUS = DIRECTORY.services["Signup"].handlers["status"]

ROUTES = {
    "POST /Greeter/greet": CallRoute(GREET, None, False),
    "PUT /Greeter/greet": CallRoute(GREET, None, False),
    "GET /Greeter/greet/send": CallRoute(GREET, None, True),
    "POST /Counter/a%20b%2F+%zz/add": CallRoute(ADD, "a b/+%zz", False),
    "POST /Counter/%E2%82%AC/add": CallRoute(ADD, "€", False),
    "POST /Counter/€/add": CallRoute(ADD, "€", False),
    "POST /Counter//add": CallRoute(ADD, "", False),
    "POST /Counter/send/add/send": CallRoute(ADD, "send", True),
    "POST /restate/call/Greeter/greet": CallRoute(GREET, None, False),
    "POST /restate/send/Greeter/greet": CallRoute(GREET, None, True),
    "POST /restate/send/Counter/k/add": CallRoute(ADD, "k", True),
    "POST /restate/scope/s%20/call/Greeter/greet": CallRoute(GREET, None, False, "s "),
    "POST /restate/scope/s/send/Counter/k/add": CallRoute(ADD, "k", True, "s"),
    f"GET /restate/attach/{NAME}": ResultRoute(ID, True),
    f"GET /restate/output/{NAME}": ResultRoute(ID, False),
    f"GET /restate/invocation/{NAME}/attach": ResultRoute(ID, True),
    f"GET /restate/invocation/{NAME}/output": ResultRoute(ID, False),
    "GET /restate/invocation/Greeter/greet/i%20/attach": ResultRoute(
        idempotent_invocation_id("Greeter", None, "greet", "i%20"), True, GREET
    ),
    "GET /restate/invocation/Counter/%6B/add/i/output": ResultRoute(
        idempotent_invocation_id("Counter", "k", "add", "i"), False, ADD
    ),
    "GET /restate/invocation/Greeter/nope/i/output": ResultRoute(
        idempotent_invocation_id("Greeter", None, "nope", "i"), False
    ),
    "GET /restate/workflow/Signup/%6B/attach": ResultRoute(workflow_invocation_id("Signup", "k"), True, RUN),
    "GET /restate/workflow/Nope/k/output/more": ResultRoute(workflow_invocation_id("Nope", "k"), False),
    "POST /restate/attach": BodyRoute("attach"),
    "POST /restate/output": BodyRoute("output"),
    "POST /restate/lookup": BodyRoute("lookup"),
    f"POST /restate/awakeables/{awakeable_id(ID, 17)}/resolve": AwakeableRoute((ID, 17), True),
    f"POST /restate/a/{awakeable_id(ID, 17)}/reject/more": AwakeableRoute((ID, 17), False),
    f"POST /restate/a/prom_1{'0' * 38}/resolve": AwakeableRoute(None, True),
    "GET /restate/health": HealthRoute(),
    "GET /restate/health/more": HealthRoute(),
}

BAD_PATH = 400, "bad path: "
LEGACY = 400, f"bad path, expected {errors.EXPECTED_LEGACY}"
NEW = 400, f"bad path, expected {errors.EXPECTED_NEW}"
INVOCATION = 400, f"bad path, expected {errors.EXPECTED_INVOCATION}"
WORKFLOW = 400, f"bad path, expected {errors.EXPECTED_WORKFLOW}"
AWAKEABLE = 400, f"bad path, expected {errors.EXPECTED_AWAKEABLE}"
BAD_KEY = 400, "bad path, cannot decode key: "
BAD_ID = 400, "bad invocation id 'bad': bad format"
NO_ROUTE = 404, "not found"
NO_SERVICE = 404, "service 'Nope' not found"
NO_HANDLER = 404, "the service 'Greeter' exists, but the handler 'nope' was not found"
METHOD = 405, "method not allowed"

REFUSALS = {
    "GET /": BAD_PATH,
    "GET /a": BAD_PATH,
    "GET /restate": BAD_PATH,
    "GET /1/2/3/4/5/6/7/8": BAD_PATH,
    "POST /Nope/x": NO_SERVICE,
    "POST /Greeter/nope": NO_HANDLER,
    "POST /Greeter/nope/send": NO_HANDLER,
    "POST /restate/call/Greeter/nope": NO_HANDLER,
    "POST /Greeter/k/greet": LEGACY,
    "POST /Greeter/greet/send/more": LEGACY,
    "POST /Counter/add": LEGACY,
    "POST /Counter/k/add/nope": LEGACY,
    "POST /Counter/%ff/add": BAD_KEY,
    "GET /openapi/Greeter": NO_ROUTE,
    "GET /restate/nope": NO_ROUTE,
    "GET /restate/call": NEW,
    "GET /restate/call/Nope": NO_SERVICE,
    "GET /restate/call/Greeter": NEW,
    "GET /restate/call/Greeter/greet/send": NEW,
    "GET /restate/scope/s/call": NEW,
    "GET /restate/scope/s/nope/Greeter/greet": NEW,
    "GET /restate/scope/%ff/call/Greeter/greet": BAD_KEY,
    "POST /restate/health": METHOD,
    "GET /restate/attach": METHOD,
    "PUT /restate/lookup": METHOD,
    "POST /restate/lookup/x": NEW,
    f"GET /restate/attach/{NAME}/x": NEW,
    "POST /restate/attach/bad": BAD_ID,
    f"POST /restate/attach/{NAME}": METHOD,
    "GET /restate/invocation/bad/output": BAD_ID,
    "GET /restate/invocation/bad/nope": NO_ROUTE,
    "GET /restate/invocation/x": INVOCATION,
    f"POST /restate/invocation/{NAME}/output": METHOD,
    "GET /restate/invocation/Nope/greet/i/output": NO_SERVICE,
    "GET /restate/invocation/Greeter/greet/i": INVOCATION,
    "GET /restate/invocation/Greeter/greet/i/nope": NO_ROUTE,
    "GET /restate/invocation/Counter/k/add/i": INVOCATION,
    "GET /restate/invocation/Counter/%ff/add/i/output": BAD_KEY,
    "POST /restate/invocation/Greeter/greet/i/output": METHOD,
    "GET /restate/workflow/Signup/k": WORKFLOW,
    "GET /restate/workflow/Signup/k/nope": NO_ROUTE,
    "POST /restate/workflow/Signup/%ff/output": BAD_KEY,
    "POST /restate/workflow/Signup/k/output": METHOD,
    "POST /restate/a/x": AWAKEABLE,
    "POST /restate/a/x/nope": NO_ROUTE,
    "GET /restate/a/bad/resolve": METHOD,
    "POST /restate/awakeables/bad/resolve": (400, "bad awakeable id 'bad': bad format"),
}


@pytest.mark.parametrize("line", ROUTES)
def test_path_leads_to_its_route(line: str) -> None:
    method, path = line.split(" ", 1)
    assert parse(method, path, DIRECTORY) == ROUTES[line]


@pytest.mark.parametrize("line", REFUSALS)
def test_path_that_leads_nowhere_is_refused(line: str) -> None:
    method, path = line.split(" ", 1)
    with pytest.raises(IngressError) as caught:
        parse(method, path, DIRECTORY)
    status, message = REFUSALS[line]
    assert caught.value.status == status
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/a/b", "/a/b", ""),
        ("/a/b/", "/a/b", ""),
        ("/a/b//", "/a/b", ""),
        ("//a/b", "/a/b", ""),
        ("//", "/", ""),
        ("/a//b", "/a//b", ""),
        ("/a/b/?x=/", "/a/b", "x=/"),
        ("/a/b?x?y", "/a/b", "x?y"),
    ],
)
def test_slashes_at_the_ends_do_not_count(target: str, path: str, query: str) -> None:
    assert split_target(target) == (path, query)


def test_known_paths_are_looked_up_by_method_and_few_are_kept() -> None:
    table = RouteTable(DIRECTORY, known_max=3)
    route = table.find("POST", "/Counter/a/add")
    assert route == parse("POST", "/Counter/a/add", DIRECTORY)
    assert table.find("POST", "/Counter/a/add") is route
    for _ in range(2):
        with pytest.raises(IngressError):
            table.find("POST", "/restate/health")
    assert isinstance(table.find("GET", "/restate/health"), HealthRoute)
    with pytest.raises(IngressError):
        table.find("POST", "/restate/health")
    for key in "bcd":
        assert isinstance(table.find("POST", f"/Counter/{key}/add"), CallRoute)
    again = table.find("POST", "/Counter/a/add")
    assert again == route
    assert again is not route
    long = "/Counter/" + "k" * 300 + "/add"
    assert table.find("POST", long) is not table.find("POST", long)
