"""Text for people: untrusted text made safe, counts, short lists and spans of time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import Final

_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_DAYS: Final = timedelta(days=2)
_MOST_NAMED: Final = 3
_LONGEST: Final = 300
# The seconds of each unit, and from how many on a span is told in it: `90 minutes`, `40 hours`.
_UNITS: Final = (("day", 86_400, 172_800), ("hour", 3_600, 7_260), ("minute", 60, 60))
_PART: Final = r"\d+ (?:more )?(?:day|hour|minute|second)s?\b"
_SPAN: Final = re.compile(rf"\bjust now\b|\b{_PART}(?: {_PART})?(?: ago\b)?")


def quoted(text: str, limit: int = 60) -> str:
    """Return untrusted text in double quotes, safe for a log line or a terminal.

    Everything but printable ASCII is escaped as JSON does it, so no control character,
    newline or bidirectional mark gets through; text over `limit` characters ends in `…`.
    """
    escaped = json.dumps(text[:limit])
    return escaped if len(text) <= limit else f'{escaped[:-1]}…"'


def plain(text: str) -> str:
    """Return the text capped and with everything but printable ASCII escaped, unquoted."""
    return quoted(text, _LONGEST)[1:-1].replace('\\"', '"')


def count(number: int, noun: str) -> str:
    """Return `1 instance`, `2 instances`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def meant(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean web?`, the nearest of the names that are known, if one is near."""
    nearest = get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {plain(nearest[0])}?" if nearest else ""


def span(time: timedelta) -> str:
    """Return a span of time in words, in its two greatest units: `40 seconds`, `3 days 2 hours`.

    Up to 120 minutes and 48 hours are told as such.
    """
    seconds = max(0, time // timedelta(seconds=1))
    parts: list[str] = []
    for noun, size, least in _UNITS:
        if parts or seconds >= least:
            number, seconds = divmod(seconds, size)
            parts.append(count(number, noun) if number else "")
    if len(parts) < 2:  # noqa: PLR2004 - the two greatest
        parts.append(count(seconds, "second") if seconds or not parts else "")
    return " ".join(filter(None, parts[:2]))


def lasting(time: timedelta) -> str:
    """Return for how long something lasts, in whole minutes from one on: `40 seconds`."""
    return span(time if time < _MINUTE else time // _MINUTE * _MINUTE)


def left(time: timedelta) -> str:
    """Return a wait in words, rounded up to a minute, or of days to an hour: `27 minutes`."""
    step = _HOUR if time > _DAYS else _MINUTE
    return span(max(1, -(-time // step)) * step)


def ago(time: timedelta) -> str:
    """Return an age in words, rounded down: `just now`, `3 minutes ago`, `5 hours ago`."""
    return "just now" if time < _MINUTE else f"{lasting(time)} ago"


def timeless(text: str) -> str:
    """Return text without the spans of time in it.

    Of two texts that differ in nothing but how much time has passed it is the same.
    """
    return _SPAN.sub("\N{HORIZONTAL ELLIPSIS}", text)


def few(texts: Sequence[str], separator: str = ", ") -> str:
    """Return the first few texts, and how many more there are."""
    more = len(texts) - _MOST_NAMED
    shown = separator.join(texts[:_MOST_NAMED])
    return f"{shown} and {more} more" if more > 0 else shown
