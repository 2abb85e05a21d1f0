"""Maintenance windows: `Mon-Fri 09:00-17:00 Europe/London`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = f"(?:{'|'.join(_DAYS)})"
_PATTERN = re.compile(
    rf"(?P<days>{_DAY}(?:-{_DAY})?(?:,{_DAY}(?:-{_DAY})?)*)"
    r" +(?P<start>(?:[01][0-9]|2[0-3]):[0-5][0-9])-(?P<end>[0-2][0-9]:[0-5][0-9])"
    r" +(?P<zone>(?-i:[A-Z])[A-Za-z0-9_+/-]*)",  # localtime is no zone
    re.IGNORECASE,
)
_MIDNIGHT_AFTER = "24:00"


@dataclass(frozen=True)
class Window:
    """Days and hours, on the wall clocks of a time zone, in which replacing is allowed.

    `days` are weekdays, 0 for Monday: those on which the window starts. One whose `end` is
    not after its `start` goes on past midnight; an `end` of 24:00 is midnight.
    """

    text: str
    days: frozenset[int]
    start: time
    end: time
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read a window; raise ValueError where a day, an hour or the zone is not one."""
        match = _PATTERN.fullmatch(text.strip())
        if match is None or match["start"] == match["end"]:
            raise ValueError(text)
        return cls(
            text=" ".join(text.split()),
            days=_days(match["days"].lower()),
            start=time.fromisoformat(match["start"]),
            end=_end(match["end"]),
            zone=_zone(match["zone"]),
        )

    def is_open(self, now: datetime) -> bool:
        """Say whether `now`, a time with a zone, lies in the window; its end does not."""
        local = now.astimezone(self.zone)
        today = local.weekday() in self.days
        clock = local.time()
        if self.start < self.end:
            return today and self.start <= clock < self.end
        yesterday = (local.date() - timedelta(days=1)).weekday() in self.days
        return (today and clock >= self.start) or (yesterday and clock < self.end)


def _days(text: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        start, end = _DAYS.index(first), _DAYS.index(last or first)
        days.update((start + step) % 7 for step in range((end - start) % 7 + 1))
    return frozenset(days)


def _end(text: str) -> time:
    return time.min if text == _MIDNIGHT_AFTER else time.fromisoformat(text)


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (KeyError, OSError) as error:  # unknown, or a folder of the database
        raise ValueError(text) from error
