"""`python -m metad --data-dir D`."""

from __future__ import annotations

from metad.service import serve
from shared.daemon import run_daemon

if __name__ == "__main__":
    run_daemon("metad", serve)
