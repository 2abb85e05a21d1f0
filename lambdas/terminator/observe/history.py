"""What the bucket's history says of a target: since when it is that, and what was before it.

Everything is read from the versions and delete markers that S3 lists, going back in time from
now. What S3 no longer has is unknown, and unknown accuses no instance.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate, groupby, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Literal

from botocore.exceptions import ClientError

from terminator.errors import code
from terminator.model import CLOCK_DOUBT, ENABLED, UNVERSIONED, Became, Release, Released
from terminator.observe.releases import (
    POINTER_BYTES,
    Entry,
    Listing,
    named,
    pointed_version,
    rank,
)
from terminator.version import NotAVersionError, Version

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

# What was the target from one change of the bucket to the next: the release, another, or none.
State = Literal["target", "another", "none"]
UPLOADED: Final[Became] = "uploaded"
# From and until when.
Span = tuple[datetime, datetime]

# How many different texts of a pointer are read, and how many uploads of a zip compared.
_MOST_TEXTS: Final = 50
_MOST_CHECKSUMS: Final = 20
# So many times a release is looked at for what the target was: whoever may upload can store any
# number that are equal but for their build, and one that changes would be looked for among all.
_MOST_LOOKS: Final = 2_000_000
_MEGABYTE: Final = 2**20
_LONGEST_UPLOAD: Final = timedelta(minutes=59)
_ALWAYS: Final = datetime.min.replace(tzinfo=UTC)
_FOR_EVER: Final = datetime.max.replace(tzinfo=UTC)


def versions_kept_for(s3: S3Client, bucket: str) -> timedelta | None:
    """Return how long lifecycle rules keep old versions of objects, None where for ever.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
    """
    try:
        rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    except ClientError as error:
        if code(error) == "NoSuchLifecycleConfiguration":
            return None
        if code(error) in {"AccessDenied", "403"}:
            return timedelta(0)  # nobody knows, so nothing is known of the past
        raise
    kept = [
        timedelta(days=expiration.get("NoncurrentDays", 0))
        for rule in rules
        if rule["Status"] == ENABLED and (expiration := rule.get("NoncurrentVersionExpiration"))
    ]
    return min(kept, default=None)


@dataclass(frozen=True)
class Reach:
    """How far back history is asked.

    `kept_since` is since when the bucket keeps old versions, None where for ever. Nothing will
    be asked of instances created before `back_to`. With `supposed_since` the release is taken
    to be the target since then, whatever the bucket says.
    """

    kept_since: datetime | None = None
    back_to: datetime = _ALWAYS
    supposed_since: datetime | None = None


def dated(
    s3: S3Client, bucket: str, listing: Listing, released: Released, reach: Reach
) -> Released:
    """Return the release with its dates, as the bucket's history tells them.

    What did not change the target changes no date. Without versioning nothing is dated.
    Errors of S3 pass through.
    """
    release, uploads = released.release, listing.zips.get(released.release.key, ())
    stored = [*listing.pointer, *(each for every in listing.zips.values() for each in every)]
    # Without versioning nothing leaves a trace. It is on from when a version with an id was
    # stored after the last one without.
    without = [each.when for each in stored if each.version_id == UNVERSIONED]
    last = max(without, default=_ALWAYS)
    complete_from = min((each.when for each in stored if each.when > last), default=_FOR_EVER)
    if not uploads or uploads[-1].deleted or complete_from == _FOR_EVER:
        return released

    kept_since = reach.kept_since or _ALWAYS
    past = _Past(s3, bucket, listing, release)
    since, others, known_from = _go_back(past, max(complete_from, kept_since), reach)
    if since == _FOR_EVER:
        return released  # by what was listed it is not: the pointer was written since then
    if since is None:
        # It was the target for as long as anything is known. Of what nobody knows the earliest
        # date is taken, which accuses nobody: since the zip has been there without a break.
        gone = max((at for at, each in enumerate(uploads) if each.deleted), default=-1)
        since, became = uploads[gone + 1].when, None if released.pinned else UPLOADED
    else:
        became = _became(listing, release, since)
    content_since = _content_since(s3, bucket, uploads)
    if content_since > since:
        since, became = content_since, UPLOADED
    oldest = uploads[0]
    # An upload before the oldest would still be listed if it was replaced so lately.
    is_first = not without and not oldest.deleted and oldest.when > kept_since
    # Only while the zip may have been uploaded yet is that date in more than the usual doubt.
    uploaded = [e.when + _uploading(e.etag, e.size) for e in uploads if e.when <= since]
    return replace(
        released,
        since=since if since >= complete_from else None,
        became=became if since >= complete_from else None,
        doubt=CLOCK_DOUBT + max(max(uploaded, default=since) - since, timedelta(0)),
        others=tuple(others),
        known_from=known_from,
        first_existed=oldest.when if is_first else None,
    )


def _became(listing: Listing, release: Release, when: datetime) -> Became | None:
    """Return how the release became the target at a time, by what changed in the bucket then."""
    if pointers := [each for each in listing.pointer if each.when == when]:
        return "unpinned" if pointers[-1].deleted else "pinned"
    changed = {key for key, every in listing.zips.items() if any(e.when == when for e in every)}
    if not changed:
        return None  # it is supposed to be the target since then
    return UPLOADED if release.key in changed else "withdrawn"


def _go_back(
    past: _Past, known_from: datetime, reach: Reach
) -> tuple[datetime | None, list[Span], datetime]:
    """Return since when the release is the target, and from and until when others were.

    Since when is None where it was for as long as is known. Return from when on that is, too.
    """
    since: datetime | None = None
    end = reach.supposed_since or _FOR_EVER
    others: list[Span] = []
    for moment in past.moments:
        state = past.state()
        if state is None:  # more would have to be read, or looked at, than is
            known_from = end
            break
        if state != "target" and since is None:
            since = end
        if state == "another":
            others.append((moment, end))
        if moment <= known_from:
            break
        if since is not None and moment <= reach.back_to:
            known_from = moment
            break
        end = moment
        past.go_back_before(moment)
    return since, _without(others, past.unclear), known_from


def _without(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Return when spans of time are and others are not, the oldest first; touching ones as one."""
    edges = [(begin, 1, 0) for begin, _ in spans] + [(end, -1, 0) for _, end in spans]
    edges += [(begin, 0, 1) for begin, _ in others] + [(end, 0, -1) for _, end in others]
    found: list[Span] = []
    inside, covered, start = 0, 0, None
    for when, each in groupby(sorted(edges), key=itemgetter(0)):
        for _, enters, covers in each:
            inside, covered = inside + enters, covered + covers
        is_in = inside > 0 and covered == 0
        if is_in and start is None:
            start = when
        elif start is not None and not is_in:
            found.append((start, when))
            start = None
    return found


