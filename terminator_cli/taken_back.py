"""Releases that were taken back: delete markers above versions that bear the tag."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Final

from terminator.config.tags import WITHDRAWN_TAG
from terminator.model import Release
from terminator.observe.releases import Entry, Listing, object_tags

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

# So many deleted zips are looked at, those deleted last: each costs a call.
_MOST_LOOKED_AT: Final = 20


@dataclass(frozen=True)
class Deleted:
    """A zip that is deleted: what it was, and the delete markers above it, the oldest first."""

    release: Release
    version_id: str
    markers: tuple[Entry, ...]

    @property
    def when(self) -> datetime:
        """When it was deleted."""
        return self.markers[0].when

    def withdrawn(self, s3: S3Client, bucket: str) -> str | None:
        """Return when it was taken back, as its tag says; None where somebody else deleted it."""
        tags = object_tags(s3, bucket, self.release.key, self.version_id)
        return tags.get(WITHDRAWN_TAG)


def deleted(listing: Listing) -> list[Deleted]:
    """Return the zips of an app that are deleted and still have a version, the last one first."""
    found = [
        each for key, entries in listing.zips.items() for each in _deleted(listing, key, entries)
    ]
    return sorted(found, key=lambda each: (each.when, each.release.key), reverse=True)


def _deleted(listing: Listing, key: str, entries: Sequence[Entry]) -> Iterator[Deleted]:
    markers = tuple(takewhile(lambda entry: entry.deleted, reversed(entries)))
    below = entries[: len(entries) - len(markers)]
    if markers and below:
        last = below[-1]
        release = Release(key, listing.versions[key], last.when, last.size, last.etag)
        yield Deleted(release, last.version_id, markers[::-1])


def withdrawn(s3: S3Client, bucket: str, listing: Listing) -> list[tuple[Deleted, str]]:
    """Return the releases that were taken back, each with when, the last one first."""
    some = islice(deleted(listing), _MOST_LOOKED_AT)
    return [(each, when) for each in some if (when := each.withdrawn(s3, bucket)) is not None]
