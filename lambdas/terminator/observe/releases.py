"""The releases bucket: which releases an app has, and the one that it should run."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from terminator.config import values as settings
from terminator.config.release_keys import KeyNameError, KeyTemplate, pointer_key
from terminator.errors import KnownError
from terminator.model import UNVERSIONED, NoRelease, NoVersion, Release, Released
from terminator.text import few, plain, quoted
from terminator.version import NotAVersionError, Order, Version, begins_hash, read, same_release

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_s3.type_defs import ListObjectVersionsOutputTypeDef

# A version of 128 characters, and room for white space and a byte-order mark.
POINTER_BYTES: Final = 256
# Fifty releases a day for five years are as many.
MOST_PAGES: Final = 100
# So many keys that name no release are told.
_MOST_UNREAD: Final = 100
# What says which version an object is, where its name does not: x-amz-meta-version.
METADATA: Final = "version"
# Stands for a version where a key needs none.
_NOTHING: Final = Version.parse("0")


class ListingTooLongError(KnownError):
    """More lies under a prefix than is read of it; the message says how much, and what mends it."""

    def __init__(self, prefix: str, how_much: str) -> None:
        super().__init__(
            f"there are too many object versions under {plain(prefix)} ({how_much}): S3 is slow, "
            "somebody fills it, or old versions are never deleted; delete what is no release, or "
            "give the bucket a lifecycle rule for noncurrent versions"
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
    `unread` maps the keys of zips that are no releases to the reason. Where `is_fixed` all
    releases have one key, and one is there at a time.
    """

    releases: tuple[Release, ...]
    zips: Mapping[str, tuple[Entry, ...]]
    versions: Mapping[str, Version]
    pointer: tuple[Entry, ...]
    order: Order = "version"
    unread: Mapping[str, str] = field(default_factory=dict)
    is_fixed: bool = False

    @property
    def pointed(self) -> bool:
        """Whether there is a pointer now."""
        return bool(self.pointer) and not self.pointer[-1].deleted

    def version_id(self, release: Release) -> str:
        """Return the id of the version of a release's zip that is there now."""
        return self.zips[release.key][-1].version_id

    @cached_property
    def by_text(self) -> Mapping[str, Version]:
        """What the texts of versions stand for, those of deleted releases too."""
        return {each.text: each for each in self.versions.values()}

    @cached_property
    def answers(self) -> dict[str, Version | NoVersion]:
        """What texts that instances answered stand for, as far as they were looked up."""
        return {}

    @cached_property
    def texts_there(self) -> frozenset[str]:
        """The texts of the versions of the releases there now."""
        return frozenset(each.version.text for each in self.releases)


def find(
    s3: S3Client, bucket: str, template: KeyTemplate, app: str, order: Order = "version"
) -> Released | NoRelease:
    """Return the release that the app should run: its pointer's, else the newest; undated.

    One listing, and one read where there is a pointer or the zip's name is fixed. Errors of S3
    pass through.
    """
    if problem := no_app(app):
        return problem
    return chosen(s3, bucket, app, list_releases(s3, bucket, template, app, order))


def no_app(app: str) -> NoRelease | None:
    """Return why a name can have no releases, None where it can be that of an app."""
    try:
        settings.app(app)
    except ValueError:
        return NoRelease(f"{quoted(app)} is no name of an app: set the tag terminator:app")
    return None


