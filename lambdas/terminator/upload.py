"""What a change of the releases bucket asks for: events of S3, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import unquote_plus

from terminator.config import release_keys as keys
from terminator.config.release_keys import KeyNameError
from terminator.model import NoRelease, Released
from terminator.observe import releases
from terminator.observe.releases import Listing, ListingTooLongError, chosen, list_releases
from terminator.observe.snapshot import list_groups
from terminator.observe.zips import zip_problem
from terminator.text import count, left, plain, quoted

if TYPE_CHECKING:
    from types_boto3_autoscaling.client import AutoScalingClient
    from types_boto3_s3.client import S3Client

    from terminator.config.deployment import Bucket, Config

# So many events of an app ask for runs within such a time. Whoever may write under one prefix can
# make as many events as they like, and the schedule's own event stands in the same queue.
MOST_ASKED: Final = 3
ASKED_WITHIN: Final = timedelta(minutes=5)

# `other` changes nothing that is released: an object was restored, its tags or its storage class
# have changed, it was replicated elsewhere, or a lifecycle rule deleted what was not needed.
What = Literal["uploaded", "deleted", "other"]

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html
_DETAIL_TYPES: Final[Mapping[str, What]] = {
    "Object Created": "uploaded",
    "Object Deleted": "deleted",
}
# S3 tells of one object at a time; each record here may come to a line, an event and reads of S3.
_MOST_RECORDS: Final = 100
_EXPIRED: Final = "Lifecycle Expiration"
# What comes before the colon in the names of
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
_EVENT_NAMES: Final[Mapping[str, What]] = {
    "ObjectCreated": "uploaded",
    "ObjectRemoved": "deleted",
}


class EventError(ValueError):
    """The event is not one of S3's; the message says what it is and what is accepted."""


@dataclass(frozen=True)
class Change:
    """What became of an object, by bucket and key; `said` is what S3 calls it."""

    bucket: str
    key: str
    what: What
    said: str

    def __str__(self) -> str:
        return f"s3://{plain(self.bucket)}/{plain(self.key)}"


@dataclass(frozen=True)
class Verdict:
    """What a change leads to: its app is asked for, it is refused for a reason, or neither.

    `passed_over` says why an upload is not the target although nothing is wrong with it, and
    `pinned` that it is for a pointer to another release. `unasked` says why nobody is asked to
    serve its app although it has one.
    """

    change: Change
    app: str | None = None
    refused: str | None = None
    passed_over: str | None = None
    pinned: bool = False
    unasked: str | None = None

    def __str__(self) -> str:
        if self.refused is not None:
            return f"{self.change} => refused: {self.refused}"
        if self.app is None:
            return f"{self.change} => nothing to do: {plain(self.change.said)}"
        deleted = "deleted: " if self.change.what == "deleted" else ""
        before = f"{self.passed_over}; " if self.passed_over else ""
        then = self.unasked or f"reconciling the groups of {self.app}"
        return f"{self.change} => {deleted}{before}{then}"

    @property
    def is_told(self) -> bool:
        """Whether an event tells of it: an upload that does not become the target."""
        return self.change.what == "uploaded" and (self.refused or self.passed_over) is not None

    @property
    def is_missed(self) -> bool:
        """Whether somebody who uploaded this waits for it in vain, other than by a pointer."""
        return self.is_told and not self.pinned


def read_event(event: object) -> list[Change]:
    """Return what an event says became of objects; raise EventError where it is not S3's.

    Accepts the events of EventBridge and the plain S3 notification, whose keys are URL-encoded,
    and its test event, which tells of nothing. A lifecycle rule that expires an object is left
    to the schedule: it may expire thousands at once, and nobody waits for it.
    """
    match event:
        case {
            "source": "aws.s3",
            "detail-type": str(said),
            "detail": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)}} as detail,
        }:
            if detail.get("reason") == _EXPIRED:
                return [Change(bucket, key, "other", f"{said}, {_EXPIRED}")]
            return [Change(bucket, key, _DETAIL_TYPES.get(said, "other"), said)]
        case {"Records": list(records)} if len(records) <= _MOST_RECORDS:
            return list(_records(records))
        case {"Event": "s3:TestEvent"}:
            return []
        case _:
            raise EventError(
                f"{quoted(str(event), 200)} is neither an event of S3's at EventBridge nor an "
                f"S3 notification of at most {_MOST_RECORDS} records"
            )


def _records(records: list[object]) -> Iterator[Change]:
    for record in records:
        match record:
            case {
                "eventName": str(said),
                "s3": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)}},
            }:
                kind = said.removeprefix("s3:").partition(":")[0]
                yield Change(bucket, unquote_plus(key), _EVENT_NAMES.get(kind, "other"), said)
            case _:
                raise EventError(f"{quoted(str(record), 200)} is no record of an S3 notification")


