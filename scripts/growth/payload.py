"""An endpoint of nginx whose answers are as large as the calls, so that a large call measures the runtime alone.

nginx answers a file before the request has come; its mirror module reads the whole body first. It can only do so when
the runtime ends its request, so this endpoint speaks request-response, where the cheap one is bidirectional.
Owns: its files.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import struct
from collections.abc import Iterable
from pathlib import Path

from scripts.benchmark.cheap import MissingProgramError
from scripts.benchmark.net import free_ports, wait_for
from scripts.benchmark.owned import Owned
from scripts.node.readiness import port_answers
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as T

__all__ = ["answer", "start_payload", "text"]

_JSON = "application/json"
_CONF = """\
worker_processes 1; daemon off; pid {home}/nginx.pid; error_log {home}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; http2_max_concurrent_streams 1024;
  client_max_body_size 0; client_body_buffer_size 32m; sendfile on;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  server {{
    listen 127.0.0.1:{port} http2; root {home}/root;
    location = /read {{ internal; return 204; }}
    location = /discover {{ default_type application/vnd.restate.endpointmanifest.v1+json; }}
    location /invoke/ {{
      default_type application/vnd.restate.invocation.v5; mirror /read; error_page 405 =200 $uri;
    }}
  }}
}}
"""


def text(size: int) -> bytes:
    """A JSON string of `size` bytes, quotes included, that hardly compresses; the same each time."""
    noise = hashlib.shake_128(b"growth").digest(size)
    return b'"' + base64.urlsafe_b64encode(noise)[: size - 2] + b'"'


def answer(size: int) -> bytes:
    """Output of `text(size)`, and End."""
    value = text(size)
    output = pb.OutputCommand(value=pb.Value(content=value)).SerializeToString()
    return struct.pack(">HHI", T.OUTPUT, 0, len(output)) + output + struct.pack(">HHI", T.END, 0, 0)


def _manifest(sizes: Iterable[int]) -> str:
    handlers = [
        {
            "name": f"b{size}",
            "input": {"required": False, "contentType": _JSON},
            "output": {"setContentTypeIfEmpty": False, "contentType": _JSON},
        }
        for size in sizes
    ]
    service = {"name": "Payload", "ty": "SERVICE", "handlers": handlers}
    versions = {"minProtocolVersion": 5, "maxProtocolVersion": 5}
    return json.dumps({"protocolMode": "REQUEST_RESPONSE", **versions, "services": [service]})


def start_payload(owned: Owned, folder: Path, sizes: Iterable[int]) -> str:
    """Its address. Raises EverlogError that says what is missing."""
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if nginx is None:
        raise MissingProgramError("nginx is missing, which serves the payloads (such as: apt-get install nginx-light)")
    home = folder / "payload"
    files = home / "root" / "invoke" / "Payload"
    files.mkdir(parents=True)
    # nginx's worker is another user when we are root, and must reach the files.
    folder.chmod(0o711)
    home.chmod(0o755)
    sizes = list(sizes)
    for size in sizes:
        (files / f"b{size}").write_bytes(answer(size))
    (home / "root" / "discover").write_text(_manifest(sizes))
    (port,) = free_ports(1)
    (home / "nginx.conf").write_text(_CONF.format(home=home, port=port))
    owned.spawn([nginx, "-c", str(home / "nginx.conf")], log=home / "out.log")

    wait_for(lambda: "" if port_answers("127.0.0.1", port) else "silent", within_s=10.0, what="nginx")
    return f"http://127.0.0.1:{port}"
