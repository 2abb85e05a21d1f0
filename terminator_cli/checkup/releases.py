"""Whether the releases bucket tells of uploads, and each app has a release to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from terminator.errors import Failure
from terminator.model import NoRelease, Released
from terminator_cli.checkup.findings import Finding, about

_BUCKET_REMEDY = "correct releases.bucket, or let the stack make it with releases.create"


@dataclass(frozen=True)
class BucketSeen:
    """What S3 says of the bucket: each answer, or why there is none.

    `encryption` is None where the bucket has no rule of its own.
    """

    name: str
    exists: Mapping[str, Any] | Failure
    versioning: Mapping[str, Any] | Failure
    notifications: Mapping[str, Any] | Failure
    encryption: Mapping[str, Any] | Failure | None = None


@dataclass(frozen=True)
class AppSeen:
    """What an app is to run, and why its zip cannot be read (None where it can)."""

    app: str
    released: Released | NoRelease | Failure
    zip_problem: str | Failure | None = None


def no_bucket() -> Finding:
    """Return the finding where no bucket is configured."""
    remedy = "set releases.bucket, unless the highest running version is what you want"
    seen = "none is configured: the highest version that runs is the target"
    return about("bucket").warning("exists", seen, remedy)


def check_bucket(seen: BucketSeen) -> list[Finding]:
    """Check a bucket; of one that is not there nothing else is said."""
    bucket = about("bucket", seen.name)
    if isinstance(seen.exists, Failure):
        told = f"cannot be reached: {seen.exists.why}"
        return [bucket.problem("exists", told, _BUCKET_REMEDY)]
    found = [bucket.ok("exists", "it can be reached"), _versioning(seen), _notifications(seen)]
    encrypted = _encryption(seen)
    return [*found, *([encrypted] if encrypted else [])]


def _versioning(seen: BucketSeen) -> Finding:
    bucket = about("bucket", seen.name)
    if isinstance(seen.versioning, Failure):
        return bucket.unseen("versioning", seen.versioning, "s3:GetBucketVersioning")
    status = seen.versioning.get("Status", "off")
    if status == "Enabled":
        return bucket.ok("versioning", "enabled")
    remedy = (
        f"aws s3api put-bucket-versioning --bucket {seen.name} --versioning-configuration "
        "Status=Enabled, so that a deleted zip leaves a date"
    )
    return bucket.warning("versioning", status.lower(), remedy)


def _notifications(seen: BucketSeen) -> Finding:
    bucket = about("bucket", seen.name)
    if isinstance(seen.notifications, Failure):
        return bucket.unseen("events", seen.notifications, "s3:GetBucketNotification")
    if "EventBridgeConfiguration" in seen.notifications:
        return bucket.ok("events", "sent to EventBridge")
    if seen.notifications.get("LambdaFunctionConfigurations"):
        return bucket.ok("events", "sent to a function")
    remedy = "switch on its EventBridge notifications; until then the schedule finds an upload"
    return bucket.warning("events", "not sent to EventBridge", remedy)


def _encryption(seen: BucketSeen) -> Finding | None:
    bucket = about("bucket", seen.name)
    if seen.encryption is None:
        return None
    if isinstance(seen.encryption, Failure):
        return bucket.unseen("encryption", seen.encryption, "s3:GetEncryptionConfiguration")
    rules = seen.encryption["ServerSideEncryptionConfiguration"]["Rules"]
    used = [rule.get("ApplyServerSideEncryptionByDefault", {}) for rule in rules]
    key = next((each["KMSMasterKeyID"] for each in used if each.get("KMSMasterKeyID")), None)
    if key is None:
        return bucket.ok("encryption", used[0].get("SSEAlgorithm", "none") if used else "none")
    remedy = "encrypt it with S3's own keys: the functions may not use yours"
    return bucket.problem("encryption", f"with the KMS key {key}", remedy)


def check_app(seen: AppSeen) -> Finding:
    """Check that an app has a release to run, and that its zip is readable."""
    app, released = about("app", seen.app), seen.released
    if isinstance(released, Failure):
        return app.unseen("release", released, "s3:ListBucketVersions and s3:GetObject")
    if isinstance(released, NoRelease):
        remedy = f"terminator release FILE.zip --app {seen.app} --version VERSION"
        if "pointer" in released.reason:
            remedy = f"terminator use --app {seen.app} VERSION, or newest"
        return app.problem("release", released.reason, remedy)
    target = f"{released.release.version} is the one to run ({released.release.key})"
    if isinstance(seen.zip_problem, Failure):
        return app.unseen("release", seen.zip_problem, "s3:GetObject")
    if seen.zip_problem is not None:
        remedy = "upload it again: until then no canary goes"
        return app.problem("release", f"{target}, but {seen.zip_problem}", remedy)
    return app.ok("release", target)
