"""The marker and the tag of a release that is taken back: what the function withdraw does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from terminator.config.release_keys import KeyNameError
from terminator.config.tags import WITHDRAWN_TAG
from terminator.errors import KnownError, code, explain
from terminator.observe.releases import object_tags
from terminator.text import plain, quoted

if TYPE_CHECKING:
    from terminator.clients import Aws
    from terminator.config.deployment import Bucket

# The zip is another one by now, or has gone:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
_CHANGED: Final = frozenset(
    {"404", "409", "412", "ConditionalRequestConflict", "NoSuchKey", "PreconditionFailed"}
)
_LONGEST: Final = 1024


class OrderError(KnownError):
    """The order names no zip that may be taken back; the message says why."""


class NoMarkerError(KnownError):
    """S3 has deleted the zip and put no marker: its versioning is not what it was."""


@dataclass(frozen=True)
class Order:
    """What is to be taken back: the version of an app's zip that was judged."""

    app: str
    key: str
    etag: str
    version_id: str

    def to_json(self) -> dict[str, str]:
        """Return the order as the function takes it."""
        return asdict(self)


def read(event: Mapping[str, object], bucket: Bucket | None) -> Order:
    """Read an order that anybody may have sent; raise OrderError.

    The app has to be one whose releases may be taken back, and the key that of a zip of it.
    """
    given = {each.name: event.get(each.name) for each in fields(Order)}
    texts = {
        name: text
        for name, text in given.items()
        if isinstance(text, str) and 0 < len(text) <= _LONGEST
    }
    if missing := sorted(given.keys() - texts.keys()):
        raise OrderError(f"{', '.join(missing)} must be texts of 1 to {_LONGEST} characters")
    order = Order(**texts)
    if bucket is None or order.app not in bucket.withdraws:
        raise OrderError(f"releases of {quoted(order.app)} are not taken back: see releases.apps")
    try:
        app, _ = bucket.template.read(order.key, bucket.order_of(order.app))
    except KeyNameError as error:
        raise OrderError(str(error)) from error
    if app != order.app:
        raise OrderError(f"{quoted(order.key, 120)} is no zip of {order.app}")
    return order


def put(aws: Aws, bucket: str, order: Order, now: datetime) -> str | None:
    """Put a delete marker on the zip, and the tag on the version below it.

    Return why nothing was done, None where it was: the zip is another one by now. Raise
    NoMarkerError where S3 put no marker; other errors of S3 pass through.
    """
    key, version = order.key, order.version_id
    # Read before, so that who may not read them deletes nothing.
    tags = object_tags(aws.s3, bucket, key, version)
    try:
        answer = aws.withdrawing.delete_object(Bucket=bucket, Key=key, IfMatch=f'"{order.etag}"')
    except ClientError as error:
        if code(error) in _CHANGED:
            return f"{plain(key)} has changed: {explain(error)}"
        raise
    if not answer.get("DeleteMarker"):
        raise NoMarkerError(f"S3 put no delete marker on {plain(key)}: see its versioning")
    tags[WITHDRAWN_TAG] = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    aws.s3.put_object_tagging(
        Bucket=bucket,
        Key=key,
        VersionId=version,
        Tagging={"TagSet": [{"Key": name, "Value": text} for name, text in tags.items()]},
    )
    return None
