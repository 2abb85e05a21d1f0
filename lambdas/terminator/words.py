"""Words for people: counts, lists of instances and spans of time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from terminator.model import Instance

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_MOST_MINUTES = 120
_MOST_NAMED = 3


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


def ids(instances: Sequence[Instance]) -> str:
    """Return the ids of a few instances, and how many more there are."""
    return few([instance.id for instance in instances])


def why(instances: Sequence[Instance]) -> str:
    """Return a few unreadable instances, each with its reason, and how many more there are."""
    return few([f"{instance.id} ({instance.reason})" for instance in instances])


def few(texts: Sequence[str], separator: str = ", ") -> str:
    """Return the first few texts, and how many more there are."""
    more = len(texts) - _MOST_NAMED
    shown = separator.join(texts[:_MOST_NAMED])
    return f"{shown} and {more} more" if more > 0 else shown
