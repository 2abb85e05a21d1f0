"""Times and spans of time in words, all UTC: pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from terminator.text import count

_MINUTE: Final = timedelta(minutes=1)
_UNITS: Final = (
    ("day", timedelta(days=1)),
    ("hour", timedelta(hours=1)),
    ("minute", _MINUTE),
    ("second", timedelta(seconds=1)),
)


def lasted(span: timedelta) -> str:
    """Return how long something took in its two greatest units: `2 days 3 hours`."""
    if span >= _MINUTE:
        span = round(span / _MINUTE) * _MINUTE
    parts: list[str] = []
    for name, unit in _UNITS:
        number, rest = divmod(span, unit)
        if number or parts:
            parts.append(count(number, name) if number else "")
            span = rest
        if len(parts) == 2:  # noqa: PLR2004 - two units say enough
            break
    return " ".join(filter(None, parts)) or "no time"


def short(span: timedelta) -> str:
    """Return a span in its greatest unit, rounded: `2 d`, `13 h`, `45 min`."""
    for letter, unit in (("d", timedelta(days=1)), ("h", timedelta(hours=1))):
        if span >= unit:
            return f"{round(span / unit)} {letter}"
    return f"{round(span / _MINUTE)} min"


def clock(at: datetime, *, dated: bool) -> str:
    """Return `12:05`, or with the date `18 Nov 12:05`."""
    return f"{at.day} {at:%b %H:%M}" if dated else f"{at:%H:%M}"


def day(at: datetime) -> str:
    """Return `Wed 18 Nov`."""
    return f"{at:%a} {at.day} {at:%b}"


def period(begin: datetime, end: datetime) -> str:
    """Return `18 November 2026, 12:00 to 14:05 UTC`, with two dates where there are two."""
    first = f"{begin.day} {begin:%B %Y}, {begin:%H:%M}"
    if end - begin < _MINUTE:
        return f"{first} UTC"
    if begin.date() == end.date():
        return f"{first} to {end:%H:%M} UTC"
    return f"{first} to {end.day} {end:%B %Y}, {end:%H:%M} UTC"


def arrow(before: Sequence[str], after: Sequence[str]) -> str:
    """Return `1.0.266 → 1.0.274`, or one side where both are the same or one is unknown."""
    sides = [", ".join(side) for side in (before, after) if side]
    return " → ".join(dict.fromkeys(sides)) or "not known"
