"""`python -m logd --data-dir D`."""

from __future__ import annotations

from logd.service import serve
from shared.daemon import run_daemon

if __name__ == "__main__":
    run_daemon("logd", serve)
