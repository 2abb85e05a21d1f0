"""Versions: texts, and what they are ordered by.

In the order `version` a text is read as SemVer 2.0, generalised: https://semver.org/#spec-item-11.
In the order `uploaded` any text will do, and the later upload is newer. Either way a version has
a sort key, and the keys are compared: so each order is a total preorder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import total_ordering
from typing import Final, Literal

from terminator.text import quoted

Order = Literal["version", "uploaded"]
# Numeric parts; digits behind a date; whether it is no pre-release; the identifiers of a
# pre-release, each a text and the number behind it (-1 for none); commits since all that.
Key = tuple[tuple[int, ...], tuple[int, ...], bool, tuple[tuple[str, int], ...], int]

MAX_LENGTH: Final = 128
_MOST_NUMBERS: Final = 6
# So many digits and no more may be a number by itself, without being a date or a time: what has
# more may be a commit hash without a letter in it.
_MOST_DIGITS: Final = 6
_FULL_HASHES: Final = (40, 64)
_NO_NUMBER: Final = -1
_START: Final = datetime(1970, 1, 1, tzinfo=UTC)

# 20YYMMDD or 20YY-MM-DD, also 2024-1-9: any of . - _ between, and the days of no calendar.
_DATE: Final = re.compile(
    r"(?P<year>20[0-9]{2})(?:"
    r"(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12][0-9]|3[01])(?P<glued>[0-9]*)"
    r"|[._-](?:0[1-9]|1[0-2])[._-](?:0[1-9]|[12][0-9]|3[01])(?![0-9])"
    r"|[_-](?:0?[1-9]|1[0-2])[_-](?:0?[1-9]|[12][0-9]|3[01])(?![0-9])"
    r")"
)
_NUMBERS: Final = re.compile(r"[0-9]+(?:\.[0-9]+){0,5}(?![0-9])(?!\.[0-9])")
_MORE_NUMBERS: Final = re.compile(r"(?:\.[0-9]+(?![0-9A-Za-z])){0,3}(?!\.[0-9])")
# A time of day or a counter: -1, -170512, T17-05-12Z.
_AFTER_DATE: Final = re.compile(r"(?:[T_-][0-9]+(?![0-9A-SU-Ya-z.]))*Z?(?![0-9A-Za-z])")
_EPOCH: Final = re.compile(r"[12](?:[0-9]{9}|[0-9]{12})")
_IDENTIFIERS: Final = re.compile(r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*")
# https://git-scm.com/docs/git-describe
_DESCRIBED: Final = re.compile(r"-(?P<commits>[0-9]+)-(?P<hash>g[0-9a-f]{4,64})(?P<dirty>-dirty)?")
_HASH: Final = re.compile(r"(?=[0-9]*[A-Fa-f])(?:[0-9a-f]{7,64}|[0-9A-F]{7,64})")
_HEX: Final = re.compile(r"[0-9A-Fa-f]{7,64}")
_TRAILING: Final = re.compile(r"(?P<text>.*?)(?P<number>[0-9]*)")
# What can stand in a key and in a URL, and is no sentence.
_OPAQUE: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+~!:@=,-]*")


class NotAVersionError(ValueError):
    """The text is not a version; the message quotes it, escaped and capped.

    `mend` is what the message adds: the setting that would let the text be one, or nothing.
    """

    def __init__(self, text: str, mend: str = "") -> None:
        super().__init__(f"not a version: {quoted(text)}{mend}")
        self.mend = mend


@total_ordering
@dataclass(frozen=True, eq=False)
class Version:
    """A version; compares by its key, so build metadata, hashes and spelling do not count.

    `str()` gives the text it was read from. `build` is its build metadata, and `hashes` are the
    commits in it, which say nothing of the order but tell releases apart.
    """

    text: str
    key: Key = field(repr=False)
    build: str = ""
    hashes: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read a version of the order `version`, of at most 128 characters.

        Raise NotAVersionError otherwise: it says where the order `uploaded` would do.
        """
        found = _parsed(text) if len(text) <= MAX_LENGTH else None
        if found is None:
            raise NotAVersionError(text, _mend(text))
        return found

    @classmethod
    def opaque(cls, text: str, uploaded: datetime | None = None, release: str = "") -> Version:
        """Read a version of the order `uploaded`; raise NotAVersionError where it is none.

        It has at most 128 letters, digits and any of `._+~!:@=,-`, and a digit, unless it is a
        hash: so neither an error page nor `unknown` is one. `release` is the text of the release
        that it stands for, and `uploaded` is when that was uploaded; None ranks below any.
        """
        if not is_opaque(text):
            raise NotAVersionError(text)
        when = (uploaded - _START) // timedelta(microseconds=1) if uploaded else _NO_NUMBER
        return cls(text, ((when,), (), True, ((release or text, _NO_NUMBER),), 0))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self.key == other.key

    def __lt__(self, other: Version) -> bool:
        return self.key < other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return self.text