def verdicts(event: object, s3: S3Client, bucket: Bucket | None) -> list[Verdict]:
    """Check each change that an event tells of."""
    return [check(s3, bucket, change) for change in read_event(event)]


def check(s3: S3Client, bucket: Bucket | None, change: Change) -> Verdict:
    """Check a change; failures to reach S3 pass through.

    Accepted are a readable zip whose key names an app and a version, a pointer that names a
    release, and that either was deleted: a release that is withdrawn must not wait. Of a zip that
    is not the target it is said why. Where other than zips are released nothing is looked into.
    """
    if change.what == "other":
        return Verdict(change)
    if bucket is None or change.bucket != bucket.name:
        return Verdict(change, refused="it is not in the releases bucket")
    try:
        app = _app_of(bucket, change.key)
    except KeyNameError as error:
        return Verdict(change, refused=str(error))
    none = releases.no_app(app)
    if none or change.what == "deleted":
        return Verdict(change, None if none else app, none.reason if none else None)
    if keys.pointed_app(change.key) is None and bucket.template.is_zip:
        problem = zip_problem(s3, bucket.name, change.key)
        if problem:
            return Verdict(change, refused=f"the zip cannot be read: {problem}")
    return _compared(s3, bucket, change, app)


def _app_of(bucket: Bucket, key: str) -> str:
    """Return the app of a zip or a pointer; raise KeyNameError where the key is neither's."""
    template, pointed = bucket.template, keys.pointed_app(key)
    if pointed and template.is_fixed:
        raise KeyNameError(f"{template.text} is a fixed name, which has no pointer")
    if pointed or template.is_fixed:
        return pointed or template.app_of(key)
    app = template.app_of(key)
    return template.read(key, bucket.order_of(app))[0]


def _compared(s3: S3Client, bucket: Bucket, change: Change, app: str) -> Verdict:
    """Return what a readable zip or a pointer leads to, beside what else there is of the app."""
    is_pointer = keys.pointed_app(change.key) is not None
    try:
        listing = list_releases(s3, bucket.name, bucket.template, app, bucket.order_of(app))
    except ListingTooLongError as error:
        # Reconcile says so too, for every group of the app.
        return Verdict(change, refused=str(error)) if is_pointer else Verdict(change, app)
    found = chosen(s3, bucket.name, app, listing)
    if isinstance(found, NoRelease) and (is_pointer or listing.is_fixed):
        return Verdict(change, refused=found.reason)
    passed_over = None if is_pointer else _passed_over(listing, found, change.key)
    return Verdict(change, app, None, passed_over, listing.pointed)


def _passed_over(listing: Listing, found: Released | NoRelease, key: str) -> str | None:
    """Return why an uploaded zip is not the target, None where it is or is gone again."""
    version = listing.versions.get(key)
    if version is None or (isinstance(found, Released) and found.release.key == key):
        return None
    if isinstance(found, NoRelease):
        return f"{version} is not the target: {found.reason}"
    target = found.release.version
    if listing.pointed:
        return f"{version} is not the target: the pointer names {target}"
    before = " was uploaded before and" if listing.order == "uploaded" else ""
    return (
        f"{version}{before} is not the newest: {target} stays the target (order "
        f"{listing.order}; a pointer to {version} would make it the target)"
    )


@dataclass(frozen=True)
class Events:
    """When events of each app have asked for a run, as far as this process remembers.

    Nothing depends on it but how many runs are asked for: what is forgotten costs a run.
    """

    times: dict[str, list[datetime]] = field(default_factory=dict)

    def too_many(self, app: str, now: datetime) -> str | None:
        """Note an event of an app, and say why it asks for nothing; None where it may ask."""
        for each, seen in list(self.times.items()):
            recent = [time for time in seen if time > now - ASKED_WITHIN]
            self.times[each] = recent
            if not recent:
                del self.times[each]
        seen = self.times.setdefault(app, [])
        if len(seen) < MOST_ASKED:
            seen.append(now)
            return None
        return (
            f"left to the schedule: there were {count(MOST_ASKED, 'event')} of {app} within "
            f"{left(ASKED_WITHIN)}"
        )


def unserved(app: str, served: Callable[[], frozenset[str] | None]) -> str | None:
    """Say that no group runs an app, None where one does or nobody knows.

    A run too many does less harm than an upload that nobody looks at.
    """
    apps = served()
    return None if apps is None or app in apps else f"no group that opted in runs {app}"


def served_apps(autoscaling: AutoScalingClient, config: Config) -> frozenset[str] | None:
    """Return the apps that groups which opted in run, None where that cannot be told."""
    try:
        groups, _, failure = list_groups(autoscaling, config)
    except Exception:  # noqa: BLE001 - whatever it is, then nobody knows
        return None
    return None if failure else frozenset(group.app for group in groups)
