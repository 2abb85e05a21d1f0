"""Versions: SemVer 2.0 precedence, generalised to one to five numeric parts.

Precedence is https://semver.org/#spec-item-11. What is wider than SemVer: one to five
numeric parts (`2026.11`, `1.0.266.0`), missing parts count as zero (`1.2` equals `1.2.0`),
leading zeros in numeric parts, and an optional leading `v`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, total_ordering

from terminator.text import quoted

MAX_LENGTH = 128
_MOST_NUMBERS = 5

_IDENTIFIER = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_PATTERN = re.compile(
    r"v?(?P<numbers>[0-9]+(?:\.[0-9]+){0,4})"
    rf"(?:-(?P<prerelease>{_IDENTIFIER}(?:\.{_IDENTIFIER})*))?"
    r"(?:\+(?P<build>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)


class NotAVersionError(ValueError):
    """The text is not a version; the message quotes it, escaped and capped."""

    def __init__(self, text: str) -> None:
        super().__init__(f"not a version: {quoted(text)}")


@total_ordering
@dataclass(frozen=True, eq=False)
class Version:
    """A version; compares by precedence, so build metadata and spelling do not count.

    `str()` gives the text it was read from.
    """

    text: str
    numbers: tuple[int, ...]
    prerelease: tuple[str, ...] = ()
    build: str = ""

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read a version of at most 128 characters; raise NotAVersionError otherwise."""
        match = _PATTERN.fullmatch(text) if len(text) <= MAX_LENGTH else None
        if match is None:
            raise NotAVersionError(text)
        prerelease = match["prerelease"]
        return cls(
            text=text,
            numbers=tuple(int(part) for part in match["numbers"].split(".")),
            prerelease=tuple(prerelease.split(".")) if prerelease else (),
            build=match["build"] or "",
        )

    @cached_property
    def _precedence(self) -> tuple[tuple[int, ...], bool, tuple[tuple[bool, int | str], ...]]:
        missing = _MOST_NUMBERS - len(self.numbers)
        numbers = self.numbers + (0,) * missing
        return numbers, not self.prerelease, tuple(map(_identifier, self.prerelease))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self._precedence == other._precedence

    def __lt__(self, other: Version) -> bool:
        return self._precedence < other._precedence

    def __hash__(self) -> int:
        return hash(self._precedence)

    def __str__(self) -> str:
        return self.text


def same_release(one: Version, other: Version) -> bool:
    """Say whether two versions name one release.

    They do at equal precedence, unless both carry build metadata and it differs.
    """
    builds = {version.build for version in (one, other) if version.build}
    return one == other and len(builds) <= 1


def _identifier(text: str) -> tuple[bool, int | str]:
    # SemVer 11.4: numeric identifiers compare as numbers and rank below all others.
    return (False, int(text)) if text.isdecimal() else (True, text)
