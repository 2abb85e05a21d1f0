"""How the text of a setting is read: one reader for each kind of value.

Every reader takes the text of a tag or of the configuration and raises ValueError for what it
does not accept; the caller says which setting it is, its text and what is accepted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

Scheme = Literal["http", "https"]
# What a group follows: its app's releases, what it launches from, or both.
Followed = Literal["release", "template"]

HIGHEST_PORT: Final = 65_535
_LONGEST_ALARM: Final = 255
_LONGEST_AROUND: Final = 128
# A span is written with the greatest unit first, and each at most once.
_SPAN: Final = re.compile(
    r"(?=[0-9])(?:(?P<weeks>[0-9]{1,8})w)?(?:(?P<days>[0-9]{1,8})d)?(?:(?P<hours>[0-9]{1,8})h)?"
    r"(?:(?P<minutes>[0-9]{1,8})m)?(?:(?P<seconds>[0-9]{1,8})s)?"
)
_LONGEST: Final = timedelta(days=30)
_SHORTEST_AGE, _LONGEST_AGE = timedelta(hours=1), timedelta(days=366)
# Each question to an instance carries these, so they are as long as a tag may be at most:
# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_Tag.html
_SHORT: Final = r"(?=.{1,256}\Z)"
_PATH: Final = re.compile(
    _SHORT + r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@%?-][A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?"
)
_HOST: Final = re.compile(_SHORT + r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?::[0-9]{1,5})?")
_KEY: Final = r"[A-Za-z0-9_@:-]+(?: [A-Za-z0-9_@:-]+)*"
# A path of many names may lead into a body of an instance's own making in many ways.
_FIELD: Final = re.compile(_SHORT + rf"{_KEY}(?:[.+]{_KEY}){{0,15}}")
# https://www.rfc-editor.org/rfc/rfc9110#name-tokens, but for what no server sends
_HEADER: Final = re.compile(_SHORT + r"[A-Za-z0-9][A-Za-z0-9_-]*")
_APP: Final = re.compile(_SHORT + r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*")
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY: Final = f"(?:{'|'.join(_DAYS)})"
_WINDOW: Final = re.compile(
    rf"(?P<days>{_DAY}(?:-{_DAY})?(?:,{_DAY}(?:-{_DAY})?)*)"
    r" +(?P<start>(?:[01][0-9]|2[0-3]):[0-5][0-9])-(?P<end>[0-2][0-9]:[0-5][0-9])"
    r" +(?P<zone>(?-i:[A-Z])[A-Za-z0-9_+/-]*)",  # localtime is no zone
    re.IGNORECASE,
)
_MIDNIGHT_AFTER: Final = "24:00"


@dataclass(frozen=True)
class Amount:
    """A number of instances, or a percentage of the desired capacity."""

    number: int
    percent: bool = False

    def rounded_up(self, desired: int) -> int:
        """Return how many instances of that desired capacity it is, rounded up."""
        return -(-self.number * desired // 100) if self.percent else self.number

    def rounded_down(self, desired: int) -> int:
        """Return how many instances of that desired capacity it is, rounded down."""
        return self.number * desired // 100 if self.percent else self.number

    def __str__(self) -> str:
        return f"{self.number}%" if self.percent else str(self.number)


def amount(text: str) -> Amount:
    """Read `2` or `50%`; percentages go from 0 to 100."""
    match = re.fullmatch(r"([0-9]{1,6})(%?)", text)
    if match is None or (match[2] and int(match[1]) > 100):  # noqa: PLR2004 - per cent
        raise ValueError(text)
    return Amount(int(match[1]), percent=bool(match[2]))


def positive_amount(text: str) -> Amount:
    """Read an amount other than `0` and `0%`."""
    read = amount(text)
    if read.number == 0:
        raise ValueError(text)
    return read


def duration(text: str) -> timedelta:
    """Read a span such as `90s`, `10m`, `1h30m` or `1d`, at most 30 days."""
    return _within(span(text), text, timedelta(0), _LONGEST)


def age(text: str) -> timedelta:
    """Read a span such as `12h` or `30d`, from an hour to 366 days."""
    return _within(span(text), text, _SHORTEST_AGE, _LONGEST_AGE)


def span(text: str) -> timedelta:
    """Read a time span: `90s`, `10m`, `1h30m`, `2d`, `1w`."""
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError(text)
    try:
        return timedelta(**{unit: int(number or 0) for unit, number in match.groupdict().items()})
    except OverflowError as error:
        raise ValueError(text) from error


def _within(read: timedelta, text: str, shortest: timedelta, longest: timedelta) -> timedelta:
    if not shortest <= read <= longest:
        raise ValueError(text)
    return read


def positive_duration(text: str) -> timedelta:
    """Read a duration of at least a minute."""
    read = duration(text)
    if read < timedelta(minutes=1):
        raise ValueError(text)
    return read


def scheme(text: str) -> Scheme:
    """Read `http` or `https`."""
    match text:
        case "http" | "https":
            return text
        case _:
            raise ValueError(text)


def port(text: str) -> int:
    """Read a TCP port, 1 to 65535."""
    read = int(_matching(re.compile(r"[0-9]{1,5}"), text))
    if not 1 <= read <= HIGHEST_PORT:
        raise ValueError(text)
    return read


def path(text: str) -> str:
    """Read an absolute URL path, with a query if need be.

    It starts with exactly one `/`, so that it can name neither a host nor a port, and holds
    only characters that stand in a URL as they are.
    """
    return _matching(_PATH, text)


def host(text: str) -> str:
    """Read a Host header: a name or an address, with a port if need be."""
    number = _matching(_HOST, text).partition(":")[2]
    if number:
        port(number)
    return text


def version_field(text: str) -> str:
    """Read a dotted path into a JSON object, or several to join: `build.version`, `major+minor`."""
    return _matching(_FIELD, text)


def header(text: str) -> str:
    """Read the name of a response header."""
    return _matching(_HEADER, text)


def around(text: str) -> str:
    """Read literal text that stands around a version."""
    if not text or not text.isprintable() or len(text) > _LONGEST_AROUND:
        raise ValueError(text)
    return text


def app(text: str) -> str:
    """Read the name of an app: letters, digits, `-`, `_` and single dots inside.

    It is no longer than a tag may be.
    """
    return _matching(_APP, text)


def alarm(text: str) -> str:
    """Read the name of one CloudWatch alarm, which may have spaces in it.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    """
    if not text.strip() or not text.isprintable() or len(text) > _LONGEST_ALARM:
        raise ValueError(text)
    return text.strip()


def alarms(text: str) -> tuple[str, ...]:
    """Read the names of CloudWatch alarms, separated by spaces; at least one."""
    names = tuple(dict.fromkeys(text.split()))
    if not names or not text.isprintable():
        raise ValueError(text)
    return names


def apps(text: str) -> tuple[str, ...]:
    """Read the names of apps, separated by spaces; at least one."""
    names = tuple(dict.fromkeys(map(app, text.split())))
    if not names or not text.isprintable():
        raise ValueError(text)
    return names


def follow(text: str) -> frozenset[Followed]:
    """Read `release`, `template`, or both, separated by spaces."""
    read: list[Followed] = []
    for word in text.split():
        match word:
            case "release" | "template" if word not in read:
                read.append(word)
            case _:
                raise ValueError(text)
    if not read:
        raise ValueError(text)
    return frozenset(read)


def flag(text: str) -> bool:
    """Read `true` or `false`."""
    match text:
        case "true":
            return True
        case "false":
            return False
        case _:
            raise ValueError(text)


def ill(text: str) -> bool:
    """Read what becomes of ill instances: `replace` or `ignore`."""
    match text:
        case "replace":
            return True
        case "ignore":
            return False
        case _:
            raise ValueError(text)


def surge(text: str) -> bool:
    """Read how a group of one is released without a gap: by an instance `refresh`."""
    if text != "refresh":
        raise ValueError(text)
    return True


def moment(text: str) -> datetime:
    """Read a time as ISO 8601 has it, such as `2026-11-30T06:00:00Z`; without a zone it is UTC."""
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(text) from error


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if pattern.fullmatch(text) is None:
        raise ValueError(text)
    return text


@dataclass(frozen=True)
class Window:
    """A maintenance window: days and hours, on the clocks of a time zone, to replace in.

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
        """Read `Mon-Fri 09:00-17:00 Europe/London`: days, hours and a zone that exists."""
        match = _WINDOW.fullmatch(text.strip())
        if match is None or match["start"] == match["end"]:
            raise ValueError(text)
        days: set[int] = set()
        for part in match["days"].lower().split(","):
            first, _, last = part.partition("-")
            start, end = _DAYS.index(first), _DAYS.index(last or first)
            days.update((start + step) % 7 for step in range((end - start) % 7 + 1))
        try:
            zone = ZoneInfo(match["zone"])
        except (KeyError, OSError) as error:  # unknown, or a folder of the database
            raise ValueError(text) from error
        ends_at_midnight = match["end"] == _MIDNIGHT_AFTER
        return cls(
            text=" ".join(text.split()),
            days=frozenset(days),
            start=time.fromisoformat(match["start"]),
            end=time.min if ends_at_midnight else time.fromisoformat(match["end"]),
            zone=zone,
        )

    def is_open(self, now: datetime) -> bool:
        """Return whether `now`, a time with a zone, lies in the window; its end does not."""
        local = now.astimezone(self.zone)
        today = local.weekday() in self.days
        clock = local.time()
        if self.start < self.end:
            return today and self.start <= clock < self.end
        yesterday = (local.date() - timedelta(days=1)).weekday() in self.days
        return (today and clock >= self.start) or (yesterday and clock < self.end)


def window(text: str) -> Window | None:
    """Read a maintenance window; `always` is None."""
    return None if text == "always" else Window.parse(text)
