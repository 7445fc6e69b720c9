"""`python -m sqld --data-dir D`: the query daemon."""

from __future__ import annotations

from shared.daemon import run_daemon
from sqld.service import serve

if __name__ == "__main__":
    run_daemon("sqld", serve)
