"""The head of an attempt's request: what a service is told beside the messages."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.partitiond.invoker.builders import catalog, deployment, invoke
from tests.partitiond.invoker.stage import FAST, Stage, play


def test_services_are_told_the_cluster() -> None:
    async def scene(stage: Stage) -> None:
        _, stream = await stage.start()
        headers = dict(stream.head.headers)
        assert headers["x-restate-cluster-name"] == "blue"
        assert sorted(headers) == ["accept", "content-type", "x-restate-cluster-name", "x-restate-invocation-id"]

    play(scene, cluster_name="blue")


@pytest.mark.parametrize(
    ("traceparent", "sent"), [("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True), ("odd\r\n", False)]
)
def test_traceparent_is_passed_on_if_it_is_one(traceparent: str, sent: bool) -> None:
    async def scene(stage: Stage) -> None:
        call = invoke("Greeter/greet")
        call.traceparent, call.tracestate = traceparent, "a=1"
        stage.host.invoke(call)
        headers = dict((await stage.stream()).head.headers)
        trace = {name: value for name, value in headers.items() if name.startswith("trace")}
        assert trace == ({"traceparent": traceparent, "tracestate": "a=1"} if sent else {})

    play(scene)


def test_an_empty_key_is_sent_as_one() -> None:
    """As the oracle does it: the header tells keyed targets from services."""

    async def scene(stage: Stage) -> None:
        call = invoke("Counter/k/get")
        call.target = msgspec.structs.replace(call.target, key="")
        stage.host.invoke(call)
        assert dict((await stage.stream()).head.headers)["x-restate-service-key"] == ""

    play(scene)


def test_each_attempt_is_signed_for_its_path_and_key(tmp_path: Path) -> None:
    """The path of the deployment's URI is no part of what is signed: a proxy may change it."""
    key, file = Ed25519PrivateKey.generate(), tmp_path / "key.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    async def scene(stage: Stage) -> None:
        for path, claims in (
            ("Greeter/greet", {"aud": "/invoke/Greeter/greet"}),
            ("Counter/k ä/get", {"aud": "/invoke/Counter/get", "sub": "k ä"}),
        ):
            _, stream = await stage.start(path)
            assert stream.head.path.startswith("/base/invoke/")
            # The second is a retry.
            for attempt in range(2):
                headers = dict(stream.head.headers)
                assert headers["x-restate-signature-scheme"] == "v1"
                signed, _, signature = headers["x-restate-jwt-v1"].rpartition(".")
                key.public_key().verify(base64.urlsafe_b64decode(signature + "=="), signed.encode())
                told = json.loads(base64.urlsafe_b64decode(signed.partition(".")[2] + "=="))
                assert {name: told[name] for name in ("aud", "sub") if name in told} == claims
                if not attempt:
                    stream.fail()
                    stream = await stage.stream()

    play(
        scene,
        known=catalog(deployment("http://h:1/base"), retry=FAST),
        request_identity_private_key_file=str(file),
    )
