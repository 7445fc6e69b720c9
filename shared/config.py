"""The one settings file, read once. Owns: reading TOML, environment and the file that `everlog up` leaves for daemons.

Order of rising priority: defaults, TOML file, `EVERLOG_*` environment, flags. `everlog up` writes the
merged settings to `<data>/run/settings.json`; every daemon reads that and nothing else.
"""

from __future__ import annotations

import functools
import os
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from shared.catalog.defaults import Defaults
from shared.errors import ConfigError, FormatError
from shared.formats import INTERFACES

__all__ = ["SETTING_DOCS", "Settings", "load_settings", "read_own_settings", "read_settings", "write_settings"]

#: One line a setting; `everlog config` and the README's table print these.
SETTING_DOCS: dict[str, str] = {
    "data_dir": "where everything is kept; mode 0700",
    "node_name": "name of this node in the cluster",
    "cluster_name": "name of the cluster; services are told it in `x-restate-cluster-name`",
    "bind": "address that the public ports listen on",
    "advertised_ingress": "URL under which clients reach the ingress; empty: made of bind and port",
    "ingress_port": "HTTP port that clients call",
    "admin_port": "HTTP port of the admin API",
    "sql_port": "port of the PostgreSQL wire protocol",
    "sql_users_file": "file of who may connect to sql_port, a name:password a line; empty: everybody",
    "sql_tls_cert_file": "PEM file of the certificate and its chain for PostgreSQL clients; empty: no TLS",
    "sql_tls_key_file": "PEM file of its key; empty: in the same file",
    "sql_tls_mode": "allow or require: whether PostgreSQL clients may do without TLS",
    "partitions": "number of partitions, taken at the first start; 0: one for each worker",
    "workers": "partition worker processes; 0: one for two cores",
    "log_level": "DEBUG, INFO, WARNING or ERROR",
    "record_bytes_limit": "largest batch that the log takes, bytes",
    "request_bytes_limit": "largest request body at the ingress, bytes",
    "ingress_requests_limit": "requests at the ingress at once, waiting ones too; more are told 429; 0: no limit",
    "message_bytes_limit": "largest message of a service, bytes",
    "eager_state_bytes_limit": "state over this, and values over 64 KiB, are sent on demand, not at the start, bytes",
    "invoker_memory_bytes": "what large states and messages from and to services may hold at once on this node, bytes",
    "concurrent_invocations_limit": "attempts running at once on this node",
    "request_identity_private_key_file": "PEM file of an ed25519 key that signs requests to services; empty: unsigned",
    "service_ca_file": "PEM file of the authorities that https:// services are checked by; empty: the system's",
    "inactivity_timeout_s": "silence after which a handler that waits is suspended, seconds; 0: never waited for",
    "abort_timeout_s": "further silence after which an attempt is ended, seconds",
    "retry_initial_interval_s": "pause before the second attempt, seconds",
    "retry_factor": "by which each further pause is longer",
    "retry_max_interval_s": "longest pause between attempts, seconds",
    "retry_max_attempts": "attempts until an invocation is paused or killed; 0: without end",
    "retry_on_max_attempts": "pause or kill",
    "checkpoint_interval_s": "longest time between checkpoints of a partition, seconds",
    "checkpoint_log_bytes": "log bytes after which a partition makes a checkpoint",
    "cleanup_interval_s": "time between two runs of the cleaner, seconds",
    "disk_reserve_bytes": "bytes free on the disk under which no new work is taken, until a quarter more is; 0: never",
    "queries_at_once": "queries that run at once, each in a process; others wait for their turn",
    "query_wait_s": "a query that waits longer for its turn is refused, with 429 or SQLSTATE 53300, seconds",
    "query_memory_bytes": "memory that all queries together may use, bytes",
    "query_spill_bytes": "what all queries together may put on the disk while they sort or join, bytes",
    "query_timeout_s": "a query that runs longer is ended, seconds",
    "query_worker_idle_s": "after so long without a query its process ends and gives back 100 MB, seconds",
}

_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_ABOVE_ZERO = (
    "record_bytes_limit",
    "request_bytes_limit",
    "message_bytes_limit",
    "invoker_memory_bytes",
    "concurrent_invocations_limit",
    "abort_timeout_s",
    "checkpoint_interval_s",
    "checkpoint_log_bytes",
    "cleanup_interval_s",
    "queries_at_once",
    "query_wait_s",
    "query_memory_bytes",
    "query_spill_bytes",
    "query_timeout_s",
    "query_worker_idle_s",
)
_FROM_ZERO = (
    "disk_reserve_bytes",
    "eager_state_bytes_limit",
    "ingress_requests_limit",
    "inactivity_timeout_s",
    "retry_initial_interval_s",
    "retry_max_interval_s",
    "retry_max_attempts",
)

