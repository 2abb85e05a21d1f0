"""What an upload to the releases bucket asks for: events of S3, checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from terminator.config import release_keys as keys
from terminator.config.release_keys import KeyNameError
from terminator.model import NoRelease
from terminator.observe import releases
from terminator.observe.zips import zip_problem
from terminator.text import plain, quoted

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

    from terminator.config.deployment import Bucket


class EventError(ValueError):
    """The event is not one of S3's; the message says what it is and what is accepted."""


@dataclass(frozen=True)
class Uploaded:
    """An object that was created, by bucket and key."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{plain(self.bucket)}/{plain(self.key)}"


@dataclass(frozen=True)
class Verdict:
    """What an upload leads to: its app is asked for, or it is refused for a reason."""

    uploaded: Uploaded
    app: str | None = None
    refused: str | None = None

    def __str__(self) -> str:
        if self.refused is not None:
            return f"{self.uploaded} => refused: {self.refused}"
        return f"{self.uploaded} => reconciling the groups of {self.app}"


def read_event(event: object) -> list[Uploaded]:
    """Return what an event says was created; raise EventError where it is not S3's.

    Accepts EventBridge's `Object Created` and the plain S3 notification, whose keys are
    URL-encoded, and its test event, which tells of nothing.
    """
    match event:
        case {
            "source": "aws.s3",
            "detail": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)}},
        }:
            return [Uploaded(bucket, key)]
        case {"Records": list(records)}:
            return list(_records(records))
        case {"Event": "s3:TestEvent"}:
            return []
        case _:
            raise EventError(
                f"{quoted(str(event), 200)} is neither EventBridge's Object Created nor an S3 "
                "notification"
            )


def _records(records: list[object]) -> Iterator[Uploaded]:
    for record in records:
        match record:
            case {"s3": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)}}}:
                yield Uploaded(bucket, unquote_plus(key))
            case _:
                raise EventError(f"{quoted(str(record), 200)} is no record of an S3 notification")


def verdicts(event: object, s3: S3Client, bucket: Bucket | None) -> list[Verdict]:
    """Check each upload that an event tells of."""
    return [check(s3, bucket, uploaded) for uploaded in read_event(event)]


def check(s3: S3Client, bucket: Bucket | None, uploaded: Uploaded) -> Verdict:
    """Check an upload; failures to reach S3 pass through.

    Accepted are a readable zip whose key names an app and a version, and a pointer that
    names a release.
    """
    if bucket is None or uploaded.bucket != bucket.name:
        return Verdict(uploaded, refused="it is not in the releases bucket")
    try:
        app = keys.pointed_app(uploaded.key)
        if app is not None:
            return _pointer(s3, bucket, uploaded, app)
        app, _ = bucket.template.read(uploaded.key)
    except KeyNameError as error:
        return Verdict(uploaded, refused=str(error))
    problem = zip_problem(s3, bucket.name, uploaded.key)
    if problem is not None:
        return Verdict(uploaded, refused=f"the zip cannot be read: {problem}")
    return Verdict(uploaded, app)


def _pointer(s3: S3Client, bucket: Bucket, uploaded: Uploaded, app: str) -> Verdict:
    found = releases.find(s3, bucket.name, bucket.template, app)
    if isinstance(found, NoRelease):
        return Verdict(uploaded, refused=found.reason)
    return Verdict(uploaded, app)
