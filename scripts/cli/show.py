"""Text for people. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["addresses", "duration", "size", "table"]


def table(rows: Sequence[Sequence[str]], *, indent: str = "") -> str:
    """Columns padded to their widest cell, two blanks apart; the first row is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = (
        indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `5 h 1 min`, `2 d 3 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def size(count: int) -> str:
    """`17 B`, `1.2 kB`, `340 MB`, `1.9 GB`."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 999.5:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 10 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def addresses(*, host: str, ingress_port: int, admin_port: int, sql_port: int) -> dict[str, str]:
    """What to tell people about where the node listens."""
    named = f"[{host}]" if ":" in host else host
    return {
        "ingress": f"http://{named}:{ingress_port}",
        "admin": f"http://{named}:{admin_port}",
        "sql": f"postgresql://{named}:{sql_port}/everlog",
    }
