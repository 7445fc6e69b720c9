"""Stored bytes, kept for ever: text files of `name hex`, one line each, a file a release.

What a file holds must decode in every later build, and what this build encodes is what the newest file holds. Who
adds a field (at the end, with a default) or a kind before the release rewrites the newest file by
`python -m tests.shared.golden`; behind the release, a new one. Older files are never touched.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["NEWEST", "RELEASES", "read_golden"]

RELEASES = ["0.1", "0.2", "0.3", "0.4"]
NEWEST = RELEASES[-1]
FOLDER = Path(__file__).parent


def read_golden(name: str) -> dict[str, bytes]:
    """`wal/golden-0.1.txt` -> bytes by name."""
    lines = (FOLDER / name).read_text().splitlines()
    pairs = [line.split() for line in lines if line and not line.startswith("#")]
    assert len({pair[0] for pair in pairs}) == len(pairs), f"a name is twice in {name}"
    return {pair[0]: bytes.fromhex(pair[1]) for pair in pairs}


def _write(name: str, title: str, items: dict[str, bytes]) -> None:
    lines = [f"# {title}", *(f"{key} {data.hex()}" for key, data in items.items())]
    (FOLDER / name).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    from shared.storage.values import STORE_FORMAT
    from shared.wal.batch import FORMAT_VERSION, encode_batch
    from tests.shared.storage.examples import KEYS, VALUES
    from tests.shared.wal.examples import BATCHES

    batches = {name: encode_batch(batch) for name, batch in BATCHES.items()}
    _write(f"wal/golden-{NEWEST}.txt", f"Batches of format version {FORMAT_VERSION}, as {NEWEST} writes them.", batches)
    rows = {name: encoded for name, (_, encoded) in VALUES.items()}
    _write(f"storage/values-{NEWEST}.txt", f"Values of store format {STORE_FORMAT}, as {NEWEST} writes them.", rows)
    _write("storage/keys.txt", "Keys of a store: there is only one way to write each.", KEYS)
