"""How the text of each setting is read: one reader a kind of setting.

Every reader takes the text of a tag or of the configuration and raises ValueError for what
it does not accept; whoever calls it says so in words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST = timedelta(days=30)
_HIGHEST_PORT = 65_535
# Each question to an instance carries these, so they are as long as a tag may be at most:
# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_Tag.html
_SHORT = r"(?=.{1,256}\Z)"
_PATH = re.compile(_SHORT + r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@%?-][A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?")
_HOST = re.compile(_SHORT + r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?::[0-9]{1,5})?")
_FIELD = re.compile(_SHORT + r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_APP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*")

Scheme = Literal["http", "https"]


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
    """Read `90s`, `30m`, `2h` or `1d`, at most 30 days."""
    match = re.fullmatch(r"([0-9]{1,7})([smhd])", text)
    if match is None:
        raise ValueError(text)
    read = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if read > _LONGEST:
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
    if not 1 <= read <= _HIGHEST_PORT:
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
    """Read a dotted path into a JSON object: `version`, `build.version`."""
    return _matching(_FIELD, text)


def app(text: str) -> str:
    """Read the name of an app: letters, digits, `-`, `_` and single dots inside."""
    return _matching(_APP, text)


def alarms(text: str) -> tuple[str, ...]:
    """Read the names of CloudWatch alarms, separated by spaces; at least one."""
    names = tuple(dict.fromkeys(text.split()))
    if not names or not text.isprintable():
        raise ValueError(text)
    return names


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if pattern.fullmatch(text) is None:
        raise ValueError(text)
    return text
