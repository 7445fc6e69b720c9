"""Who answers: sockets, ports and the admin API's /health. Every probe is short and leaves nothing open."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path
from typing import Any

from scripts.node.ports import local_address
from scripts.node.programs import Program
from shared.config import Settings

__all__ = ["fetch_health", "port_answers", "program_answers", "socket_peer"]

_TIMEOUT_S = 1.0


def fetch_health(settings: Settings) -> tuple[int, Any]:
    """(HTTP status, decoded body) of the admin API's /health; (0, None) when nobody answers."""
    request = b"GET /health HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
    address = (local_address(settings.bind), settings.admin_port)
    try:
        with socket.create_connection(address, timeout=_TIMEOUT_S) as connection:
            connection.sendall(request)
            chunks = []
            while chunk := connection.recv(65536):
                chunks.append(chunk)
    except OSError:
        return 0, None
    head, _, body = b"".join(chunks).partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if len(words) < 3 or not words[1].isdigit():
        return 0, None
    try:
        return int(words[1]), json.loads(body)
    except ValueError:
        return int(words[1]), None


def program_answers(program: Program, settings: Settings) -> bool:
    """Does the program accept connections everywhere it should?"""
    if program.port and not port_answers(settings.bind, program.port):
        return False
    return all(socket_peer(path) is not None for path in program.sockets(settings))


def port_answers(bind: str, port: int) -> bool:
    """Does somebody accept TCP connections there?"""
    try:
        socket.create_connection((local_address(bind), port), timeout=_TIMEOUT_S).close()
    except OSError:
        return False
    return True


def socket_peer(path: Path) -> int | None:
    """The pid of the process that listens on a Unix socket, None when nobody accepts."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT_S)
        try:
            connection.connect(str(path))
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        except OSError:
            return None
    pid: int = struct.unpack("3i", credentials)[0]
    return pid
