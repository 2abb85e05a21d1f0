"""The releases bucket of the sandbox: zips, pointers, and what an instance boots from them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final, Literal

from sandbox.local_aws import REGION
from terminator.clients import Aws
from terminator.config.release_keys import KeyTemplate, pointer_key
from terminator.model import Released
from terminator.observe import releases
from terminator.version import Order

BUCKET: Final = "releases"
TEMPLATE: Final = KeyTemplate.parse("{app}/{version}.zip")
_MEMBER: Final = "program.json"

Event = dict[str, object]


@dataclass(frozen=True)
class Program:
    """What an instance runs; a release's zip holds one, as JSON.

    It `answers` with its version, is `silent` (accepts connections and never answers),
    `refuses` connections, or is `unavailable` (answers with status 503). `version` is what it
    answers, whatever version the zip's key has.
    """

    version: str
    behaviour: Literal["answers", "silent", "refuses", "unavailable"] = "answers"


# What an instance runs if it could not boot a release.
NOTHING: Final = Program("", "refuses")


def pack(program: Program) -> bytes:
    """Return the program as a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_MEMBER, json.dumps(asdict(program)))
    return buffer.getvalue()


def create(aws: Aws) -> None:
    """Make the bucket, with versioning."""
    aws.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    aws.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})


def upload(aws: Aws, app: str, program: Program) -> Event:
    """Upload a release of the app, and return the event that EventBridge would deliver."""
    return put(aws, f"{app}/{program.version}.zip", pack(program))


def put(aws: Aws, key: str, data: bytes) -> Event:
    """Upload an object, and return the event that EventBridge would deliver."""
    etag = aws.s3.put_object(Bucket=BUCKET, Key=key, Body=data)["ETag"].strip('"')
    stored = {"key": key, "size": len(data), "etag": etag}
    return _event("Object Created", {"object": stored, "reason": "PutObject"})


def _event(what: str, detail: Mapping[str, object]) -> Event:
    return {
        "version": "0",
        "source": "aws.s3",
        "detail-type": what,
        "region": REGION,
        "resources": [f"arn:aws:s3:::{BUCKET}"],
        "detail": {"version": "0", "bucket": {"name": BUCKET}, **detail},
    }


def delete(aws: Aws, app: str, version: str) -> Event:
    """Delete a release of the app; the versioned bucket keeps a delete marker."""
    return _delete(aws, f"{app}/{version}.zip")


def _delete(aws: Aws, key: str) -> Event:
    aws.s3.delete_object(Bucket=BUCKET, Key=key)
    how = {"reason": "DeleteObject", "deletion-type": "Delete Marker Created"}
    return _event("Object Deleted", {"object": {"key": key}, **how})


def point(aws: Aws, app: str, version: str | None) -> Event:
    """Point the app at a release or, with None, at its newest by deleting the pointer."""
    if version is None:
        return _delete(aws, pointer_key(app))
    return put(aws, pointer_key(app), f"{version}\n".encode())


def boot(aws: Aws, app: str, order: Order = "version") -> Program:
    """Do what a boot script does: find the app's release, download it and run its program."""
    found = releases.find(aws.s3, BUCKET, TEMPLATE, app, order)
    if not isinstance(found, Released):
        return NOTHING
    data = aws.s3.get_object(Bucket=BUCKET, Key=found.release.key)["Body"].read()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return Program(**json.loads(archive.read(_MEMBER)))
    except (zipfile.BadZipFile, KeyError):
        return NOTHING
