"""Times as people give them: so long ago, or a date and time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from terminator.text import quoted

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
ACCEPTED: Final = (
    "a time ago such as 90s, 30m, 2h, 7d or 1w, or a time such as 2026-11-18T12:00 (UTC)"
)


class MomentError(ValueError):
    """The text is no time; the message quotes it and says what is accepted."""


def moment(text: str, now: datetime) -> datetime:
    """Read `2h` as that long before `now`, or an ISO 8601 time; without a zone it is UTC."""
    try:
        if match := re.fullmatch(r"([0-9]{1,7})([smhdw])", text):
            return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise MomentError(f"{quoted(text)} is not {ACCEPTED}") from error