#: Stands in `run/settings.json` beside the settings, see `shared.formats.INTERFACES`.
_INTERFACES = "interfaces"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The merged settings of a node. `SETTING_DOCS` says what each means."""

    data_dir: str = "./everlog-data"
    node_name: str = "node-1"
    cluster_name: str = "localcluster"
    bind: str = "127.0.0.1"
    advertised_ingress: str = ""
    ingress_port: int = 8080
    admin_port: int = 9070
    sql_port: int = 9071
    sql_users_file: str = ""
    sql_tls_cert_file: str = ""
    sql_tls_key_file: str = ""
    sql_tls_mode: str = "allow"
    partitions: int = 0
    workers: int = 0
    log_level: str = "INFO"
    record_bytes_limit: int = 32 * 1024 * 1024
    request_bytes_limit: int = 32 * 1024 * 1024
    ingress_requests_limit: int = 0
    message_bytes_limit: int = 32 * 1024 * 1024
    eager_state_bytes_limit: int = 32 * 1024 * 1024
    invoker_memory_bytes: int = 256 * 1024 * 1024
    concurrent_invocations_limit: int = 1000
    request_identity_private_key_file: str = ""
    service_ca_file: str = ""
    inactivity_timeout_s: float = 60.0
    abort_timeout_s: float = 600.0
    retry_initial_interval_s: float = 0.5
    retry_factor: float = 2.0
    retry_max_interval_s: float = 60.0
    retry_max_attempts: int = 70
    retry_on_max_attempts: str = "pause"
    checkpoint_interval_s: float = 60.0
    checkpoint_log_bytes: int = 64 * 1024 * 1024
    cleanup_interval_s: float = 3600.0
    disk_reserve_bytes: int = 64 * 1024 * 1024
    queries_at_once: int = 2
    query_wait_s: float = 10.0
    query_memory_bytes: int = 512 * 1024 * 1024
    query_spill_bytes: int = 1024 * 1024 * 1024
    query_timeout_s: float = 60.0
    query_worker_idle_s: float = 300.0

    @property
    def data_path(self) -> Path:
        return Path(self.data_dir)

    @property
    def run_path(self) -> Path:
        """Sockets, pid files and the settings file of the running node."""
        return self.data_path / "run"

    @property
    def handler_defaults(self) -> Defaults:
        """What holds for handlers that say nothing of their own."""
        return Defaults(
            inactivity_timeout_ms=round(self.inactivity_timeout_s * 1000),
            abort_timeout_ms=round(self.abort_timeout_s * 1000),
            retry_initial_interval_ms=round(self.retry_initial_interval_s * 1000),
            retry_factor=self.retry_factor,
            retry_max_interval_ms=round(self.retry_max_interval_s * 1000),
            retry_max_attempts=self.retry_max_attempts,
            retry_on_max_attempts=self.retry_on_max_attempts.capitalize(),
        )

    @property
    def partition_count(self) -> int:
        """Of a node that is made now: `partitions`, or one for each worker. With more, batches would be smaller, and
        calls between services would cross from one log to another."""
        return self.partitions or self.worker_count

    @property
    def worker_count(self) -> int:
        """`workers`, or one for two cores: the others have the log, the ingress and, often, the services to run."""
        return self.workers or max(1, _cores() // 2)

    def socket(self, name: str) -> Path:
        """`logd`, `metad`, `sqld`, `ingress` or `partitiond-<worker>`."""
        return self.run_path / f"{name}.sock"

    def worker_of(self, partition_id: int) -> int:
        """Which worker of a node hosts a partition: every program of the node computes the same."""
        return partition_id % self.worker_count


@functools.cache
def _cores() -> int:
    """Cores that this process may use; asked once, for routers ask with every request."""
    return max(1, len(os.sched_getaffinity(0)))


def load_settings(
    *, file: Path | None = None, environ: Mapping[str, str] | None = None, flags: Mapping[str, Any] | None = None
) -> Settings:
    """Merge all sources and check them. Raises ConfigError that names the setting, its source and the remedy."""
    merged: dict[str, Any] = {}
    if file is not None:
        merged |= _from_toml(file)
    merged |= _from_environ(os.environ if environ is None else environ)
    merged |= {name: value for name, value in (flags or {}).items() if value is not None}
    try:
        settings = msgspec.convert(merged, Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"settings: {error}; see `everlog config` for names and types") from error
    _validate(settings)
    return settings


def _from_toml(file: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(file.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {file}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{file} is not TOML: {error}") from error
    values = {name.replace("-", "_"): value for name, value in values.items()}
    for name in values:
        if name not in SETTING_DOCS:
            raise ConfigError(f"{file}: unknown setting {name!r}; `everlog config` lists all")
    try:
        msgspec.convert(values, Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{file}: {error}; see `everlog config` for names and types") from error
    return values


def _from_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    hints = typing.get_type_hints(Settings)
    values: dict[str, Any] = {}
    for name in SETTING_DOCS:
        text = environ.get(f"EVERLOG_{name.upper()}")
        if text is None:
            continue
        kind = hints[name]
        assert not isinstance(kind, types.UnionType)
        try:
            values[name] = kind(text)
        except ValueError as error:
            raise ConfigError(f"EVERLOG_{name.upper()}={text!r}: want {kind.__name__}") from error
    return values


def _validate(settings: Settings) -> None:
    for name in ("ingress_port", "admin_port", "sql_port"):
        port = getattr(settings, name)
        if not 1 <= port <= 65535:
            raise ConfigError(f"{name} is {port}: want 1 to 65535")
    ports = [settings.ingress_port, settings.admin_port, settings.sql_port]
    if len(set(ports)) != len(ports):
        raise ConfigError(f"ingress_port, admin_port and sql_port must differ, got {ports}")
    if not 0 <= settings.partitions <= 4096:
        raise ConfigError(f"partitions is {settings.partitions}: want 0 (one for each worker) to 4096")
    if not 0 <= settings.workers <= 256:
        raise ConfigError(f"workers is {settings.workers}: want 0 (one for two cores) to 256")
    if settings.log_level not in _LOG_LEVELS:
        raise ConfigError(f"log_level is {settings.log_level!r}: want one of {', '.join(_LOG_LEVELS)}")
    for name in _ABOVE_ZERO:
        value = getattr(settings, name)
        if not value > 0:
            raise ConfigError(f"{name} is {value}: want more than 0")
    for name in _FROM_ZERO:
        value = getattr(settings, name)
        if not value >= 0:
            raise ConfigError(f"{name} is {value}: want 0 or more")
    if not settings.retry_factor >= 1:
        raise ConfigError(f"retry_factor is {settings.retry_factor}: want 1 or more")
    if settings.sql_tls_mode not in ("allow", "require"):
        raise ConfigError(f"sql_tls_mode is {settings.sql_tls_mode!r}: want allow or require")
    if settings.retry_on_max_attempts not in ("pause", "kill"):
        raise ConfigError(f"retry_on_max_attempts is {settings.retry_on_max_attempts!r}: want pause or kill")


def write_settings(settings: Settings, path: Path) -> None:
    """Leave the merged settings for the daemons: all of them, or the file stays as it was. Raises OSError."""
    values = {_INTERFACES: INTERFACES, **msgspec.to_builtins(settings)}
    new = path.with_suffix(".new")
    new.write_bytes(msgspec.json.format(msgspec.json.encode(values), indent=2))
    new.rename(path)


def read_settings(path: Path) -> Settings:
    """What `everlog up` of any build wrote, for who looks at its node. Raises ConfigError when it is unreadable."""
    values, interfaces = _read_node(path)
    if interfaces != INTERFACES:
        values = {name: value for name, value in values.items() if name in SETTING_DOCS}
    return _to_settings(values, path)


def read_own_settings(path: Path) -> Settings:
    """What `everlog up` wrote, for the programs of the node. Raises FormatError when that was another build: programs
    that speak differently must not meet, nor one write what the next cannot read."""
    values, interfaces = _read_node(path)
    if interfaces != INTERFACES:
        raise FormatError(
            f"{path} is of a node whose programs speak version {interfaces}, and this program speaks {INTERFACES}: "
            "another build was installed while the node ran; stop all of it and start it again (everlog down, then up)"
        )
    return _to_settings(values, path)


def _read_node(path: Path) -> tuple[dict[str, Any], int]:
    """The settings, and the version of the node's interfaces; 0 before there was one."""
    try:
        values = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        interfaces = msgspec.convert(values.pop(_INTERFACES, 0), int)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}; daemons are started by `everlog up`") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is damaged: {error}; run `everlog up` again") from error
    return values, interfaces


def _to_settings(values: dict[str, Any], path: Path) -> Settings:
    try:
        return msgspec.convert(values, Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path} is damaged: {error}; run `everlog up` again") from error
