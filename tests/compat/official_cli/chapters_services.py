"""Chapters about deployments, services and rules. Pure: no I/O."""

from __future__ import annotations

from tests.compat.official_cli.steps import Deployment, Differs, Http, Step, Until, do, look

__all__ = ["DEPLOYMENTS", "NOTHING", "REMOVAL", "RULES", "SERVICES"]

_NO_INVOCATION = "inv_1lgAm7zJ2c8B2ZQdOieDK1VMblfj6jU52h"
_NO_DEPLOYMENT = "dp_10000000000000000000000"
_VERBS = ("cancel", "kill", "purge", "pause", "resume", "restart-as-new")
_NO_ID = Differs(
    "an id that is none has no row; there the query fails",
    r"^Error: <UNKNOWN> <message>\n.*$",
    "Error: Invocation nonsense not found!",
)
_WORDS = Differs(
    "messages are worded differently",
    r"(\[META0006\]) .*$",
    r"\1 service 'Greeter' is a Service and would become a VirtualObject: register with 'breaking' to allow it",
)
_BORDERS = "--table-style borders"

NOTHING: tuple[Step, ...] = (
    look("whoami"),
    look("services list"),
    look("services status"),
    look("services status Nope"),
    look("services describe Nope"),
    look("services config view Nope"),
    look("services config patch Nope --public true --yes"),
    look("deployments list"),
    look("deployments list --extra", seldom=True),
    look(f"deployments describe {_NO_DEPLOYMENT}"),
    look("deployments describe nonsense"),
    look(f"deployments remove {_NO_DEPLOYMENT} --yes --force"),
    look("invocations list"),
    look("invocations list --all", seldom=True),
    look(f"invocations describe {_NO_INVOCATION}"),
    look("invocations describe nonsense", differs=(_NO_ID,)),
    *(look(f"invocations {verb} Nope --yes", seldom=verb != "cancel") for verb in _VERBS),
    *(look(f"invocations {verb} {_NO_INVOCATION} --yes", seldom=verb != "kill") for verb in _VERBS),
    look("rules list"),
    look("subscriptions list"),
    look("kafka-clusters list"),
)

DEPLOYMENTS: tuple[Step, ...] = (
    do("deployments register {services}/one", shuffled=True),
    do("deployments register {services}/one --yes", shuffled=True),
    Deployment("one", "/one"),
    do("deployments register {services}/one --yes"),
    do("deployments register {services}/one --force --yes", shuffled=True),
    do("deployments register {services}/two --yes --metadata git=abc --extra-header x-team=blue", shuffled=True),
    Deployment("two", "/two"),
    do("deployments register {services}/three --use-http1.1 --yes"),
    Deployment("three", "/three"),
    Http("/Old/waits/send", "old"),
    Until("old", "suspended"),
    do("deployments register {services}/four --yes"),
    Deployment("four", "/four"),
    do("deployments register {services}/breaking --yes", differs=(_WORDS,)),
    do("deployments register {services}/breaking --breaking", shuffled=True),
    do("deployments register {services}/unary"),
    do("deployments register {services}/absent --yes"),
    do("deployments register {nobody} --yes"),
    do("deployments register {nobody} --use-http1.1 --yes", seldom=True),
    do("deployments register nonsense --yes", seldom=True),
    do("deployments register {services}/one --extra-header nonsense --yes", seldom=True),
    look("deployments list", shuffled=True),
    look("deployments list --extra", shuffled=True),
    look(f"deployments list --extra {_BORDERS}", shuffled=True),
    look("deployments describe {one}", shuffled=True),
    look("deployments describe {two}", shuffled=True),
    look("deployments describe {two} --extra", shuffled=True),
    look("deployments describe {three} --extra"),
    look("deployments describe {four}", seldom=True),
)

SERVICES: tuple[Step, ...] = (
    look("services list", shuffled=True),
    look("services list --public-only", shuffled=True),
    look("services list --extra", shuffled=True),
    *(look(f"services describe {name}", shuffled=True) for name in ("Greeter", "Vault", "Old")),
    *(look(f"services describe {name}", shuffled=True, seldom=True) for name in ("Life", "Busy", "Hidden", "Tour")),
    look("services config view Greeter"),
    look("services config view Life", shuffled=True),
    look("services config view Tour"),
    *(look(f"services config view {name}", shuffled=True, seldom=True) for name in ("Busy", "Fragile", "Vault")),
    look("services status", shuffled=True),
    look("services status Greeter", seldom=True),
    do("services config patch Greeter --public false --idempotency-retention 10days --yes"),
    do("services config patch Greeter --inactivity-timeout 90s --abort-timeout PT2M --journal-retention 0s --yes"),
    do("services config patch Tour --workflow-completion-retention '3d 4h' --yes"),
    do("services config patch Greeter --workflow-completion-retention 3d --yes"),
    do("services config patch Greeter"),
    do("services config patch Greeter --public true"),
    do("services config patch Greeter --inactivity-timeout soon --yes", seldom=True),
    do("services config edit Greeter", environment={"RESTATE_EDITOR": "{editor}"}, seldom=True),
    do(
        "services config edit Greeter --yes",
        environment={"RESTATE_EDITOR": "{editor}", "EDIT": 'public = true\njournal_retention = "2 hours"'},
    ),
    do(
        "services config edit Tour --yes",
        environment={"RESTATE_EDITOR": "{editor}", "EDIT": "nonsense"},
        seldom=True,
    ),
    look("services config view Greeter"),
    look("services list --public-only", shuffled=True),
)

#: Those of a rule book, which is empty.
RULES: tuple[Step, ...] = (
    do("rules list"),
    do("rules set s --concurrency 3"),
    do("rules set s/* --concurrency 2 --description two-each"),
    do("rules set */l1 --unlimited --disabled"),
    do("rules set s/l1/l2"),
    do("rules list"),
    do("rules list --extra"),
    do("rules set s --description kept"),
    do("rules set s --unlimited"),
    do("rules disable s"),
    do("rules disable s"),
    do("rules enable s"),
    do("rules set s --disabled"),
    do("rules disable nope"),
    do("rules delete s/l1/l2"),
    do("rules delete s/l1/l2 --yes"),
    do("rules delete s/l1/l2 --yes"),
    do("rules list -x"),
    # From here on only what is seldom: what it leaves is not seen in CI.
    do("rules set s --concurrency 4294967295", seldom=True),
    do("rules enable s", seldom=True),
    do("rules enable */l1", seldom=True),
    do("rules enable nope", seldom=True),
    do("rules set s --concurrency 0", seldom=True),
    do("rules set a/b/c/d --concurrency 1", seldom=True),
    do("rules set s/ --concurrency 7", seldom=True),
    do("rules set s/l1/l2 --concurrency 1", seldom=True),
    do("rules delete s --yes", seldom=True),
    do("rules set s --concurrency 1", seldom=True),
    do("rules list -x", seldom=True),
)

REMOVAL: tuple[Step, ...] = (
    do("deployments remove {one} --yes", shuffled=True),
    do("deployments remove {three} --yes"),
    do("deployments remove {three} --force"),
    do("deployments remove {three} --force --yes"),
    look("invocations list --zombie"),
    look("invocations describe {old}"),
    look("services describe Old"),
    do("invocations kill {old} --yes"),
    do("deployments remove {two} --force --yes"),
    do("deployments remove {two} --force --yes"),
    look("services list", shuffled=True),
    look("services status Greeter", shuffled=True),
    look("deployments list --extra", shuffled=True),
)
