"""logd on a disk that is as slow as the test says: `<data>/sync_s` has the seconds that each sync takes longer."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from logd.service import serve
from logd.store import RocksStore
from shared.daemon import run_daemon

_sync = RocksStore.sync
_delay_file = Path(sys.argv[sys.argv.index("--data-dir") + 1]) / "sync_s"


def _slow_sync(store: RocksStore) -> None:
    if _delay_file.exists():
        time.sleep(float(_delay_file.read_text()))
    _sync(store)


if __name__ == "__main__":
    RocksStore.sync = _slow_sync  # type: ignore[method-assign]
    run_daemon("logd", serve)
