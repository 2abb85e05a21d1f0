"""The releases bucket: the release an app should run, and whether its zip is readable."""

from __future__ import annotations

import errno
import io
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from terminator.config import values as settings
from terminator.config.release_keys import KeyNameError, KeyTemplate, pointer_key
from terminator.errors import KnownError, code, explain
from terminator.model import NoRelease, Release, Released
from terminator.text import plain, quoted
from terminator.version import NotAVersionError, Version, same_release

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

# What S3 says of the zip itself; anything else says that S3 could not be asked. The answer
# to HeadObject has no body, so its codes are statuses:
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
_OF_THE_ZIP: Final = frozenset(
    {"403", "404", "AccessDenied", "InvalidObjectState", "InvalidRange", "NoSuchKey"}
)
# A version of 128 characters, and room for white space and a byte-order mark.
_POINTER_BYTES: Final = 256
# A central directory of 16 MiB lists some 200,000 files.
_LONGEST_READ: Final = 16 * 2**20


@dataclass(frozen=True)
class Listing:
    """The releases and pointer of an app as S3 lists them.

    `deleted` are the app's delete markers: a release that was, and when it was deleted.
    `unpointed` is when the pointer was last deleted.
    """

    releases: tuple[Release, ...]
    deleted: tuple[Release, ...]
    pointed: bool
    unpointed: datetime | None


def find(s3: S3Client, bucket: str, template: KeyTemplate, app: str) -> Released | NoRelease:
    """Return the release that the app should run: its pointer's, else the newest.

    One listing, and one read where there is a pointer. Errors of S3 pass through.
    """
    try:
        settings.app(app)
    except ValueError:
        return NoRelease(f"{quoted(app)} is no name of an app: set the tag terminator:app")
    return chosen(s3, bucket, app, list_releases(s3, bucket, template, app))


def chosen(s3: S3Client, bucket: str, app: str, listing: Listing) -> Released | NoRelease:
    """Return the release of the listing that the app should run; reads its pointer."""
    if listing.pointed:
        return _pointed(s3, bucket, app, listing)
    if not listing.releases:
        return NoRelease(f"no release of {app} in s3://{bucket}")
    return _newest(listing)


def list_releases(s3: S3Client, bucket: str, template: KeyTemplate, app: str) -> Listing:
    """List the app's zips, its pointer and what was deleted of them.

    Object versions are listed, not objects: it is the same number of calls, works for a
    bucket without versioning, and shows the delete markers that date a rollback.
    """
    pointer, prefix = pointer_key(app), template.prefix(app)
    prefixes = [prefix] if pointer.startswith(prefix) else [prefix, pointer]
    entries = [entry for each in prefixes for entry in _entries(s3, bucket, each)]
    zips = [(entry, version) for entry in entries if (version := _version(template, app, entry))]
    pointers = [entry for entry in entries if entry.key == pointer]
    return Listing(
        releases=tuple(Release(e.key, v, e.when, e.size) for e, v in zips if not e.deleted),
        deleted=tuple(Release(e.key, v, e.when) for e, v in zips if e.deleted),
        pointed=any(not entry.deleted for entry in pointers),
        unpointed=max((entry.when for entry in pointers if entry.deleted), default=None),
    )


@dataclass(frozen=True)
class _Entry:
    key: str
    when: datetime
    deleted: bool = False
    size: int = 0


def _entries(s3: S3Client, bucket: str, prefix: str) -> Iterator[_Entry]:
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for version in page.get("Versions", ()):
            if version["IsLatest"]:
                yield _Entry(version["Key"], version["LastModified"], size=version["Size"])
        for marker in page.get("DeleteMarkers", ()):
            yield _Entry(marker["Key"], marker["LastModified"], deleted=True)


def _version(template: KeyTemplate, app: str, entry: _Entry) -> Version | None:
    try:
        named, version = template.read(entry.key)
    except KeyNameError:
        return None
    return version if named == app else None


def _newest(listing: Listing) -> Released:
    highest = max(listing.releases, key=rank)
    # Another spelling or build of this version may have been preferred to it.
    gone = [each for each in listing.deleted if each.version >= highest.version]
    gone = [each for each in gone if each.key != highest.key]
    unpointed = [listing.unpointed] if listing.unpointed else []
    since = max([highest.modified, *(each.modified for each in gone), *unpointed])
    deleted = max((each.version for each in gone), default=None)
    return Released(highest, since, repointed=bool(unpointed), deleted=deleted)


def _pointed(s3: S3Client, bucket: str, app: str, listing: Listing) -> Released | NoRelease:
    key = pointer_key(app)
    answer = s3.get_object(Bucket=bucket, Key=key)
    if answer["ContentLength"] > _POINTER_BYTES:
        return NoRelease(f"the pointer {key} names no release: it is over {_POINTER_BYTES} bytes")
    text = answer["Body"].read().decode(errors="backslashreplace")
    try:
        version = Version.parse(text.strip().removeprefix("\ufeff").strip())
    except NotAVersionError as error:
        return NoRelease(f"the pointer {key} names no release: {error}")
    named = [each for each in listing.releases if same_release(each.version, version)]
    if not named:
        return NoRelease(f"the pointer {key} names {version}, which is no release of {app}")
    release = max(named, key=rank)
    return Released(release, since=max(answer["LastModified"], release.modified), repointed=True)


def rank(release: Release) -> tuple[Version, datetime, str]:
    """Return what releases are ordered by: of equal versions the last modified is newest."""
    return release.version, release.modified, release.key


def zip_problem(
    s3: S3Client, bucket: str, key: str, before_each: Callable[[], None] = lambda: None
) -> str | None:
    """Say why the zip cannot be read, None where it can.

    Only its central directory is read, by ranged reads; `before_each` is called before each
    of them, and may raise. Failures to reach S3 pass through.
    """
    try:
        size = s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
        with zipfile.ZipFile(Ranged(s3, bucket, key, size, before_each)) as archive:
            return None if archive.namelist() else "it holds no files"
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        return plain(str(error))
    except ClientError as error:
        if code(error) not in _OF_THE_ZIP:
            raise
        return explain(error)


class Ranged:
    """An object in S3 as a seekable file; every read is one ranged GetObject.

    A read of over 16 MiB raises BadZipFile, as only a broken zip asks for so much.
    """

    def __init__(
        self, s3: S3Client, bucket: str, key: str, size: int, before_each: Callable[[], None]
    ) -> None:
        self._s3, self._bucket, self._key, self._size = s3, bucket, key, size
        self._before_each = before_each
        self._position = 0

    def tell(self) -> int:
        """Return the offset at which the next read begins."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move as a file does; raise OSError before the beginning."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._position = start + offset
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """Read so many bytes, or all that are left, fewer at the end."""
        rest = max(0, self._size - self._position)
        length = rest if size < 0 else min(size, rest)
        if length > _LONGEST_READ:
            raise zipfile.BadZipFile(f"its central directory is over {_LONGEST_READ} bytes")
        if length == 0:
            return b""
        span = f"bytes={self._position}-{self._position + length - 1}"
        self._before_each()
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=self._key, Range=span)
            data = answer["Body"].read()
        except OSError as error:
            # As an OSError, zipfile would take it for the file's own fault.
            raise KnownError(explain(error)) from error
        self._position += length
        return data
