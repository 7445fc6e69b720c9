"""Cases of deployments: registered again, forced, moved, removed. Pure: no I/O."""

from __future__ import annotations

from typing import Any

from tests.compat.admin.case import NOTHING, Ask, Case, Serve, Step, each
from tests.metad.harness import handler, manifest, service

__all__ = ["CASES"]

_S = "$tS"
_SHOW = Ask("GET", f"/services/{_S}")
_LIST = Ask("GET", "/deployments", own=True)


def _register(uri: str = "$a", *, api: str = "", name: str = "", **fields: Any) -> Ask:
    return Ask("POST", f"{api}/deployments", {"uri": uri, **fields}, name=name)


def _serve(name: str, *services: dict[str, Any], **options: Any) -> Serve:
    return Serve(name, manifest(*services), **options)


def _prefix(api: str) -> Case:
    """What differs by the version: the default of force, and the statuses of what is there already."""
    return Case(
        f"registered under {api or 'no prefix'}",
        (
            _serve("a", service(_S)),
            _register(api=api, name="a"),
            _register(api=api),
            _register(api=api, force=False),
            _register(api=api, force=True),
            _register(api=api, breaking=True),
            _register(api=api, dry_run=True),
            Ask("GET", f"{api}/services/{_S}"),
            Ask("GET", f"{api}/deployments/$a_id"),
            Ask("PUT", f"{api}/deployments/$a_id", {}),
            Ask("PATCH", f"{api}/deployments/$a_id", {}),
        ),
    )


def _life(use_http_11: bool) -> Case:
    return Case(
        f"the life of two deployments, HTTP/1.1 {use_http_11}",
        (
            _serve("one", service(_S), service("$tExtra")),
            _serve("two", service(_S)),
            _register("$one", use_http_11=use_http_11, name="one"),
            _register("$one"),
            _register("$one?x=1"),
            _register("$one/"),
            _register("$one", api="/v2", force=False),
            _register("$one", dry_run=True, force=True),
            _register("$two", dry_run=True),
            _register("$two", use_http_11=use_http_11, breaking=True, name="two"),
            _SHOW,
            _register("$one", force=True),
            _SHOW,
            _serve("one", service(_S, "VIRTUAL_OBJECT")),
            _register("$one", api="/v2"),
            _SHOW,
            Ask("GET", "/services/$tExtra"),
            _serve("three", service("$tOther"), service(_S)),
            _register("$three"),
            Ask("GET", "/services/$tOther"),
            _register("$three", breaking=True, dry_run=True),
            Ask("DELETE", "/deployments/$one_id"),
            Ask("DELETE", "/deployments/$one_id?force=false"),
            Ask("DELETE", "/v2/deployments/$one_id?force=maybe"),
            Ask("DELETE", "/deployments/$one_id?force=true"),
            Ask("GET", "/deployments/$one_id"),
            Ask("GET", "/deployments/$two_id"),
            _SHOW,
            Ask("DELETE", "/v3/deployments/$two_id?force=true"),
            _SHOW,
            Ask("GET", f"/services/{_S}/handlers"),
            Ask("GET", f"/services/{_S}/openapi"),
            Ask("PATCH", f"/services/{_S}", {"public": False}),
            _LIST,
            _register("$two", name="two"),
            _SHOW,
        ),
    )


def _patches() -> tuple[Step, ...]:
    patched: list[Step] = []

    def patch(body: Any, *, method: str = "PATCH", api: str = "") -> None:
        patched.extend((Ask(method, f"{api}/deployments/$a_id", body), _SHOW))

    patch({})
    patch({"overwrite": True, "dry_run": True, "unknown": 1})
    patch({"additional_headers": {"X-C": "d"}})
    services = (service(_S, handlers=[handler("c")]), service("$tNew"))
    patched.append(_serve("moved", *services, headers={"x-restate-server": "sdk/2"}))
    patch({"uri": "$moved", "dry_run": True})
    patch({"uri": "$moved"})
    patch({"uri": "$moved", "overwrite": True})
    patched += [Ask("GET", "/services/$tExtra"), Ask("GET", "/services/$tNew")]
    patch({"additional_headers": {}})
    patched.append(Serve("newer", manifest(service(_S), maxProtocolVersion=7)))
    patch({"uri": "$newer"})
    patch({"uri": "$newer", "overwrite": True})
    patched.append(_serve("other", service(_S, "VIRTUAL_OBJECT")))
    patch({"uri": "$other", "overwrite": True})
    patched.append(_serve("reserved", service("restateful")))
    patch({"uri": "$reserved", "overwrite": True})
    patch({"uri": "$nobody"})
    patch({"uri": "$moved"}, method="PUT", api="/v2")
    patch({"uri": "$moved"}, method="PUT", api="/v3")
    patch({"uri": "$moved"}, api="/v4")
    patch({"use_http_11": True})
    # Not {"uri": 5}, which the oracle takes for a change of a Lambda that changes nothing.
    for body in (b"{", {"uri": "/relative"}, {"overwrite": "x"}, [], NOTHING):
        patch(body)
    return tuple(patched)


