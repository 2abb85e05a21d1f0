"""What is asked before a release is taken back: alarms that may speak against it, its bucket."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from terminator.config.tags import WITHDRAWN_TAG
from terminator.model import NoRelease, Release, Released, Ringing, Shelf
from terminator.observe.preflight import alarm_rows, changes
from terminator.observe.releases import Listing, chosen, list_releases, newest, object_tags
from terminator.observe.zips import zip_problem

if TYPE_CHECKING:
    from types_boto3_cloudwatch.client import CloudWatchClient
    from types_boto3_s3.client import S3Client

    from terminator.config.deployment import Bucket

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
_MOST_TAGS: Final = 10


def ask_alarms(
    cloudwatch: CloudWatchClient, names: Sequence[str], was_ok_for: timedelta, now: datetime
) -> tuple[Ringing, ...]:
    """Return how these alarms are, and of those in ALARM since when, and how they were before.

    Errors of AWS pass through.
    """
    rows = {row["AlarmName"]: row for row in alarm_rows(cloudwatch, tuple(names))}
    found: list[Ringing] = []
    for name in names:
        row = rows.get(name)
        if row is None or row["StateValue"] != "ALARM":
            found.append(Ringing(name, str(row["StateValue"]) if row else None))
            continue
        changed = row.get("StateTransitionedTimestamp") or row.get("StateUpdatedTimestamp") or now
        since: datetime | None = None
        was_ok = False
        for when, before in changes(cloudwatch, name, changed - was_ok_for, "TimestampDescending"):
            if since is None:
                since, was_ok = when, before == "OK"
            elif when > since - was_ok_for:
                was_ok = False
        found.append(Ringing(name, "ALARM", since, was_ok, _looks_back(row)))
    return tuple(found)


def _looks_back(row: Mapping[str, Any]) -> timedelta | None:
    """Return how far back an alarm looks; None of one that combines others."""
    metrics = row.get("Metrics", ())
    periods = [row.get("Period", 0)]
    periods += [m.get("Period") or m.get("MetricStat", {}).get("Period", 0) for m in metrics]
    longest = max(each or 0 for each in periods)
    return timedelta(seconds=longest * row.get("EvaluationPeriods", 0)) or None


def after(bucket: str, app: str, listing: Listing, release: Release) -> Released | NoRelease:
    """Return what would become the target if a release were taken back."""
    left = tuple(each for each in listing.releases if each.key != release.key)
    return newest(bucket, app, replace(listing, releases=left))


def ask_shelf(
    s3: S3Client,
    bucket: Bucket,
    app: str,
    releases: tuple[Release, Release],
    in_time: Callable[[], None],
) -> Shelf:
    """Ask the bucket whether the first of two releases can be taken back for the second.

    Errors of S3 pass through.

    It is listed anew. `in_time` is called before each call, and may raise.
    """
    order, template, (release, successor) = bucket.order_of(app), bucket.template, releases
    listing = list_releases(s3, bucket.name, template, app, order, before_each=lambda _: in_time())
    target = chosen(s3, bucket.name, app, listing)
    left = after(bucket.name, app, listing, release)
    if (
        listing.pointed
        or not isinstance(target, Released)
        or not isinstance(left, Released)
        or (target.release, target.release.etag) != (release, release.etag)
        or left.release != successor
    ):
        return Shelf(changed=True)
    in_time()
    versioning = s3.get_bucket_versioning(Bucket=bucket.name).get("Status")
    id_ = listing.version_id(release)
    in_time()
    tags = object_tags(s3, bucket.name, release.key, id_)
    problem = None
    if template.is_zip:
        problem = zip_problem(s3, bucket.name, successor.key, in_time)
    return Shelf(
        versioning=versioning,
        version_id=id_,
        tagged=WITHDRAWN_TAG in tags,
        room=WITHDRAWN_TAG in tags or len(tags) < _MOST_TAGS,
        problem=problem,
    )
