"""An app's releases in S3, as commands show and change them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from terminator.config import values
from terminator.config.release_keys import pointer_key
from terminator.model import NoRelease, Release, Released
from terminator.observe.releases import Listing, chosen, list_releases, named, rank
from terminator.text import plain, quoted
from terminator.version import NotAVersionError, Order, Version, read
from terminator_cli import reach
from terminator_cli.exits import FailedError, UnusableError

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

    from terminator.config.deployment import Bucket, Config

Why = Literal["pointer", "newest"]
WHY: Final[Mapping[Why, str]] = {"pointer": "its pointer names it", "newest": "it is the newest"}


@dataclass(frozen=True)
class Stream:
    """An app's releases and the one to run, as S3 lists them."""

    app: str
    bucket: str
    listing: Listing
    wanted: Released | NoRelease

    @property
    def releases(self) -> list[Release]:
        """The releases, the newest first."""
        return sorted(self.listing.releases, key=rank, reverse=True)

    @property
    def target(self) -> Release | None:
        """The release to run, None where there is none."""
        return self.wanted.release if isinstance(self.wanted, Released) else None

    @property
    def why(self) -> Why:
        """What decides about the release to run."""
        return "pointer" if self.listing.pointed else "newest"

    @property
    def pointer(self) -> str:
        """The key of the pointer."""
        return pointer_key(self.app)

    @property
    def passed_over(self) -> str | None:
        """Why what was uploaded last is not the one to run, where no pointer explains it."""
        last = max(self.listing.releases, key=lambda each: each.modified, default=None)
        if last is None or self.target is None or self.listing.pointed:
            return None
        # S3 tells whole seconds: of two in one nobody knows which was the last.
        if last.modified == self.target.modified:
            return None
        again = " again" if self.listing.order == "uploaded" else ""
        return (
            f"{last.version} was uploaded{again} last, and is not the newest: "
            f"{self.target.version} stays the target"
        )

    def named(self, text: str) -> Release:
        """Return the release that a version names; raise UnusableError where there is none."""
        version = a_version(text, self.listing.order)
        if release := named(self.listing.releases, version):
            return release
        newest = ", ".join(str(release.version) for release in self.releases[:5])
        known = f"the newest are {newest}" if newest else "it has none"
        where = f"{self.app} in s3://{self.bucket}{reach.where()}"
        raise UnusableError(f"{version} is no release of {where}; {known}")


def read_stream(s3: S3Client, bucket: Bucket, app: str) -> Stream:
    """Read what S3 has of an app; errors of S3 pass through."""
    order = bucket.order_of(an_app(app))
    listing = list_releases(s3, bucket.name, bucket.template, app, order)
    return Stream(app, bucket.name, listing, chosen(s3, bucket.name, app, listing))


def watching(app: str, version: Version) -> str:
    """Return the command that watches how an app's groups come to run a version."""
    return f"terminator status --watch --app {app} --version {shlex.quote(plain(str(version)))}"


def following(app: str) -> str:
    """Return the command that has an app follow its newest release."""
    return f"terminator use --app {app} newest"


def bucket_of(config: Config) -> Bucket:
    """Return the releases bucket; raise UnusableError where none is configured."""
    if config.bucket is None:
        raise UnusableError("no releases bucket is configured: set releases.bucket")
    return config.bucket


def released(wanted: Released | NoRelease) -> Released:
    """Return what an app is to run; raise FailedError where that is nothing."""
    if isinstance(wanted, NoRelease):
        raise FailedError(plain(wanted.reason) + reach.where())
    return wanted


def an_app(text: str) -> str:
    """Return the name of an app; raise UnusableError for what is none."""
    if not is_app(text):
        accepted = "letters, digits, '-', '_' and '.', such as web"
        raise UnusableError(f"--app says {quoted(text)}; accepted are {accepted}")
    return text


def is_app(text: str) -> bool:
    """Say whether a text can be the name of an app."""
    try:
        values.app(text)
    except ValueError:
        return False
    return True


def a_version(text: str, order: Order) -> Version:
    """Return a version of an order; raise UnusableError for what is none."""
    try:
        return read(text, order)
    except NotAVersionError as error:
        raise UnusableError(f"{plain(str(error))}; accepted is one such as 1.0.275") from error
