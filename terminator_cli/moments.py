"""Times as options take them: ISO 8601, or a span before or from now."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

import click

from terminator.config import values
from terminator.text import quoted


def ago(text: str, now: datetime) -> datetime:
    """Read a time, or `2h` as that long before `now`; raise click.BadParameter."""
    accepted = "a time ago such as 90s, 30m, 1h30m, 7d or 1w, or a time such as 2026-11-18T12:00"
    return _read(text, now, -1, f"{accepted} (UTC)")


def from_now(text: str, now: datetime) -> datetime:
    """Read a time, or `2h` as that long after `now`; raise click.BadParameter."""
    accepted = "a time such as 2026-11-30T06:00:00Z, or a duration from now such as 1h30m"
    return _read(text, now, 1, accepted)


def _read(text: str, now: datetime, direction: int, accepted: str) -> datetime:
    try:
        with suppress(ValueError):
            return now + direction * values.span(text)
        return values.moment(text)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(f"{quoted(text)} is not {accepted}") from error
