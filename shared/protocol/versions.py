"""The service protocol versions that we speak. Pure: no I/O."""

from __future__ import annotations

__all__ = ["MAX_SERVICE_PROTOCOL", "MIN_SERVICE_PROTOCOL"]

MIN_SERVICE_PROTOCOL = 5
MAX_SERVICE_PROTOCOL = 7
