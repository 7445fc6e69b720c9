"""How far a partition has come with the log that was there before it. Pure: no I/O."""

from __future__ import annotations

__all__ = ["Replay"]

#: Progress is told this often, seconds.
_TELL_EVERY_S = 2.0


class Replay:
    """One replay, up to the log's tail as it was when it began. Times are in seconds, of any clock that does not jump.

    A record is counted by its LSN: LSNs have few gaps.
    """

    def __init__(self, *, from_lsn: int, tail_lsn: int, now_s: float) -> None:
        """`from_lsn`: what the store had applied. Invariant: it is before `tail_lsn`."""
        assert from_lsn < tail_lsn
        self.from_lsn = from_lsn
        self.tail_lsn = tail_lsn
        self._began_s = self._told_s = now_s

    def percent(self, applied_lsn: int) -> int:
        """100 only when it is over."""
        return min(100, (applied_lsn - self.from_lsn) * 100 // (self.tail_lsn - self.from_lsn))

    def left_s(self, applied_lsn: int, now_s: float) -> float | None:
        """Seconds that the rest takes if it goes on like this; None: nobody knows yet."""
        done, seconds = applied_lsn - self.from_lsn, now_s - self._began_s
        if done <= 0 or seconds <= 0:
            return None
        return max(0, self.tail_lsn - applied_lsn) * seconds / done

    def news(self, applied_lsn: int, now_s: float) -> str | None:
        """A line for the log, now and then, and once it is over."""
        seconds = now_s - self._began_s
        rate = round((applied_lsn - self.from_lsn) / seconds) if seconds > 0 else 0
        if applied_lsn >= self.tail_lsn:
            return f"has replayed {applied_lsn - self.from_lsn} records in {seconds:.1f} s, {rate} records/s"
        if now_s - self._told_s < _TELL_EVERY_S:
            return None
        self._told_s = now_s
        left_s = self.left_s(applied_lsn, now_s)
        left = "" if left_s is None else f", {left_s:.0f} s left"
        return f"replays, {self.percent(applied_lsn)} %: lsn={applied_lsn} of {self.tail_lsn}, {rate} records/s{left}"