def _uploading(etag: str, size: int) -> timedelta:
    """Return by how much the date of an upload may be too early: a second for each MB.

    One in parts, whose ETag ends in -N, is dated when it began.
    """
    if "-" not in etag:
        return timedelta(0)
    return min(timedelta(seconds=size / _MEGABYTE), _LONGEST_UPLOAD)


class _Past:
    """The bucket at a time of its past, which goes back from now.

    `moments` are when it changed, the newest first. `unclear` are from and until when it is not
    known whether a zip was there.
    """

    def __init__(self, s3: S3Client, bucket: str, listing: Listing, release: Release) -> None:
        self._s3, self._bucket, self._release = s3, bucket, release
        self._order = listing.order
        self._versions, self._pointer = listing.versions, list(listing.pointer)
        self._zips = {key: list(entries) for key, entries in listing.zips.items()}
        self._there: dict[Version, dict[str, Release]] = defaultdict(dict)
        self._number, self._higher, self._looks = 0, 0, 0
        self._texts: dict[str, Version | None] = {}
        self._changed: dict[datetime, list[str | None]] = defaultdict(list)
        self.unclear: list[Span] = []
        for key, entries in (*self._zips.items(), (None, self._pointer)):
            # What was uploaded in parts may be dated before what it replaced.
            for when in accumulate((each.when for each in entries), max):
                self._changed[when].append(key)
            self._doubt(entries, None if key is None else listing.versions[key])
        for key in self._zips:
            self._show(key)
        self.moments = sorted(self._changed, reverse=True)

    def _doubt(self, entries: Sequence[Entry], version: Version | None) -> None:
        """Note when it is not known whether an object was there.

        That is while it was uploaded in parts, and where what is dated within that, or within
        the same second, may have come before it as well as after.
        """
        whens = [each.when for each in entries]
        # Where a run of uploads, or of delete markers, ends: of one key there may be any number.
        ends = [
            number for number, (a, b) in enumerate(pairwise(entries), 1) if a.deleted != b.deleted
        ]
        for number, each in enumerate(entries):
            until = each.when + _uploading(each.etag, each.size)
            later = bisect_right(whens, until, lo=number + 1)
            end = bisect_right(ends, number)
            unclear = end < len(ends) and ends[end] < later
            # Of equal versions the later upload is the release.
            matters = version == self._release.version
            matters = matters or number == 0 or entries[number - 1].deleted
            if unclear and later < len(whens):
                self.unclear.append((each.when, whens[later]))
            elif until > each.when and (unclear or matters):
                self.unclear.append((each.when, until))

    def go_back_before(self, moment: datetime) -> None:
        """Undo what was stored at a moment, the newest one that is left."""
        for key in self._changed[moment]:
            (self._pointer if key is None else self._zips[key]).pop()
            if key is not None:
                self._show(key)

    def _show(self, key: str) -> None:
        """Let a zip be there, or not, as the newest entry that is left of it says."""
        version, entries = self._versions[key], self._zips[key]
        alike = self._there[version]
        before = len(alike)
        alike.pop(key, None)
        if entries and not entries[-1].deleted:
            alike[key] = Release(key, version, entries[-1].when)
        self._number += len(alike) - before
        self._higher += len(alike) - before if version > self._release.version else 0

    def state(self) -> State | None:
        """Return what is the target, None where nobody knows: more is not looked at."""
        if self._pointer and not self._pointer[-1].deleted:
            return self._pointed(self._pointer[-1])
        if self._higher:
            return "another"
        alike = self._looked_at(self._there[self._release.version].values())
        if alike is None:
            return None
        newest = max(alike, key=rank, default=None)
        if newest is None:
            return "another" if self._number else "none"
        return "target" if newest.key == self._release.key else "another"

    def _pointed(self, entry: Entry) -> State | None:
        """Return what a version of the pointer makes the target."""
        identity = entry.etag or entry.version_id
        if identity not in self._texts:
            if len(self._texts) >= _MOST_TEXTS:
                return None
            self._texts[identity] = self._read(entry)
        version = self._texts[identity]
        if version is None:
            return "none"
        fitting = self._looked_at(self._fitting(version))
        if fitting is None:
            return None
        release = named(fitting, version)
        if release is None:
            return "none"
        return "target" if release.key == self._release.key else "another"

    def _looked_at(self, releases: Collection[Release]) -> Sequence[Release] | None:
        """Return releases to look at, None where they are too many with all that were before."""
        self._looks += len(releases)
        return [*releases] if self._looks <= _MOST_LOOKS else None

    def _fitting(self, version: Version) -> Collection[Release]:
        """Return the releases there that a pointer's text may name."""
        if self._order == "version":
            return self._there[version].values()
        return [release for alike in self._there.values() for release in alike.values()]

    def _read(self, entry: Entry) -> Version | None:
        """Return the version that a pointer's text names, None where it names none."""
        if entry.size > POINTER_BYTES:
            return None
        answer = self._s3.get_object(Bucket=self._bucket, Key=entry.key, VersionId=entry.version_id)
        try:
            return pointed_version(answer["Body"].read(), self._order)
        except NotAVersionError:
            return None


