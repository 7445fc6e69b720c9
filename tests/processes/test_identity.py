"""Signed requests and the verifiers of the official SDKs, in the clear and over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from metad.registry.address import parse_address
from metad.registry.discovery import discover
from metad.registry.errors import DiscoveryError
from scripts.benchmark.services import installed_sdk
from shared.config import Settings
from shared.errors import EverlogError
from shared.transport.identity import Identity, load_identity
from shared.transport.outbound import Outbound
from tests.conftest import eventually, free_ports
from tests.fakes.certificates import Authority
from tests.processes.endpoint import Endpoint
from tests.processes.node import Node, running_node
from tests.processes.test_features import Client
from tests.processes.test_request_heads import make_key

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(300)]

_SERVICE = Path(__file__).with_name("typescript_identity_service.mjs")
_STRANGER = Identity(Ed25519PrivateKey.generate()).public_key


class _Signing(NamedTuple):
    """A node that signs, its public key, and the authority that it trusts."""

    node: Node
    client: Client
    public_key: str
    authority: Authority
    folder: Path


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Signing]:
    folder = tmp_path_factory.mktemp("identity")
    key_file, authority = make_key(folder / "key.pem"), Authority(folder)
    settings = {"request_identity_private_key_file": key_file, "service_ca_file": authority.file}
    with running_node(partitions=2, workers=1, **settings) as node:
        yield _Signing(node, Client(node), load_identity(key_file).public_key, authority, folder)


@pytest.fixture(scope="module")
def sdk_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node or npm is missing: the TypeScript SDK's verifier is NOT tested")
    folder = tmp_path_factory.mktemp("typescript-identity")
    try:
        sdk = installed_sdk(npm)
    except (OSError, EverlogError) as error:
        pytest.skip(f"the TypeScript SDK cannot be installed and its verifier is NOT tested: {error}")
    for name in ("node_modules", "polyfill.mjs", "package.json"):
        (folder / name).symlink_to(sdk / name)
    shutil.copy(_SERVICE, folder)
    return folder


class _Service:
    """The services of one SDK on one port, started with other keys as often as a test likes."""

    def __init__(self, signing: _Signing, *, tls: bool) -> None:
        self._signing = signing
        self._certificate = signing.authority.issue(host="127.0.0.1") if tls else None
        (self.port,) = free_ports(1)
        self.uri = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def running(self, *keys: str) -> Iterator[None]:
        """`keys`: public ones, any of which it takes."""
        raise NotImplementedError


class _Python(_Service):
    @contextlib.contextmanager
    def running(self, *keys: str) -> Iterator[None]:
        application = "tests.processes.identity_service:app"
        environ = {"IDENTITY_KEYS": ",".join(keys)}
        endpoint = Endpoint(application, self._signing.folder, certificate=self._certificate, **environ)
        endpoint.port = self.port
        try:
            endpoint.start()
            yield
        finally:
            endpoint.kill()


class _TypeScript(_Service):
    folder = Path()

    @contextlib.contextmanager
    def running(self, *keys: str) -> Iterator[None]:
        command = ["node", _SERVICE.name, str(self.port), ",".join(keys), *map(str, self._certificate or ())]
        with (
            (self.folder / "log").open("ab") as log,
            subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log) as process,
        ):
            try:
                eventually(self._listens, 20, what=f"it listens: {(self.folder / 'log').read_text()}")
                yield
            finally:
                process.kill()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture(params=["python", "python-tls", "typescript", "typescript-tls"])
def service(request: pytest.FixtureRequest, signing: _Signing) -> _Service:
    sdk, _, tls = request.param.partition("-")
    if sdk == "python":
        return _Python(signing, tls=bool(tls))
    made = _TypeScript(signing, tls=bool(tls))
    made.folder = request.getfixturevalue("sdk_folder")
    return made


def _register(signing: _Signing, service: _Service) -> tuple[int, dict[str, str]]:
    body = {"uri": service.uri, "force": True}
    status, answer, _ = signing.client.request("/deployments", body, base=signing.node.admin)
    return status, answer


def test_the_sdk_s_verifier_takes_what_we_sign(signing: _Signing, service: _Service) -> None:
    with service.running(_STRANGER, signing.public_key):
        status, answer = _register(signing, service)
        assert status in (200, 201), answer
        for name in ("Ada", "k ä/1"):
            assert signing.client.call("/Hello/greet", name) == f"Hello, {name}!"
            assert signing.client.call(f"/Who/{quote(name, safe='')}/key", "") == name


def test_another_key_is_refused_at_registration(signing: _Signing, service: _Service) -> None:
    with service.running(_STRANGER):
        status, answer = _register(signing, service)
    assert (status, answer["restate_code"]) == (500, "META0003")
    assert "status 401" in answer["message"]


def test_an_unsigned_request_is_refused(signing: _Signing, service: _Service) -> None:
    """A node without a key sends no signature scheme at all, as the oracle."""
    unsigned = Outbound(Settings(service_ca_file=str(signing.authority.file)))
    with service.running(signing.public_key), pytest.raises(DiscoveryError, match="status 401"):
        asyncio.run(
            discover(parse_address(service.uri), additional_headers={}, use_http_11=False, outbound=unsigned, now_ms=0)
        )


def test_every_attempt_is_signed(signing: _Signing, service: _Service) -> None:
    """The service comes back with another key, so that attempts fail, and then with the right one."""
    client = signing.client
    with service.running(signing.public_key):
        assert _register(signing, service)[0] in (200, 201)
    with service.running(_STRANGER):
        sent = client.call("/Hello/greet/send", "Ada")
        where = f"from sys_invocation where id = '{sent['invocationId']}'"
        failed = f"select last_failure, last_failure_error_code {where} and last_failure like '%401%'"
        (row,) = eventually(lambda: client.sql(failed), 20, what="an attempt has failed")
    assert "the service answered with HTTP status 401 Unauthorized" in row["last_failure"]
    assert row["last_failure_error_code"] == "RT0012"
    with service.running(signing.public_key):
        done = f"select completion_result {where} and status = 'completed'"
        (row,) = eventually(lambda: client.sql(done), 60, what="a later attempt has ended it")
    assert row["completion_result"] == "success"


def test_people_are_told_the_public_key(signing: _Signing) -> None:
    assert signing.node.status()["request_identity"] == signing.public_key
    assert f"identity  {signing.public_key}" in signing.node.everlog("status").stdout
    assert f"their identity key is {signing.public_key}" in signing.node.logs("metad")
