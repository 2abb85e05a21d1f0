"""How often a schedule runs: what alarms on what a run emits have to know.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Final

_UNITS: Final = {"minute": "minutes", "hour": "hours", "day": "days"}
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_ANY: Final = frozenset({"*", "?"})
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Pace:
    """The shortest and the longest time between two runs.

    `longest` is None where a schedule does not go by the week: by the day of the month, in some
    months, or in some years.
    """

    shortest: timedelta
    longest: timedelta | None


def of(schedule: str) -> Pace:
    """Return the pace of a schedule, as EventBridge writes it; raise ValueError for no such."""
    kind, _, rest = schedule.removesuffix(")").partition("(")
    if kind == "rate":
        number, unit = rest.split()
        every = timedelta(**{_UNITS[unit.rstrip("s")]: int(number)})
        return Pace(every, every)
    return _of_cron(rest)


def _of_cron(fields: str) -> Pace:
    minute, hour, day, month, weekday, year = fields.split()
    minutes, hours = _numbers(minute, range(60)), _numbers(hour, range(24))
    times = [timedelta(hours=h, minutes=m) for h in hours for m in minutes]
    night = _DAY - (times[-1] - times[0])
    within = _between(times)
    if day not in _ANY or month != "*" or year != "*" or set(weekday) & {"L", "#"}:
        return Pace(min([*within, night]), None)
    days = [timedelta(days=number) for number in _numbers(weekday, range(1, 8))]
    apart = [*_between(days), days[0] + 7 * _DAY - days[-1]]
    gaps = [*within, *(gap - _DAY + night for gap in apart)]
    return Pace(min(gaps), max(gaps))


def _numbers(field: str, accepted: range) -> list[int]:
    """Return the numbers that a field names; a range may go over the end."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        begin = accepted[0] if span in _ANY else _number(first, accepted)
        end = _number(last, accepted) if dash else begin
        if span in _ANY or (step and not dash):
            end = accepted[-1]
        end += len(accepted) if end < begin else 0
        counted = range(begin, end + 1, int(step or 1))
        found |= {accepted[(number - accepted[0]) % len(accepted)] for number in counted}
    return sorted(found)


def _number(text: str, accepted: range) -> int:
    number = _DAYS.index(text) + 1 if text in _DAYS and accepted[-1] == len(_DAYS) else int(text)
    if number not in accepted:
        raise ValueError(f"{text} is not from {accepted[0]} to {accepted[-1]}")
    return number


def _between(moments: Sequence[timedelta]) -> list[timedelta]:
    return [later - earlier for earlier, later in pairwise(moments)]
