"""The configurations that the suites run in, in the words of Everlog and of the oracle. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["CONFIGURATIONS", "Configuration"]


@dataclass(frozen=True)
class Configuration:
    """`everlog`: settings of a node. `oracle`: environment of the real server. `environ`: of the services."""

    everlog: dict[str, object] = field(default_factory=dict)
    oracle: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    #: Services are called in request-response mode over HTTP/1.1; only the Python services can be.
    unary: bool = False


_SUSPENDING = Configuration({"inactivity_timeout_s": 0}, {"RESTATE_WORKER__INVOKER__INACTIVITY_TIMEOUT": "0s"})
_LAZY = Configuration({"eager_state_bytes_limit": 0}, {"RESTATE_WORKER__INVOKER__DISABLE_EAGER_STATE": "true"})

CONFIGURATIONS: dict[str, Configuration] = {
    "default": Configuration(),
    "alwaysSuspending": _SUSPENDING,
    "singlePartition": Configuration({"partitions": 1, "workers": 1}, {"RESTATE_DEFAULT_NUM_PARTITIONS": "1"}),
    "lazyState": _LAZY,
    "lazyStateAlwaysSuspending": Configuration(
        {**_SUSPENDING.everlog, **_LAZY.everlog}, {**_SUSPENDING.oracle, **_LAZY.oracle}
    ),
    "requestResponse": Configuration(unary=True),
    #: A journal mismatch is to be told to the caller, so it must not be retried.
    "failsAtOnce": Configuration(
        {
            **_SUSPENDING.everlog,
            "retry_max_attempts": 1,
            "retry_on_max_attempts": "kill",
            "retry_initial_interval_s": 0.001,
        },
        {
            **_SUSPENDING.oracle,
            "RESTATE_DEFAULT_RETRY_POLICY__MAX_ATTEMPTS": "1",
            "RESTATE_DEFAULT_RETRY_POLICY__ON_MAX_ATTEMPTS": "kill",
            "RESTATE_DEFAULT_RETRY_POLICY__INITIAL_INTERVAL": "1ms",
        },
    ),
}