def read(text: str, order: Order) -> Version:
    """Read a version of an order; raise NotAVersionError otherwise."""
    return Version.opaque(text) if order == "uploaded" else Version.parse(text)


def same_release(one: Version, other: Version) -> bool:
    """Say whether two versions name one release, as far as their texts tell.

    They do at equal keys, unless both carry build metadata, or both a hash, and it differs.
    """
    builds = {version.build for version in (one, other) if version.build}
    hashes = {version.hashes for version in (one, other) if version.hashes}
    return one == other and len(builds) <= 1 and len(hashes) <= 1


def stands_for(one: str, other: str) -> bool:
    """Say whether two texts name one release, as far as can be told without its order."""
    if one == other or begins_hash(one, other):
        return True
    try:
        return same_release(Version.parse(one), Version.parse(other))
    except NotAVersionError:
        return False


def is_opaque(text: str) -> bool:
    """Say whether a text can be a version of the order `uploaded`."""
    if len(text) > MAX_LENGTH or _OPAQUE.fullmatch(text) is None:
        return False
    return any(each.isdecimal() for each in text) or _HEX.fullmatch(text) is not None


def begins_hash(one: str, other: str) -> bool:
    """Say whether one of two texts is a whole commit hash, and the other begins it."""
    short, whole = sorted((one.lower(), other.lower()), key=len)
    if not whole.startswith(short) or len(whole) not in _FULL_HASHES:
        return False
    return _HEX.fullmatch(short) is not None and _HEX.fullmatch(whole) is not None


def _parsed(text: str) -> Version | None:
    """Return the version that a text is, None where it is none."""
    rest, plus, build = text.removeprefix("v").partition("+")
    if plus and _IDENTIFIERS.fullmatch(build) is None:
        return None
    hashes: list[str] = []
    commits = 0
    at = rest.rfind("-g")
    described = _DESCRIBED.fullmatch(rest, rest.rfind("-", 0, at)) if at > 0 else None
    if described:
        rest, commits = rest[: described.start()], int(described["commits"])
        hashes += [described["hash"], *(["dirty"] if described["dirty"] else [])]
    dated = _DATE.match(rest)
    after: tuple[int, ...] = ()
    if dated:
        day = dated[0] if dated["day"] is None else "-".join(dated.group("year", "month", "day"))
        more = _MORE_NUMBERS.match(rest, dated.end())
        end = more.end() if more else dated.end()
        numbers = [*_numbers(day), *_numbers(rest[dated.end() : end])]
        behind = _AFTER_DATE.match(rest, end)
        clock = behind[0] if behind else ""
        after = (*_numbers(dated["glued"] or ""), *_numbers(clock))
        rest = rest[end + len(clock) :].replace("_", "-")
    else:
        match = _NUMBERS.match(rest)
        if match is None:
            return None
        digits, rest = match[0], rest[match.end() :]
        if len(digits) > _MOST_DIGITS and digits.isdecimal() and not _EPOCH.fullmatch(digits):
            return None
        numbers = _numbers(digits)
    if rest and (rest[0] != "-" or _IDENTIFIERS.fullmatch(rest, 1) is None):
        return None
    identifiers: list[tuple[str, int]] = []
    for each in rest[1:].split(".") if rest else ():
        identifier, commit = _without_hash(each)
        hashes += commit
        if identifier is not None:
            identifiers.append(_identifier(identifier))
    missing = (0,) * (_MOST_NUMBERS - len(numbers))
    key = ((*numbers, *missing), after, not rest, tuple(identifiers), commits)
    return Version(text, key, build, tuple(hashes))


def _numbers(text: str) -> list[int]:
    return [int(each) for each in re.findall(r"[0-9]+", text)]


def _identifier(text: str) -> tuple[str, int]:
    """Return an identifier as its text and the number behind it: SemVer 11.4, and rc9 < rc10.

    One that is all digits has no text, and so ranks below all others.
    """
    match = _TRAILING.fullmatch(text)
    start, number = match.group("text", "number") if match else (text, "")
    return start, int(number) if number else _NO_NUMBER


def _without_hash(text: str) -> tuple[str | None, list[str]]:
    """Return an identifier without the hash that ends it, None where nothing is left, and that."""
    start, hyphen, last = text.rpartition("-")
    if _HASH.fullmatch(last.removeprefix("g")):
        return (start if hyphen else None), [last]
    return text, []


def _mend(text: str) -> str:
    """Return what a refusal adds: the setting that would let the text be a version."""
    if not is_opaque(text):
        return ""
    if _HEX.fullmatch(text.removeprefix("v")):
        return "; it may be a commit hash, which has no order: set releases.order to uploaded"
    return "; no order is known of such texts: releases.order uploaded takes them"