def list_releases(  # noqa: PLR0913 - where, whose, how, and for how long
    s3: S3Client,
    bucket: str,
    template: KeyTemplate,
    app: str,
    order: Order = "version",
    *,
    before_each: Callable[[int], None] = lambda _: None,
) -> Listing:
    """List the app's zips and its pointer, with their older versions and delete markers.

    Object versions are listed, not objects: it works for a bucket without versioning too. Of a
    zip whose name is fixed the object that is there now is asked which version it is.
    `before_each` is called with the number of each page before it is read, and may raise. Whoever
    may write under a prefix can fill it: raise ListingTooLongError after 100 pages.
    """
    pointer, prefix = pointer_key(app), template.prefix(app)
    prefixes = [prefix] if pointer.startswith(prefix) else [prefix, pointer]
    # What is no key of the app's is dropped here, while it is listed.
    versions: dict[str, Version] = {}
    unread: dict[str, str] = {}
    entries: dict[str, deque[Entry]] = defaultdict(deque)
    for page in _pages(s3, bucket, prefixes, before_each):
        for entry in page:
            if entry.key not in entries and entry.key != pointer:
                version = _version(template, app, entry.key, order)
                if isinstance(version, str):
                    if entry.latest and not entry.deleted and len(unread) < _MOST_UNREAD:
                        unread[entry.key] = version
                    continue
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
    if template.is_fixed:
        return _of_fixed_name(s3, bucket, found.get(prefix, ()), order)
    if order == "uploaded":
        versions = {
            key: Version.opaque(version.text, uploaded(found[key]))
            for key, version in versions.items()
        }
    return Listing(
        releases=tuple(
            Release(key, versions[key], each[-1].when, each[-1].size, each[-1].etag)
            for key, each in found.items()
            if not each[-1].deleted
        ),
        zips=found,
        versions=versions,
        pointer=pointers,
        order=order,
        unread=unread,
    )


def _of_fixed_name(s3: S3Client, bucket: str, entries: Sequence[Entry], order: Order) -> Listing:
    """Return the one release that there is of a zip whose name is fixed, and what it was before.

    Its metadata says which version it is. Such an app has no pointer: who boots gets what is
    there.
    """
    nothing = Listing((), {}, {}, (), order, is_fixed=True)
    if not entries or entries[-1].deleted:
        return nothing
    now, key = entries[-1], entries[-1].key
    try:
        version = version_of_object(s3, bucket, now, order)
    except NotAVersionError as error:
        return replace(nothing, unread={key: str(error)})
    release = Release(key, version, now.when, now.size, now.etag)
    return replace(
        nothing, releases=(release,), zips={key: tuple(entries)}, versions={key: version}
    )


def version_of_object(s3: S3Client, bucket: str, entry: Entry, order: Order) -> Version:
    """Return the version that an object's metadata names; raise NotAVersionError.

    One call. Only of an older version of the object its id is given: that takes
    s3:GetObjectVersion.
    """
    if entry.latest:
        head = s3.head_object(Bucket=bucket, Key=entry.key)
    else:
        head = s3.head_object(Bucket=bucket, Key=entry.key, VersionId=entry.version_id)
    if head["ETag"].strip('"') != entry.etag:
        raise NotAVersionError("", f"; {plain(entry.key)} was replaced while it was looked at")
    text = head.get("Metadata", {}).get(METADATA, "")
    if not text:
        raise NotAVersionError(
            "",
            f": {plain(entry.key)} has no metadata `{METADATA}`; upload it with "
            f"--metadata {METADATA}=1.0.275",
        )
    version = read(text, order)
    return Version.opaque(text, entry.when) if order == "uploaded" else version


def object_tags(s3: S3Client, bucket: str, key: str, version_id: str) -> dict[str, str]:
    """Return the tags of a version of an object; one call."""
    answer = s3.get_object_tagging(Bucket=bucket, Key=key, VersionId=version_id)
    return {each["Key"]: each["Value"] for each in answer["TagSet"]}


def uploaded(entries: Sequence[Entry]) -> datetime:
    """Return when a zip was uploaded: the oldest version of its object since it was last deleted.

    So uploading it again moves nothing. Of one that is deleted it is when it was uploaded before.
    """
    first: datetime | None = None
    was_deleted = True
    for each in entries:
        if not each.deleted and was_deleted:
            first = each.when
        was_deleted = each.deleted
    return first or entries[-1].when


def _version(template: KeyTemplate, app: str, key: str, order: Order) -> Version | str | None:
    """Return the version that a key of the app names, or why it names none.

    None says that it is no zip of the app at all.
    """
    if template.is_fixed:
        return _NOTHING if key == template.prefix(app) else None
    try:
        its_app, version = template.read(key, order)
    except KeyNameError as error:
        return str(error) if _is_meant(template, app, key) else None
    return version if its_app == app else None


def _is_meant(template: KeyTemplate, app: str, key: str) -> bool:
    """Say whether a key that names no version is meant as a zip of the app."""
    try:
        return template.app_of(key) == app
    except KeyNameError:
        prefix = template.prefix(app)
        return bool(prefix) and key.startswith(prefix) and key.endswith(template.ending)


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


