"""The HTTP clients that people have, behind one function: curl and httpx, each in HTTP/1.1 and in HTTP/2."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import NamedTuple

import httpx
import pytest

__all__ = ["TOOLS", "Ask", "Told"]


class Told(NamedTuple):
    """`headers`: lower-case names. `version`: `HTTP/2`, as the client tells it."""

    status: int
    headers: dict[str, str]
    body: bytes
    version: str


#: (method, path, body, headers) -> what came.
Ask = Callable[[str, str, bytes | None, dict[str, str]], Told]


@contextlib.contextmanager
def _curl(base: str, option: str) -> Iterator[Ask]:
    program = shutil.which("curl")
    if program is None:
        pytest.skip("curl is missing")

    def ask(method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Told:
        command = [program, "-s", "-i", "-m", "20", option, "-X", method, base + path]
        if body is not None:
            command += ["--data-binary", "@-"]
        for name, value in headers.items():
            command += ["-H", f"{name}: {value}"]
        done = subprocess.run(command, input=body or b"", capture_output=True, timeout=30, check=True)
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        named = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        version, status = first.split(" ")[:2]
        return Told(int(status), named, rest, version)

    yield ask


@contextlib.contextmanager
def _httpx(base: str, *, http2: bool) -> Iterator[Ask]:
    with httpx.Client(base_url=base, http1=not http2, http2=http2, timeout=20, trust_env=False) as client:

        def ask(method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Told:
            response = client.request(method, path, content=body, headers=headers)
            named = {name.lower(): value for name, value in response.headers.items()}
            return Told(response.status_code, named, response.content, response.http_version)

        yield ask


#: Name -> (what makes it of the ingress's URL, the version of HTTP that it tells).
TOOLS: dict[str, tuple[Callable[[str], contextlib.AbstractContextManager[Ask]], str]] = {
    "curl": (lambda base: _curl(base, "--http1.1"), "HTTP/1.1"),
    "curl-h2c": (lambda base: _curl(base, "--http2-prior-knowledge"), "HTTP/2"),
    "httpx": (lambda base: _httpx(base, http2=False), "HTTP/1.1"),
    "httpx-h2c": (lambda base: _httpx(base, http2=True), "HTTP/2"),
}
