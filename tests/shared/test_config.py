"""Settings from every source; each error names the setting, where it came from, and what is wanted."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from shared.config import SETTING_DOCS, Settings, load_settings, read_own_settings, read_settings, write_settings
from shared.errors import ConfigError, FormatError
from shared.formats import INTERFACES

PORTS = {"ingress_port": 6001, "admin_port": 6002, "sql_port": 6003}
BY_TYPE: dict[type, object] = {str: "other", int: 7, float: 7.5}
#: A value of each setting that is not its default.
OTHERS: dict[str, object] = {
    field.name: PORTS.get(field.name, BY_TYPE[field.type]) for field in msgspec.structs.fields(Settings)
}
OTHERS["log_level"] = "DEBUG"
OTHERS["retry_on_max_attempts"] = "kill"
OTHERS["sql_tls_mode"] = "require"


def toml(path: Path, text: str) -> Path:
    file = path / "everlog.toml"
    file.write_text(text)
    return file


def test_every_setting_is_documented_and_nothing_else() -> None:
    assert list(SETTING_DOCS) == [field.name for field in msgspec.structs.fields(Settings)]
    assert all(SETTING_DOCS.values())


def test_without_any_source_the_defaults_hold() -> None:
    assert load_settings(environ={}) == Settings()


@pytest.mark.parametrize("name", SETTING_DOCS)
def test_each_setting_can_come_from_each_source(name: str, tmp_path: Path) -> None:
    value = OTHERS[name]
    literal = f'"{value}"' if isinstance(value, str) else value
    sources = [
        load_settings(file=toml(tmp_path, f"{name} = {literal}"), environ={}),
        load_settings(file=toml(tmp_path, f"{name.replace('_', '-')} = {literal}"), environ={}),
        load_settings(environ={f"EVERLOG_{name.upper()}": str(value)}),
        load_settings(environ={}, flags={name: value}),
    ]
    assert [getattr(settings, name) for settings in sources] == [value] * 4
    assert all(msgspec.structs.replace(s, **{name: getattr(Settings(), name)}) == Settings() for s in sources)


def test_flags_beat_the_environment_and_that_beats_the_file(tmp_path: Path) -> None:
    file = toml(tmp_path, 'node_name = "file"\nbind = "file"\ndata_dir = "file"')
    environ = {"EVERLOG_NODE_NAME": "environ", "EVERLOG_BIND": "environ", "OTHER": "x", "EVERLOG_TEST_SEED": "1"}
    settings = load_settings(file=file, environ=environ, flags={"node_name": "flag", "bind": None})
    assert (settings.node_name, settings.bind, settings.data_dir) == ("flag", "environ", "file")


@pytest.mark.parametrize(
    ("environ", "texts"),
    [
        ({"EVERLOG_INGRESS_PORT": "http"}, ["EVERLOG_INGRESS_PORT", "'http'", "want int"]),
        ({"EVERLOG_INGRESS_PORT": ""}, ["EVERLOG_INGRESS_PORT", "want int"]),
        ({"EVERLOG_CHECKPOINT_INTERVAL_S": "soon"}, ["EVERLOG_CHECKPOINT_INTERVAL_S", "'soon'", "want float"]),
        ({"EVERLOG_INGRESS_PORT": "0"}, ["ingress_port is 0", "want 1 to 65535"]),
        ({"EVERLOG_SQL_PORT": "65536"}, ["sql_port is 65536", "want 1 to 65535"]),
        ({"EVERLOG_ADMIN_PORT": "8080"}, ["ingress_port", "admin_port", "must differ", "8080"]),
        ({"EVERLOG_PARTITIONS": "-1"}, ["partitions is -1", "want 0 (one for each worker) to 4096"]),
        ({"EVERLOG_PARTITIONS": "4097"}, ["partitions is 4097", "want 0 (one for each worker) to 4096"]),
        ({"EVERLOG_WORKERS": "-1"}, ["workers is -1", "want 0 (one for two cores) to 256"]),
        ({"EVERLOG_LOG_LEVEL": "LOUD"}, ["log_level is 'LOUD'", "want one of DEBUG"]),
        ({"EVERLOG_RECORD_BYTES_LIMIT": "0"}, ["record_bytes_limit is 0", "want more than 0"]),
        ({"EVERLOG_QUERY_TIMEOUT_S": "nan"}, ["query_timeout_s is nan", "want more than 0"]),
        ({"EVERLOG_EAGER_STATE_BYTES_LIMIT": "-1"}, ["eager_state_bytes_limit is -1", "want 0 or more"]),
        ({"EVERLOG_INACTIVITY_TIMEOUT_S": "nan"}, ["inactivity_timeout_s is nan", "want 0 or more"]),
        ({"EVERLOG_RETRY_FACTOR": "0.5"}, ["retry_factor is 0.5", "want 1 or more"]),
        ({"EVERLOG_RETRY_ON_MAX_ATTEMPTS": "stop"}, ["retry_on_max_attempts is 'stop'", "want pause or kill"]),
        ({"EVERLOG_SQL_TLS_MODE": "prefer"}, ["sql_tls_mode is 'prefer'", "want allow or require"]),
    ],
)
def test_a_bad_value_is_refused_and_the_text_says_which_and_what_is_wanted(
    environ: dict[str, str], texts: list[str]
) -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings(environ=environ)
    assert all(text in str(refused.value) for text in texts), str(refused.value)


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("ports = 1", ["unknown setting 'ports'", "`everlog config` lists all"]),
        ("[ingress]\nport = 1", ["unknown setting 'ingress'"]),
        ("ingress_port = ", ["is not TOML"]),
        ("ingress_port = 1\ningress_port = 2", ["is not TOML"]),
    ],
)
def test_a_bad_file_is_refused_by_its_name(tmp_path: Path, text: str, texts: list[str]) -> None:
    file = toml(tmp_path, text)
    with pytest.raises(ConfigError) as refused:
        load_settings(file=file, environ={})
    assert all(part in str(refused.value) for part in [str(file), *texts]), str(refused.value)


def test_a_missing_file_and_one_in_another_encoding_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*nowhere.toml: No such file"):
        load_settings(file=tmp_path / "nowhere.toml", environ={})
    (tmp_path / "latin.toml").write_bytes(b'node_name = "\xe9"')
    with pytest.raises(ConfigError, match=r"latin\.toml is not TOML"):
        load_settings(file=tmp_path / "latin.toml", environ={})


@pytest.mark.parametrize("text", ['ingress_port = "8080"', "ingress_port = 80.5", "node_name = 1", "workers = true"])
def test_a_value_of_the_wrong_type_is_refused_by_the_settings_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings(file=toml(tmp_path, text), environ={})
    assert text.split()[0] in str(refused.value)
    assert "`everlog config`" in str(refused.value)


def test_a_value_of_the_wrong_type_is_refused_by_its_source_too(tmp_path: Path) -> None:
    file = toml(tmp_path, 'ingress_port = "8080"')
    with pytest.raises(ConfigError, match=str(file)):
        load_settings(file=file, environ={})


def test_settings_that_cannot_be_written_leave_the_old_ones(tmp_path: Path) -> None:
    """On a full disk the file was cut first: no daemon could start again."""
    file = tmp_path / "settings.json"
    write_settings(Settings(partitions=7), file)
    (tmp_path / "settings.new").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        write_settings(Settings(), file)
    assert read_settings(file).partitions == 7


def test_daemons_read_what_up_wrote(tmp_path: Path) -> None:
    settings = load_settings(environ={}, flags=OTHERS)
    write_settings(settings, tmp_path / "settings.json")
    assert read_settings(tmp_path / "settings.json") == settings
    assert read_own_settings(tmp_path / "settings.json") == settings


@pytest.mark.parametrize(
    ("head", "version"), [("", 0), (f'"interfaces": {INTERFACES + 1}, "a_setting_of_then": 7, ', INTERFACES + 1)]
)
def test_a_node_of_another_build_is_looked_at_but_not_joined(tmp_path: Path, head: str, version: int) -> None:
    """Another version was installed while the node ran: `everlog down` works, a program that starts is refused."""
    path = tmp_path / "settings.json"
    path.write_text(f'{{{head}"node_name": "n"}}')
    assert read_settings(path).node_name == "n"
    with pytest.raises(
        FormatError, match=rf"{path} .* speak version {version}, .* speaks {INTERFACES}: .*everlog down"
    ):
        read_own_settings(path)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, r"cannot read .*settings.json: No such file.*`everlog up`"),
        (b"", r"settings.json is damaged.*run `everlog up` again"),
        (b'{"ingress_port": "x"}', r"is damaged.*ingress_port.*run `everlog up` again"),
        (b'{"interfaces": 1, "no_such_setting": 1}', r"is damaged.*no_such_setting.*run `everlog up` again"),
    ],
)
def test_a_missing_or_damaged_settings_file_names_the_remedy(tmp_path: Path, data: bytes | None, text: str) -> None:
    path = tmp_path / "settings.json"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ConfigError, match=text):
        read_settings(path)


def test_every_program_finds_the_same_sockets_and_workers() -> None:
    settings = Settings(data_dir="/data", workers=3, partitions=8)
    assert settings.socket("logd") == Path("/data/run/logd.sock")
    assert [settings.worker_of(partition) for partition in range(8)] == [0, 1, 2, 0, 1, 2, 0, 1]
    assert Settings(workers=0).worker_count >= 1
    assert Settings(workers=3).partition_count == 3, "one for each: calls between services stay in one log"
    assert Settings(workers=3, partitions=8).partition_count == 8