_NOBODY = "http://127.0.0.1:1/"
_REFUSED: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/deployments", b'{"uri":'),
    ("POST", "/deployments", b""),
    ("POST", "/deployments", NOTHING),
    ("POST", "/deployments", {}),
    ("POST", "/deployments", []),
    ("POST", "/deployments", {"uri": 5}),
    ("POST", "/deployments", {"uri": ""}),
    ("POST", "/deployments", {"uri": "/relative"}),
    ("POST", "/deployments", {"uri": "127.0.0.1:1"}),
    ("POST", "/deployments", {"uri": "http://"}),
    ("POST", "/deployments", {"uri": "http://a b/"}),
    ("POST", "/deployments", {"uri": "http://127.0.0.1:99999/"}),
    ("POST", "/deployments", {"uri": "http://[::1/"}),
    ("POST", "/deployments", {"uri": "ftp://127.0.0.1:1/"}),
    ("POST", "/deployments", {"uri": "unix:///tmp/x"}),
    ("POST", "/deployments", {"uri": _NOBODY}),
    ("POST", "/v2/deployments", {"uri": _NOBODY, "dry_run": True}),
    ("POST", "/deployments", {"uri": _NOBODY, "use_http_11": True}),
    ("POST", "/deployments", {"uri": _NOBODY, "additional_headers": None, "unknown": 1}),
    ("POST", "/deployments", {"uri": _NOBODY, "force": "x"}),
    ("POST", "/deployments", {"uri": _NOBODY, "force": None}),
    ("POST", "/deployments", {"uri": _NOBODY, "breaking": None}),
    ("POST", "/deployments", {"uri": _NOBODY, "use_http_11": None}),
    ("POST", "/deployments", {"uri": _NOBODY, "metadata": None}),
    ("POST", "/deployments", {"uri": _NOBODY, "metadata": {"a": 1}}),
    ("POST", "/deployments", {"uri": _NOBODY, "additional_headers": {"a b": "c"}}),
    ("POST", "/deployments", {"uri": _NOBODY, "additional_headers": {"a": "b\nc"}}),
    ("POST", "/deployments", {"uri": _NOBODY, "auth": 5}),
    ("POST", "/deployments", {"arn": "foo"}),
    ("PUT", "/deployments", {}),
    ("DELETE", "/deployments", NOTHING),
    ("GET", "/deployments/foo", NOTHING),
    ("GET", "/deployments/dp_1", NOTHING),
    ("GET", "/deployments/inv_1dceKvwtEc2n6bqpHd0j9orRaNoWIcqk2l", NOTHING),
    ("GET", "/deployments/dp_1-000000000000000000000", NOTHING),
    ("GET", "/deployments/dp_10000000000000000000000", NOTHING),
    ("GET", "/deployments/dp_1zzzzzzzzzzzzzzzzzzzzzz", NOTHING),
    ("PATCH", "/deployments/dp_10000000000000000000000", {}),
    ("PATCH", "/deployments/dp_10000000000000000000000", {"uri": _NOBODY}),
    ("PATCH", "/deployments/foo", {}),
    ("POST", "/deployments/dp_10000000000000000000000", {}),
    ("DELETE", "/deployments/dp_10000000000000000000000", NOTHING),
    ("DELETE", "/deployments/dp_10000000000000000000000?force=true", NOTHING),
    ("DELETE", "/deployments/dp_10000000000000000000000?force=", NOTHING),
    ("DELETE", "/deployments/dp_10000000000000000000000?force=1", NOTHING),
    ("DELETE", "/deployments/dp_10000000000000000000000?force=True", NOTHING),
    ("DELETE", "/deployments/dp_10000000000000000000000?force=true&force=true", NOTHING),
    ("DELETE", "/deployments/dp_10000000000000000000000?FORCE=true", NOTHING),
    ("DELETE", "/deployments/foo?force=true", NOTHING),
)

CASES = (
    *(_prefix(api) for api in ("", "/v2", "/v3", "/v4")),
    _life(False),
    _life(True),
    Case(
        "changes of a deployment",
        (
            _serve("a", service(_S, handlers=[handler("a"), handler("b")]), service("$tExtra")),
            _register(additional_headers={"x-a": "b"}, metadata={"k": "v"}, name="a"),
            *_patches(),
        ),
    ),
    Case(
        "handlers may go, types may not",
        (
            _serve("a", service(_S, handlers=[handler("a"), handler("b")])),
            _register(name="a"),
            _serve("b", service(_S, handlers=[handler("c")])),
            _register("$b", name="b"),
            Ask("GET", f"/services/{_S}/handlers/a"),
            Ask("GET", f"/services/{_S}/handlers/c"),
            _serve("c", service(_S, "WORKFLOW"), service("$tFirst")),
            _register("$c"),
            Ask("GET", "/services/$tFirst"),
            _register("$c", breaking=True),
            _SHOW,
        ),
    ),
    Case(
        "a service's revisions fall back when their deployments go",
        (
            *(_serve(name, service(_S)) for name in "abc"),
            *(_register(f"${name}", name=name) for name in "abc"),
            Ask("DELETE", "/deployments/$b_id?force=true"),
            _SHOW,
            Ask("DELETE", "/deployments/$c_id?force=true"),
            _SHOW,
            _register("$c", name="c"),
            _SHOW,
            _LIST,
        ),
    ),
    *each("refused", *_REFUSED),
)
