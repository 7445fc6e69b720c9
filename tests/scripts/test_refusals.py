"""What `everlog up` refuses: it names the setting and the remedy, and damages nothing."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from shared.formats import DATA_FORMAT
from tests.scripts.conftest import NodeMaker
from tests.scripts.stub_node import StubNode

pytestmark = [pytest.mark.processes]


def _refused(node: StubNode, *words: str) -> str:
    done = node.run("up", "--detach", *words)
    assert done.returncode == 1, done.stdout
    assert done.stderr.startswith("everlog up: "), done.stderr
    assert "Traceback" not in done.stderr
    assert not node.processes()
    return done.stderr


@pytest.mark.parametrize("flag", ["--ingress-port", "--admin-port", "--sql-port"])
def test_taken_port_names_setting_holder_and_remedy(node: StubNode, flag: str) -> None:
    with socket.create_server(("127.0.0.1", node.ports[flag])):
        text = _refused(node)
    setting = flag.removeprefix("--").replace("-", "_")
    assert f"port {node.ports[flag]} ({setting}) is taken by pid {os.getpid()} (" in text
    assert f"choose another with {flag} (or EVERLOG_{setting.upper()})" in text


@pytest.mark.slow
def test_directory_in_use_names_the_node(make_node: NodeMaker) -> None:
    first, second = make_node(), make_node()
    assert first.run("up", "--detach").returncode == 0
    second.data_dir = first.data_dir
    pid = first.status()["pid"]
    done = second.run("up", "--detach")
    assert done.returncode == 1
    assert f"{first.data_dir} is in use by the node with pid {pid}: stop it (everlog down" in done.stderr
    assert first.status()["ready"]


def test_newer_format_is_refused_and_nothing_is_touched(node: StubNode) -> None:
    node.data_dir.mkdir()
    (node.data_dir / "FORMAT").write_text('{"format": 3, "created_by": "everlog 9.0.0"}')
    (node.data_dir / "logd").mkdir()
    text = _refused(node)
    assert "has format 3, this version of Everlog knows up to 2: run the version that wrote it (everlog 9.0.0)" in text
    assert sorted(path.name for path in node.data_dir.iterdir()) == ["FORMAT", "logd"]
    assert json.loads((node.data_dir / "FORMAT").read_text())["format"] == 3


@pytest.mark.slow
def test_a_start_raises_the_format_and_one_that_is_refused_does_not(node: StubNode) -> None:
    assert node.run("up", "--detach").returncode == 0
    assert node.run("down").returncode == 0
    file = node.data_dir / "FORMAT"
    old = {"format": 1, "created_by": "everlog 0.0.1"}
    file.write_text(json.dumps(old))
    assert node.run("up", "--detach", "--sql-port", str(node.ports["--admin-port"])).returncode != 0
    assert json.loads(file.read_text()) == old
    (node.data_dir / "run" / "slots").write_bytes(b"counters of another build")
    done = node.run("up", "--detach")
    assert done.returncode == 0, done.stderr
    assert f"raised from format 1 to {DATA_FORMAT}" in done.stdout
    assert json.loads(file.read_text())["format"] == DATA_FORMAT
    assert not (node.data_dir / "run" / "slots").exists()


def test_damaged_format_is_refused(node: StubNode) -> None:
    node.data_dir.mkdir()
    (node.data_dir / "FORMAT").write_text("{")
    assert "FORMAT is damaged: restore it from a copy" in _refused(node)


def test_file_is_no_data_directory(node: StubNode) -> None:
    node.data_dir.write_text("precious")
    assert "is not a directory: choose another (--data-dir)" in _refused(node)
    assert node.data_dir.read_text() == "precious"


def test_somebody_elses_folder_is_left_alone(node: StubNode) -> None:
    node.data_dir.mkdir(mode=0o755)
    (node.data_dir / "thesis.txt").write_text("precious")
    assert "is not empty (it holds 'thesis.txt')" in _refused(node)
    assert [path.name for path in node.data_dir.iterdir()] == ["thesis.txt"]
    assert node.data_dir.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("setting", ["request_identity_private_key_file", "service_ca_file"])
@pytest.mark.parametrize("content", [None, "nothing of use"])
def test_file_of_a_setting_that_cannot_be_used(node: StubNode, setting: str, content: str | None) -> None:
    """Programs that cannot read it would be started for ever."""
    file = node.data_dir.with_name("file.pem")
    if content is not None:
        file.write_text(content)
    node.environ[f"EVERLOG_{setting.upper()}"] = str(file)
    assert f"{setting} is {file}: " in _refused(node)


def test_path_too_long_for_sockets(node: StubNode) -> None:
    node.data_dir = node.data_dir / ("x" * 100)
    assert "is too long for Unix sockets by" in _refused(node)
    assert not node.data_dir.exists()


def test_path_that_supervisord_cannot_take(node: StubNode) -> None:
    node.data_dir = Path(f"{node.data_dir} ;x")
    assert "supervisord cannot take a path" in _refused(node)


@pytest.mark.slow
def test_path_with_blanks_quotes_and_percents_works(node: StubNode) -> None:
    node.data_dir = Path(f"{node.data_dir} 100% it's")
    assert node.run("up", "--detach").returncode == 0
    assert node.status()["ready"]
    assert node.run("down").returncode == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(node: StubNode) -> None:
    node.data_dir = Path("/everlog-data")
    assert "no permission on /everlog-data: run as the owner" in _refused(node)


def test_unknown_setting_in_the_file(node: StubNode, tmp_path: Path) -> None:
    file = tmp_path / "everlog.toml"
    file.write_text("ingres_port = 1\n")
    assert "unknown setting 'ingres_port'; `everlog config` lists all" in _refused(node, "--config", str(file))


def test_port_out_of_range(node: StubNode) -> None:
    assert "sql_port is 70000: want 1 to 65535" in _refused(node, "--sql-port", "70000")


@pytest.mark.parametrize(
    ("setting", "value", "text"),
    [
        ("LOG_LEVEL", "loud", "log_level is 'loud': want one of DEBUG, INFO, WARNING, ERROR"),
        ("CONCURRENT_INVOCATIONS_LIMIT", "0", "concurrent_invocations_limit is 0: want more than 0"),
        ("QUERY_TIMEOUT_S", "nan", "query_timeout_s is nan: want more than 0"),
        ("EAGER_STATE_BYTES_LIMIT", "-1", "eager_state_bytes_limit is -1: want 0 or more"),
    ],
)
def test_values_that_no_program_could_run_with(node: StubNode, setting: str, value: str, text: str) -> None:
    node.environ[f"EVERLOG_{setting}"] = value
    assert text in _refused(node)


def test_file_that_is_no_text(node: StubNode, tmp_path: Path) -> None:
    file = tmp_path / "everlog.toml"
    file.write_bytes(b"\xff\xfe")
    assert "everlog.toml is not TOML" in _refused(node, "--config", str(file))


def test_bind_that_is_no_address_here(node: StubNode) -> None:
    node.environ["EVERLOG_BIND"] = "192.0.2.1"
    assert "bind is '192.0.2.1', which is no address of this machine" in _refused(node)


def test_wrong_usage(node: StubNode) -> None:
    done = node.run("up", "--ingress-port", "x")
    assert done.returncode == 2
    assert "--ingress-port: invalid int value" in done.stderr


def test_logs_of_no_node(node: StubNode) -> None:
    done = node.run("logs")
    assert done.returncode == 1
    assert f"everlog logs: cannot read {node.data_dir}/logs: No such file or directory" in done.stderr
    assert node.run("logs", "-n", "-3").returncode == 2


def test_config_shows_where_values_come_together(node: StubNode, tmp_path: Path) -> None:
    file = tmp_path / "everlog.toml"
    file.write_text('log_level = "DEBUG"\npartitions = 7\n')
    node.environ["EVERLOG_PARTITIONS"] = "8"
    values = json.loads(node.run("config", "--config", str(file), "--json").stdout)
    assert (values["log_level"], values["partitions"], values["workers"]) == ("DEBUG", 8, 2)
    table = node.run("config").stdout
    assert "ingress_port" in table
    assert "HTTP port that clients call" in table
