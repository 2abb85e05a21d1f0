"""Text for people: untrusted text made safe, counts, short lists and spans of time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_MOST_MINUTES = 120
_MOST_NAMED = 3
_LONGEST = 300


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


def left(span: timedelta) -> str:
    """Return a wait in words, rounded up: `27 minutes`, `16 hours`."""
    minutes = max(1, -(-span // _MINUTE))
    if minutes <= _MOST_MINUTES:
        return count(minutes, "minute")
    hours, rest = divmod(minutes, 60)
    return f"{hours} hours" + (f" {count(rest, 'minute')}" if rest else "")


def ago(span: timedelta) -> str:
    """Return an age in words, rounded down: `just now`, `3 minutes ago`, `5 hours ago`."""
    if span < _MINUTE:
        return "just now"
    minutes = span // _MINUTE
    words = count(minutes, "minute") if minutes <= _MOST_MINUTES else f"{span // _HOUR} hours"
    return f"{words} ago"


def few(texts: Sequence[str], separator: str = ", ") -> str:
    """Return the first few texts, and how many more there are."""
    more = len(texts) - _MOST_NAMED
    shown = separator.join(texts[:_MOST_NAMED])
    return f"{shown} and {more} more" if more > 0 else shown
