"""The cheap endpoint: nginx serves one fixed answer, so that a load measures the runtime alone. Owns: its files.

`../shared/oracle/cheap-endpoint` starts it where that script is there, else a configuration of ours; either way it
answers every call with `Output "Hello"` + `End` in service protocol v5, over h2c.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import tempfile
from pathlib import Path

from scripts.benchmark.owned import CommandError, Owned, run_command
from shared.errors import EverlogError

__all__ = ["ANSWER", "MissingProgramError", "nginx_conf", "start_cheap"]


class MissingProgramError(EverlogError):
    """A program that a service needs is not on this machine: its rows are skipped. The text names the package."""


# Service protocol, "Message header": type u16, flags u16, length u32; then protobuf. Output 0x0401, End 0x0003.
_OUTPUT_VALUE = b'\x72\x09\x0a\x07"Hello"'
ANSWER = struct.pack(">HHI", 0x0401, 0, len(_OUTPUT_VALUE)) + _OUTPUT_VALUE + struct.pack(">HHI", 0x0003, 0, 0)

_JSON = "application/json"
_MANIFEST = {
    "protocolMode": "BIDI_STREAM",
    "minProtocolVersion": 5,
    "maxProtocolVersion": 5,
    "services": [
        {
            "name": "Cheap",
            "ty": "SERVICE",
            "handlers": [
                {
                    "name": "greet",
                    "input": {"required": False, "contentType": _JSON},
                    "output": {"setContentTypeIfEmpty": False, "contentType": _JSON},
                }
            ],
        }
    ],
}

# A POST for a file is error 405 to nginx, which `error_page` makes the file itself.
_CONF = """\
worker_processes 1; daemon off; pid {home}/nginx.pid; error_log {home}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; http2_max_concurrent_streams 1024;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  server {{
    listen 127.0.0.1:{port} http2; root {home}/root;
    location = /discover {{ default_type application/vnd.restate.endpointmanifest.v1+json; }}
    location /invoke/ {{ default_type application/vnd.restate.invocation.v5; error_page 405 =200 $uri; }}
  }}
}}
"""


def start_cheap(owned: Owned, *, folder: Path, script: Path, port: int) -> tuple[int, str]:
    """(pid, title). `script` is asked when it is there. Raises EverlogError."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    nginx = shutil.which("nginx", path=path)
    if nginx is None:
        raise MissingProgramError(
            "nginx is missing, which is the cheap endpoint (such as: apt-get install nginx-light)"
        )
    # Its own: a folder may have had one before, whose files are still there.
    home = Path(tempfile.mkdtemp(prefix="cheap-", dir=folder))
    # nginx's worker is another user when we are root, and must reach the files.
    folder.chmod(0o711)
    home.chmod(0o755)
    if script.is_file():
        environment = os.environ | {"CHEAP_HOME": str(home), "PATH": path}
        run_command([str(script), "up", str(port)], within_s=20.0, environment=environment)
        try:
            pid = int((home / "nginx.pid").read_text())
        except (OSError, ValueError) as error:
            log = home / "out.log"
            said = log.read_text(errors="replace")[-400:] if log.exists() else ""
            raise CommandError(f"{script} did not start nginx: {said}") from error
        owned.adopt(pid)
        return pid, f"nginx, a fixed answer ({script.name})"
    _write_files(home, port=port)
    pid = owned.spawn([nginx, "-c", str(home / "nginx.conf")], log=home / "out.log")
    return pid, "nginx, a fixed answer"


def _write_files(home: Path, *, port: int) -> None:
    (home / "root" / "invoke" / "Cheap").mkdir(parents=True)
    (home / "root" / "invoke" / "Cheap" / "greet").write_bytes(ANSWER)
    (home / "root" / "discover").write_text(json.dumps(_MANIFEST))
    (home / "nginx.conf").write_text(nginx_conf(home, port=port))


def nginx_conf(home: Path, *, port: int) -> str:
    """The configuration for files under `home`."""
    return _CONF.format(home=home, port=port)