def chosen(s3: S3Client, bucket: str, app: str, listing: Listing) -> Released | NoRelease:
    """Return the release of the listing that the app should run, undated; reads its pointer."""
    if not listing.pointed:
        return newest(bucket, app, listing)
    key = pointer_key(app)
    answer = s3.get_object(Bucket=bucket, Key=key)
    if answer["ContentLength"] > POINTER_BYTES:
        return NoRelease(f"the pointer {key} names no release: it is over {POINTER_BYTES} bytes")
    try:
        version = pointed_version(answer["Body"].read(), listing.order)
    except NotAVersionError as error:
        return NoRelease(f"the pointer {key} names no release: {error}")
    release = named(listing.releases, version)
    if release is None:
        return NoRelease(f"the pointer {key} names {version}, which is no release of {app}")
    return replace(_as_target(listing, release), pinned=True)


def newest(bucket: str, app: str, listing: Listing) -> Released | NoRelease:
    """Return the newest release of the listing, undated."""
    if not listing.releases:
        whys = few(sorted(listing.unread.values()), "; ")
        return NoRelease(f"no release of {app} in s3://{bucket}{f': {whys}' if whys else ''}")
    last = max(listing.releases, key=rank)
    dates = last.version.key[:1]
    alike = sorted(r.version.text for r in listing.releases if r.version.key[:1] == dates)
    if listing.order == "uploaded" and len(alike) > 1:
        return NoRelease(
            f"{few(alike)} were uploaded in the same second, so nobody knows which is newer: "
            f"write the pointer {pointer_key(app)}, or delete one and upload it again"
        )
    return _as_target(listing, last)


def _as_target(listing: Listing, release: Release) -> Released:
    """Return the release as the target, with the texts that name other ones exactly.

    Those are zips of an equal version. Of a zip that is deleted a text counts where more than
    spelling tells them apart.
    """
    there = {each.key for each in listing.releases}
    own = release.version
    exact = (
        other.text
        for key, other in listing.versions.items()
        if key != release.key
        and other == own
        and (key in there or (other.build, other.hashes) != (own.build, own.hashes))
    )
    return Released(release, since=None, other_texts=frozenset(exact))


def pointed_version(body: bytes, order: Order = "version") -> Version:
    """Return the version that a pointer's text names; raise NotAVersionError."""
    text = body.decode(errors="backslashreplace").strip().removeprefix("\ufeff").strip()
    return read(text, order)


def named(releases: Sequence[Release], version: Version) -> Release | None:
    """Return the release that a version names: the one spelled so, else the newest equal one.

    A commit hash names the only release that it begins, or that begins it.
    """
    exact = [each for each in releases if each.version.text == version.text]
    equal = exact or [each for each in releases if same_release(each.version, version)]
    if not equal:
        equal = [each for each in releases if begins_hash(each.version.text, version.text)]
        equal = equal if len(equal) == 1 else []
    return max(equal, key=rank, default=None)


def answered(listing: Listing, version: Version) -> Version | NoVersion:
    """Return the version that an instance answered, as the app's releases order it.

    In the order `uploaded` that takes the releases: when the one that it runs was uploaded. One
    that was deleted counts where no other fits. What is no release ranks below all.
    """
    if listing.order != "uploaded":
        return version
    # Any number may have been uploaded, and any number of instances run one of them.
    if version.text not in listing.answers:
        listing.answers[version.text] = _looked_up(listing, version)
    return listing.answers[version.text]


def _looked_up(listing: Listing, version: Version) -> Version | NoVersion:
    texts, there = listing.by_text, listing.texts_there
    for some in ([version.text], there, texts.keys() - there):
        fit = [
            t for t in some if t in texts and (t == version.text or begins_hash(t, version.text))
        ]
        if len(fit) > 1:
            return NoVersion(f"{quoted(version.text)} may be {few(sorted(map(quoted, fit)))}")
        if fit:
            return replace(texts[fit[0]], text=version.text)
    return version


def rank(release: Release) -> tuple[Version, datetime, str]:
    """Return what releases are ordered by: of equal versions the last modified is newest."""
    return release.version, release.modified, release.key