def _content_since(s3: S3Client, bucket: str, uploads: Sequence[Entry]) -> datetime:
    """Return since when the zip has the content that it has: an equal upload changes nothing.

    Uploads are equal by their ETags, else by full-object checksums. Of what is not compared the
    earlier date is taken.
    """
    there = [each for each in uploads if not each.deleted]
    newest, since = there[-1], there[-1].when
    etags, sums = {newest.etag}, dict[str, str]()
    compared = 0
    for each in reversed(there[:-1]):
        if each.etag not in etags and compared < _MOST_CHECKSUMS:
            if each.size != newest.size:
                break
            sums = sums or _checksums(s3, bucket, newest)
            compared += 1
            if not sums or not sums.items() & _checksums(s3, bucket, each).items():
                break
            etags.add(each.etag)
        elif each.size != newest.size:
            break
        since = each.when
    return since


def _checksums(s3: S3Client, bucket: str, entry: Entry) -> dict[str, str]:
    """Return the checksums of a whole upload, none where they are those of its parts."""
    head: Mapping[str, Any] = s3.head_object(
        Bucket=bucket, Key=entry.key, VersionId=entry.version_id, ChecksumMode="ENABLED"
    )
    if head.get("ChecksumType") != "FULL_OBJECT":
        return {}
    return {
        name: text
        for name, text in head.items()
        if name.startswith("Checksum") and name != "ChecksumType" and isinstance(text, str)
    }
