"""The releases bucket: which releases an app has, and the one that it should run."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from terminator.config import values as settings
from terminator.config.release_keys import KeyNameError, KeyTemplate, pointer_key
from terminator.errors import KnownError
from terminator.model import NoRelease, Release, Released
from terminator.text import plain, quoted
from terminator.version import NotAVersionError, Version, same_release

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_s3.type_defs import ListObjectVersionsOutputTypeDef

# A version of 128 characters, and room for white space and a byte-order mark.
POINTER_BYTES: Final = 256
# Fifty releases a day for five years are as many.
MOST_PAGES: Final = 100
# What S3 calls the version of an object that was stored without versioning.
UNVERSIONED: Final = "null"


class ListingTooLongError(KnownError):
    """More lies under a prefix than is read of it; the message says how much, and what mends it."""

    def __init__(self, prefix: str, how_much: str) -> None:
        super().__init__(
            f"there are too many object versions under {plain(prefix)} ({how_much}): somebody "
            "fills it, or old versions are never deleted; delete what is no release, or give "
            "the bucket a lifecycle rule for noncurrent versions"
        )


@dataclass(frozen=True)
class Entry:
    """A version of an object, or a delete marker, as S3 lists it; `latest`: the one of now."""

    key: str
    when: datetime
    version_id: str
    latest: bool
    deleted: bool
    size: int = 0
    etag: str = ""


@dataclass(frozen=True)
class Listing:
    """The releases and the pointer of an app as S3 lists them, with what they were before.

    `releases` are those there now. `zips` maps the keys of zips to their entries, `pointer` has
    those of the pointer, each the oldest first. `versions` maps the keys to what they name.
    """

    releases: tuple[Release, ...]
    zips: Mapping[str, tuple[Entry, ...]]
    versions: Mapping[str, Version]
    pointer: tuple[Entry, ...]

    @property
    def pointed(self) -> bool:
        """Whether there is a pointer now."""
        return bool(self.pointer) and not self.pointer[-1].deleted


def find(s3: S3Client, bucket: str, template: KeyTemplate, app: str) -> Released | NoRelease:
    """Return the release that the app should run: its pointer's, else the newest; undated.

    One listing, and one read where there is a pointer. Errors of S3 pass through.
    """
    if problem := no_app(app):
        return problem
    return chosen(s3, bucket, app, list_releases(s3, bucket, template, app))


def no_app(app: str) -> NoRelease | None:
    """Return why a name can have no releases, None where it can be that of an app."""
    try:
        settings.app(app)
    except ValueError:
        return NoRelease(f"{quoted(app)} is no name of an app: set the tag terminator:app")
    return None


def list_releases(
    s3: S3Client,
    bucket: str,
    template: KeyTemplate,
    app: str,
    before_each: Callable[[int], None] = lambda _: None,
) -> Listing:
    """List the app's zips and its pointer, with their older versions and delete markers.

    Object versions are listed, not objects: it works for a bucket without versioning too.
    `before_each` is called with the number of each page before it is read, and may raise. Whoever
    may write under a prefix can fill it: raise ListingTooLongError after 100 pages.
    """
    pointer, prefix = pointer_key(app), template.prefix(app)
    prefixes = [prefix] if pointer.startswith(prefix) else [prefix, pointer]
    # What is no key of the app's is dropped here, while it is listed.
    versions: dict[str, Version | None] = {pointer: None}
    entries: dict[str, deque[Entry]] = defaultdict(deque)
    for page in _pages(s3, bucket, prefixes, before_each):
        for entry in page:
            if entry.key not in entries and entry.key not in versions:
                version = _version(template, app, entry.key)
                if version is None:
                    continue
                versions[entry.key] = version
            entries[entry.key].appendleft(entry)  # S3 lists the newest first
    # What is there now is the last, though an upload in parts may be dated before what it
    # replaced.
    found = {
        key: tuple(sorted(each, key=lambda entry: (entry.latest, entry.when)))
        for key, each in entries.items()
    }
    pointers = found.pop(pointer, ())
    named = {key: version for key, version in versions.items() if version is not None}
    return Listing(
        releases=tuple(
            Release(key, named[key], each[-1].when, each[-1].size, each[-1].etag)
            for key, each in found.items()
            if not each[-1].deleted
        ),
        zips=found,
        versions=named,
        pointer=pointers,
    )


def _pages(
    s3: S3Client, bucket: str, prefixes: Sequence[str], before_each: Callable[[int], None]
) -> Iterator[Iterator[Entry]]:
    """Yield the pages of object versions under all prefixes together, as many as are read."""
    number = 0
    for prefix in prefixes:
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
        rest = iter(pages)
        while True:
            before_each(number)
            page = next(rest, None)
            if page is None:
                break
            number += 1
            if number > MOST_PAGES:
                raise ListingTooLongError(prefix, f"over {MOST_PAGES} pages of 1,000")
            yield _entries(page)


def _entries(page: ListObjectVersionsOutputTypeDef) -> Iterator[Entry]:
    rows: list[tuple[Any, bool]] = [(row, False) for row in page.get("Versions", ())]
    rows += [(row, True) for row in page.get("DeleteMarkers", ())]
    for row, deleted in rows:
        yield Entry(
            key=row["Key"],
            when=row["LastModified"],
            version_id=row.get("VersionId", UNVERSIONED),
            latest=row["IsLatest"],
            deleted=deleted,
            size=row.get("Size", 0),
            etag=row.get("ETag", "").strip('"'),
        )


def _version(template: KeyTemplate, app: str, key: str) -> Version | None:
    try:
        named, version = template.read(key)
    except KeyNameError:
        return None
    return version if named == app else None


def chosen(s3: S3Client, bucket: str, app: str, listing: Listing) -> Released | NoRelease:
    """Return the release of the listing that the app should run, undated; reads its pointer."""
    if not listing.pointed:
        if not listing.releases:
            return NoRelease(f"no release of {app} in s3://{bucket}")
        return Released(max(listing.releases, key=rank), since=None)
    key = pointer_key(app)
    answer = s3.get_object(Bucket=bucket, Key=key)
    if answer["ContentLength"] > POINTER_BYTES:
        return NoRelease(f"the pointer {key} names no release: it is over {POINTER_BYTES} bytes")
    try:
        version = pointed_version(answer["Body"].read())
    except NotAVersionError as error:
        return NoRelease(f"the pointer {key} names no release: {error}")
    release = named(listing.releases, version)
    if release is None:
        return NoRelease(f"the pointer {key} names {version}, which is no release of {app}")
    return Released(release, since=None)


def pointed_version(body: bytes) -> Version:
    """Return the version that a pointer's text names; raise NotAVersionError."""
    text = body.decode(errors="backslashreplace").strip().removeprefix("\ufeff").strip()
    return Version.parse(text)


def named(releases: Sequence[Release], version: Version) -> Release | None:
    """Return the release that a version names: the one spelled so, else the newest equal one."""
    exact = [each for each in releases if each.version.text == version.text]
    equal = exact or [each for each in releases if same_release(each.version, version)]
    return max(equal, key=rank, default=None)


def rank(release: Release) -> tuple[Version, datetime, str]:
    """Return what releases are ordered by: of equal versions the last modified is newest."""
    return release.version, release.modified, release.key
