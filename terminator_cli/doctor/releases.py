"""Whether the releases bucket tells of uploads, and each app has a release to run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from terminator.clients import Aws
from terminator.config.deployment import Bucket, Config
from terminator.config.release_keys import pointer_key
from terminator.errors import code
from terminator.model import ENABLED, NoRelease, Released
from terminator.observe.releases import ListingTooLongError, find
from terminator.observe.zips import zip_problem
from terminator.text import count, few
from terminator_cli.doctor import withdrawals
from terminator_cli.doctor.findings import Finding, Unseen, about, look
from terminator_cli.stream import Stream, read_stream

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

    from terminator.observe.snapshot import OptedIn

# What is read of a zip there is only read once it has been restored:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html
_ARCHIVES: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})
# For so long at least old versions should be kept, so that history tells what ran when.
_HISTORY_DAYS: Final = 7
# So many releases uploaded within so long may be those of a bucket that was copied.
_COPIED: Final = 3
_AT_ONCE: Final = timedelta(hours=1)


@dataclass(frozen=True)
class BucketSeen:
    """What S3 says of the bucket: each answer, or why there is none.

    `encryption` is None where the bucket has no rule of its own, `lifecycle` are its rules.
    """

    name: str
    exists: Mapping[str, Any] | Unseen
    versioning: Mapping[str, Any] | Unseen
    notifications: Mapping[str, Any] | Unseen
    encryption: Mapping[str, Any] | Unseen | None = None
    lifecycle: Sequence[Mapping[str, Any]] | Unseen = ()


@dataclass(frozen=True)
class AppSeen:
    """What an app is to run, and why its zip cannot be read (None where it can)."""

    app: str
    released: Released | NoRelease | ListingTooLongError | Unseen
    zip_problem: str | Unseen | None = None


def examine(aws: Aws, config: Config, groups: Iterable[OptedIn]) -> Iterator[Finding]:
    """Check the bucket, and the apps of the groups whose settings can be read."""
    if config.bucket is None:
        remedy = "set releases.bucket, unless the highest running version is what you want"
        seen = "none is configured: the highest version that runs is the target"
        yield about("bucket").warning("exists", seen, remedy)
        return
    policies = [group.policy for group in groups]
    followed = (policy for policy in policies if policy.follows_release)
    apps = sorted({policy.app for policy in followed if not policy.problems})
    bucket = look_at_bucket(aws.s3, config.bucket.name)
    yield from check_bucket(bucket, aws.session.region_name, config.bucket.kms_key)
    if not isinstance(bucket.exists, Unseen):
        keys = [
            key for app in apps for key in (config.bucket.template.prefix(app), pointer_key(app))
        ]
        yield from check_lifecycle(bucket, keys)
        yield from withdrawals.examine(aws, config.bucket, bucket.versioning, policies)
        for app in apps:
            yield check_app(look_at_app(aws.s3, config.bucket, app))
            stream = look(partial(read_stream, aws.s3, config.bucket, app))
            if not isinstance(stream, Unseen):  # why it is unseen has been said
                yield from check_uploads(stream, bucket)


def look_at_bucket(s3: S3Client, name: str) -> BucketSeen:
    """Look at a bucket."""

    def encryption() -> Mapping[str, Any] | None:
        try:
            return dict(s3.get_bucket_encryption(Bucket=name))
        except ClientError as error:
            if code(error) == "ServerSideEncryptionConfigurationNotFoundError":
                return None
            raise

    def lifecycle() -> Sequence[Mapping[str, Any]]:
        try:
            return s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
        except ClientError as error:
            if code(error) == "NoSuchLifecycleConfiguration":
                return ()
            raise

    return BucketSeen(
        name=name,
        exists=look(lambda: dict(s3.head_bucket(Bucket=name))),
        versioning=look(lambda: dict(s3.get_bucket_versioning(Bucket=name))),
        notifications=look(lambda: dict(s3.get_bucket_notification_configuration(Bucket=name))),
        encryption=look(encryption),
        lifecycle=look(lifecycle),
    )


def check_bucket(
    seen: BucketSeen, region: str | None = None, kms_key: str | None = None
) -> Iterator[Finding]:
    """Check a bucket; of one that is not there nothing else is said.

    `region` is where Terminator is, `kms_key` the key that its functions may decrypt with.
    """
    bucket = about("bucket", seen.name)
    if isinstance(seen.exists, Unseen):
        told = f"cannot be reached: {seen.exists.why}"
        remedy = "correct releases.bucket, or let the stack make it with releases.create"
        yield bucket.problem("exists", told, remedy)
        return
    yield bucket.ok("exists", "it can be reached")
    its_region = seen.exists.get("BucketRegion")
    if region and its_region and its_region != region:
        told = f"in {its_region}, not in {region}: its events stay there, so that an upload waits "
        remedy = f"release to a bucket in {region}, or replicate this one to one there"
        yield bucket.warning("region", f"{told}for the schedule", remedy)
    if isinstance(seen.versioning, Unseen):
        yield bucket.unseen("versioning", seen.versioning, "s3:GetBucketVersioning")
    elif seen.versioning.get("Status") == ENABLED:
        yield bucket.ok("versioning", "enabled")
    else:
        remedy = (
            f"aws s3api put-bucket-versioning --bucket {seen.name} --versioning-configuration "
            "Status=Enabled: what it keeps tells since when a release is the one to run"
        )
        yield bucket.warning("versioning", seen.versioning.get("Status", "off").lower(), remedy)
    yield _notifications(seen)
    if seen.encryption is not None:
        yield _encryption(seen.name, seen.encryption, kms_key)


def check_lifecycle(seen: BucketSeen, keys: Sequence[str]) -> Iterator[Finding]:
    """Check what becomes of releases and pointers; `keys` are what their keys begin with."""
    bucket = about("bucket", seen.name)
    if isinstance(seen.lifecycle, Unseen):
        yield bucket.unseen("lifecycle", seen.lifecycle, "s3:GetLifecycleConfiguration")
        return
    command = f"aws s3api put-bucket-lifecycle-configuration --bucket {seen.name}"
    found: list[tuple[str, str]] = []
    for rule in seen.lifecycle:
        narrowed = rule.get("Filter", {})
        prefix = narrowed.get("And", narrowed).get("Prefix") or rule.get("Prefix", "")
        touched = not keys or any(k.startswith(prefix) or prefix.startswith(k) for k in keys)
        if rule.get("Status") != ENABLED or not touched:
            continue
        name = f"the rule {rule.get('ID') or prefix or 'for all objects'}"
        if rule.get("Expiration", {}).keys() & {"Days", "Date"}:
            told = "an expired release is taken back as if somebody had deleted it"
            told = f"{name} expires releases or pointers: {told}"
            found.append((told, f"replace it by NoncurrentVersionExpiration: {command}"))
        moves = {each.get("StorageClass") for each in rule.get("Transitions", ())} & _ARCHIVES
        if moves:
            told = f"{name} moves releases to {', '.join(sorted(moves))}, where no zip can be read"
            found.append((told, f"take that transition out: {command}"))
        kept = rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays", _HISTORY_DAYS)
        if kept < _HISTORY_DAYS:
            told = f"{name} keeps old versions for {count(kept, 'day')}: before that nobody knows "
            told += "which release an instance was made for"
            found.append((told, f"raise NoncurrentDays to {_HISTORY_DAYS} or more: {command}"))
    for told, mends in found:
        yield bucket.warning("lifecycle", told, mends)
    if not found:
        yield bucket.ok("lifecycle", "no rule takes releases, pointers or their history away")


def _notifications(seen: BucketSeen) -> Finding:
    bucket = about("bucket", seen.name)
    if isinstance(seen.notifications, Unseen):
        return bucket.unseen("events", seen.notifications, "s3:GetBucketNotification")
    if "EventBridgeConfiguration" in seen.notifications:
        return bucket.ok("events", "sent to EventBridge")
    if seen.notifications.get("LambdaFunctionConfigurations"):
        return bucket.ok("events", "sent to a function")
    remedy = (
        f"aws s3api put-bucket-notification-configuration --bucket {seen.name} "
        "--notification-configuration '{\"EventBridgeConfiguration\": {}}' (it replaces those that "
        "there are); until then the schedule finds an upload"
    )
    return bucket.warning("events", "not sent to EventBridge", remedy)


def _encryption(name: str, seen: Mapping[str, Any] | Unseen, kms_key: str | None) -> Finding:
    bucket = about("bucket", name)
    if isinstance(seen, Unseen):
        return bucket.unseen("encryption", seen, "s3:GetEncryptionConfiguration")
    rules = seen["ServerSideEncryptionConfiguration"]["Rules"]
    used = [rule.get("ApplyServerSideEncryptionByDefault", {}) for rule in rules]
    key = next((each["KMSMasterKeyID"] for each in used if each.get("KMSMasterKeyID")), None)
    if key is None:
        return bucket.ok("encryption", used[0].get("SSEAlgorithm", "none") if used else "none")
    told = f"with the KMS key {key}"
    # AWS's own key for S3 lets everybody in the account use it who may read the object.
    is_ours = kms_key is not None and (key == kms_key or kms_key.endswith(f"/{key}"))
    if is_ours or key.endswith("alias/aws/s3"):
        return bucket.ok("encryption", told)
    if kms_key and "alias/" in key:
        remedy = "see that releases.kms_key is the ARN of the key that it stands for"
        return bucket.warning("encryption", told, remedy)
    remedy = "set releases.kms_key to its ARN, make deploy, and let its key policy allow it"
    return bucket.problem("encryption", f"{told}, which the functions may not use", remedy)


def look_at_app(s3: S3Client, bucket: Bucket, app: str) -> AppSeen:
    """Look at what an app is to run, and at the zip of it."""
    released = look(partial(_find, s3, bucket, app))
    if not isinstance(released, Released):
        return AppSeen(app, released)
    if not bucket.template.is_zip:
        return AppSeen(app, released)
    key = released.release.key
    return AppSeen(app, released, look(partial(zip_problem, s3, bucket.name, key)))


def check_uploads(stream: Stream, bucket: BucketSeen) -> Iterator[Finding]:
    """Check whether any upload of an app is waited for in vain, and what its order rests on."""
    app, listing = about("app", stream.app), stream.listing
    if listing.unread:
        seen = f"no release: {few([f'{key}: {why}' for key, why in listing.unread.items()], '; ')}"
        yield app.warning("uploads", seen, "upload it by another name, or set releases.order")
    if stream.passed_over:
        remedy = f"if it was meant: terminator use --app {stream.app} VERSION; docs/versions.md"
        yield app.warning("uploads", stream.passed_over, remedy)
    if listing.order != "uploaded":
        return
    versioning = bucket.versioning
    if not isinstance(versioning, Unseen) and versioning.get("Status") != ENABLED:
        seen = "ordered by upload, in a bucket without versioning: uploading again makes it newer"
        yield app.warning("order", seen, "enable versioning")
    again = [key for key, stored in listing.zips.items() if sum(not e.deleted for e in stored) > 1]
    rules = () if isinstance(bucket.lifecycle, Unseen) else bucket.lifecycle
    forgets = any(
        rule.get("Status") == ENABLED and "NoncurrentVersionExpiration" in rule for rule in rules
    )
    if again and forgets and not listing.pointed:
        seen = (
            f"{few(sorted(again))} was uploaded again: once a lifecycle rule deletes its older "
            "version it is dated by the newer one, and may become the newest"
        )
        yield app.warning("order", seen, f"terminator use --app {stream.app} VERSION")
    dates = sorted(release.modified for release in listing.releases)
    if len(dates) >= _COPIED and dates[-1] - dates[0] < _AT_ONCE and not listing.pointed:
        seen = (
            f"ordered by upload, and all {len(dates)} releases were uploaded within an hour: a "
            "copied bucket has new dates"
        )
        remedy = f"if it was copied: terminator use --app {stream.app} VERSION"
        yield app.warning("order", seen, remedy)


def _find(s3: S3Client, bucket: Bucket, app: str) -> Released | NoRelease | ListingTooLongError:
    """Return what an app is to run, or that there are too many objects to tell."""
    try:
        return find(s3, bucket.name, bucket.template, app, bucket.order_of(app))
    except ListingTooLongError as error:
        return error


def check_app(seen: AppSeen) -> Finding:
    """Check that an app has a release to run, and that its zip is readable."""
    app, released = about("app", seen.app), seen.released
    if isinstance(released, Unseen):
        return app.unseen("release", released, "s3:ListBucketVersions and s3:GetObject")
    if isinstance(released, ListingTooLongError):
        remedy = "look who may write there; until it is emptied the groups of this app stay"
        return app.problem("release", str(released), remedy)
    if isinstance(released, NoRelease):
        remedy = f"terminator release FILE.zip --app {seen.app} --version VERSION"
        if "pointer" in released.reason:
            remedy = f"terminator use --app {seen.app} VERSION, or newest"
        return app.problem("release", released.reason, remedy)
    target = f"{released.release.version} is the one to run ({released.release.key})"
    if isinstance(seen.zip_problem, Unseen):
        return app.unseen("release", seen.zip_problem, "s3:GetObject")
    if seen.zip_problem is not None:
        remedy = "upload it again: until then no canary goes"
        return app.problem("release", f"{target}, but {seen.zip_problem}", remedy)
    return app.ok("release", target)
