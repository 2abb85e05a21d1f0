"""What a releases bucket says an app should run and since when: its history, played again.

Written from docs/design.md alone. Each moment at which an object of the app changed is played
again from the first on, and what the app should have run then is asked anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from tests.fakes.objects import UNVERSIONED, Stored

MINUTE = timedelta(minutes=1)
# Every version that the search uses, and its rank: SemVer's precedence, done by hand.
RANKS = {
    "0.9.0": 0,
    "1.0.0": 1,
    "1.1.0-rc.1": 2,
    "1.1": 3,
    "1.1.0": 3,
    "1.1.0+a": 3,
    "1.1.0+b": 3,
    "1.9.0": 4,
    "1.10.0": 5,
    "2.0.0-beta.2": 6,
    "2.0.0-beta.11": 7,
    "2.0.0": 8,
    "v2.1": 9,
    "10": 10,
    "2026.11": 11,
    "2027.1": 12,
}
_ZIP = re.compile(r"(?P<app>[^/]+)/(?P<version>.+)\.zip")
_ALWAYS = datetime.min.replace(tzinfo=UTC)


def same(one: str, other: str) -> bool:
    """Say whether two versions name one release: build metadata counts where both have it."""
    builds = {text.partition("+")[2] for text in (one, other)} - {""}
    return one in RANKS and other in RANKS and RANKS[one] == RANKS[other] and len(builds) < 2


@dataclass(frozen=True)
class Target:
    """The release to run, and when the bucket made it that.

    `since` is None where nothing dates it. Within `doubt` of a date nobody knows what came
    first. `played` are the keys of what was to run, from each moment on (None: nothing), known
    from `known_from` on; the zip came `first` into the bucket, None where nobody knows, and was
    last `uploaded`. `others` are texts that name other zips, although their versions are equal.
    While anything is `unclear`, from and until when, nobody knows what was to run.
    """

    version: str
    key: str
    since: datetime | None
    doubt: timedelta
    uploaded: datetime
    played: tuple[tuple[datetime, str | None], ...] = ()
    known_from: datetime = _ALWAYS
    first: datetime | None = None
    others: frozenset[str] = frozenset()
    unclear: tuple[tuple[datetime, datetime], ...] = ()

    def is_run_by(self, version: str) -> bool:
        """Say whether what answers a version runs this: its own text, or one of no other zip."""
        text = version not in self.others and same(version, self.version)
        return version == self.version or text

    def cannot_run_on(self, *starts: datetime) -> bool:
        """Say whether what was started then was to run something else each time."""
        return self.since is not None and all(map(self._was_another, starts))

    def _was_another(self, started: datetime) -> bool:
        if self.first is not None and started + self.doubt < self.first:
            return True
        if started - self.doubt < self.known_from:
            return False
        if any(begin <= started + self.doubt < end for begin, end in self.unclear):
            return False
        # What runs is fetched after the start, so of two within the doubt the later counts.
        to_run = [key for at, key in self.played if at <= started + self.doubt]
        return bool(to_run) and to_run[-1] not in {None, self.key}


def find(app: str, stored: Sequence[Stored], kept_from: datetime | None = None) -> Target | None:
    """Return what an app should run now, None where that is nothing.

    Old versions of objects are there from `kept_from` on; None: all.
    """
    mine = [each for each in stored if each.key.startswith(f"{app}/")]
    there = {each.key: each for each in mine}
    now = _to_run(app, there)
    if now is None:
        return None
    version, doubt = _version(app, now.key) or "", MINUTE
    others = _other_texts(app, there, now.key)
    if now.parts:
        doubt = min(MINUTE + timedelta(seconds=_size(now) / 2**20), 60 * MINUTE)
    dating = [each for each in mine if each.key in {now.key, f"{app}/current"}]
    if any(each.version_id == UNVERSIONED for each in dating):
        return Target(version, now.key, None, doubt, now.when, others=others)
    played = _played(app, mine, there)
    since = played[-1][0]
    for at, what in reversed(played):
        if what is None or _content(what) != _content(now):
            break
        since = at
    kept = kept_from or _ALWAYS
    uploads = [each for each in mine if each.key == now.key]
    if since <= kept:
        # Nobody knows what was to run before that: the earliest date accuses nobody.
        since = _first_of_its_content(uploads)
    first = min(each.when for each in uploads)
    return Target(
        version,
        now.key,
        since,
        doubt,
        now.when,
        tuple((at, what.key if what else None) for at, what in played),
        kept,
        first if first > kept else None,
        others,
        tuple(_unclear(mine)),
    )


def _unclear(stored: Sequence[Stored]) -> Iterator[tuple[datetime, datetime]]:
    """Yield from and until when it is unknown whether an object was there.

    It was stored and deleted within the same second, and changed again later.
    """
    for key in {each.key for each in stored}:
        of = [each for each in stored if each.key == key]
        for one, other in pairwise(of):
            if one.when == other.when and (one.data is None) != (other.data is None):
                later = [each.when for each in of if each.when > one.when]
                if later:
                    yield one.when, min(later)


def _other_texts(app: str, last: Mapping[str, Stored], key: str) -> frozenset[str]:
    """Return the texts of other zips: of those deleted if more than spelling tells them apart."""
    build = (_version(app, key) or "").partition("+")[2]
    texts = {_version(app, other): each for other, each in last.items() if other != key}
    return frozenset(
        text
        for text, each in texts.items()
        if text and (each.data is not None or text.partition("+")[2] != build)
    )


def _first_of_its_content(uploads: Sequence[Stored]) -> datetime:
    """Return since when what was uploaded last is there, without a break."""
    since = uploads[-1].when
    for each in reversed(uploads):
        if each.data is None or _content(each) != _content(uploads[-1]):
            break
        since = each.when
    return since


def _size(stored: Stored) -> int:
    return len(stored.data or b"")


def _content(stored: Stored) -> tuple[str, int, str]:
    """Return what is the same for uploads of the same zip, in parts or whole."""
    return stored.key, _size(stored), stored.checksum


def _played(
    app: str, stored: Sequence[Stored], last: Mapping[str, Stored]
) -> list[tuple[datetime, Stored | None]]:
    """Return what the app should have run from each moment on, the first moment first."""
    # What is there now is the last of its key, whatever its date.
    changes = sorted(stored, key=lambda each: (each.when, each is last[each.key]))
    there: dict[str, Stored] = {}
    played: list[tuple[datetime, Stored | None]] = []
    for number, each in enumerate(changes):
        if there.get(each.key) is not last[each.key]:
            there[each.key] = each
        if number + 1 == len(changes) or changes[number + 1].when != each.when:
            played.append((each.when, _to_run(app, there)))
    return played


def _to_run(app: str, there: Mapping[str, Stored]) -> Stored | None:
    """Return the zip that the app should run where these are the last of each key."""
    objects = {key: each for key, each in there.items() if each.data is not None}
    zips = {key: version for key in objects if (version := _version(app, key)) is not None}
    pointer = objects.get(f"{app}/current")
    if pointer is not None:
        named = (pointer.data or b"").decode()
        equal = {key: version for key, version in zips.items() if same(version, named)}
        zips = {key: version for key, version in zips.items() if version == named} or equal
    return max(
        (objects[key] for key in zips),
        key=lambda each: (RANKS[zips[each.key]], each.when, each.key),
        default=None,
    )


def _version(app: str, key: str) -> str | None:
    match = _ZIP.fullmatch(key)
    named = match is not None and match["app"] == app and match["version"] in RANKS
    return match["version"] if match and named else None
