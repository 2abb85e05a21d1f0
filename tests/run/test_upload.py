"""Events of S3: what they say was uploaded, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest

from terminator import upload
from terminator.upload import Change, EventError
from tests.fakes.cloud import Cloud
from tests.fakes.cloud_api import BUCKET, clients


def bridge(
    key: str, bucket: str = "releases", said: str = "Object Created", **more: str
) -> dict[str, Any]:
    """Return EventBridge's event, whose key is not encoded."""
    detail = {"bucket": {"name": bucket}, "object": {"key": key, "size": 1}, **more}
    return {"source": "aws.s3", "detail-type": said, "detail": detail}


def plain(*keys: str, said: str = "ObjectCreated:Put") -> dict[str, Any]:
    """Return the plain S3 notification, whose keys are URL-encoded."""
    s3 = [{"bucket": {"name": "releases"}, "object": {"key": key}} for key in keys]
    records = [{"eventSource": "aws:s3", "eventName": said, "s3": each} for each in s3]
    return {"Records": records}


@pytest.mark.parametrize(
    ("event", "keys"),
    [
        (bridge("web/1.0+build.1.zip"), ["web/1.0+build.1.zip"]),
        (plain("web/1.0%2Bbuild.1.zip"), ["web/1.0+build.1.zip"]),
        (plain("a+b/1.zip", "c/2.zip"), ["a b/1.zip", "c/2.zip"]),
        ({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "releases"}, []),
    ],
)
def test_both_kinds_of_event_are_read(event: object, keys: list[str]) -> None:
    read = upload.read_event(event)
    assert [(each.bucket, each.key) for each in read] == [("releases", key) for key in keys]
    assert {each.what for each in read} <= {"uploaded"}


# https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html
BY_EVENTBRIDGE = {
    "Object Created": "uploaded",
    "Object Deleted": "deleted",
    "Object Restore Initiated": "other",
    "Object Restore Completed": "other",
    "Object Restore Expired": "other",
    "Object Storage Class Changed": "other",
    "Object Access Tier Changed": "other",
    "Object ACL Updated": "other",
    "Object Tags Added": "other",
    "Object Tags Deleted": "other",
    "Object Something New": "other",
}
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
BY_NOTIFICATION = {
    "ObjectCreated:Put": "uploaded",
    "ObjectCreated:Post": "uploaded",
    "ObjectCreated:Copy": "uploaded",
    "ObjectCreated:CompleteMultipartUpload": "uploaded",
    "s3:ObjectCreated:Put": "uploaded",
    "ObjectRemoved:Delete": "deleted",
    "ObjectRemoved:DeleteMarkerCreated": "deleted",
    "ObjectRestore:Completed": "other",
    "ReducedRedundancyLostObject": "other",
    "Replication:OperationReplicatedAfterThreshold": "other",
    "LifecycleExpiration:Delete": "other",
    "LifecycleExpiration:DeleteMarkerCreated": "other",
    "LifecycleTransition": "other",
    "IntelligentTiering": "other",
    "ObjectTagging:Put": "other",
    "ObjectAcl:Put": "other",
}


@pytest.mark.parametrize(("said", "what"), BY_EVENTBRIDGE.items())
def test_what_eventbridge_tells_of_an_object_is_told_apart(said: str, what: str) -> None:
    event = bridge("web/1.zip", said=said)
    assert upload.read_event(event) == [Change("releases", "web/1.zip", what, said)]  # type: ignore[arg-type] # a parameter of the test


@pytest.mark.parametrize(("said", "what"), BY_NOTIFICATION.items())
def test_what_a_notification_tells_of_an_object_is_told_apart(said: str, what: str) -> None:
    event = plain("web/1.zip", said=said)
    assert upload.read_event(event) == [Change("releases", "web/1.zip", what, said)]  # type: ignore[arg-type] # a parameter of the test


@pytest.mark.parametrize("event", [{}, [], None, {"Records": [{}]}, {"source": "aws.s3"}, "\n"])
def test_anything_else_is_an_error_that_quotes_it(event: object) -> None:
    with pytest.raises(EventError) as caught:
        upload.read_event(event)
    assert str(caught.value).isprintable()


@pytest.fixture
def cloud() -> Cloud:
    """Return a bucket with a good release, a pointer to it, and rubbish."""
    cloud = Cloud()
    cloud.upload("web", "1.0.274")
    cloud.put("web/current", b"v1.0.274\r\n")
    cloud.put("web/1.0.275.zip", b"rubbish")
    cloud.put("api/current", b"1.0.274")
    return cloud


@pytest.mark.parametrize("key", ["web/1.0.274.zip", "web/current"])
def test_a_readable_zip_and_a_pointer_to_a_release_ask_for_their_app(
    cloud: Cloud, key: str
) -> None:
    [verdict] = upload.verdicts(bridge(key), clients(cloud).s3, BUCKET)
    assert (verdict.app, verdict.refused) == ("web", None)


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("web/1.0.275.zip", "the zip cannot be read: File is not a zip file"),
        ("web/1.0.276.zip", "the zip cannot be read: NoSuchKey: no"),
        ("web/newest.zip", 'key "web/newest.zip" names no version: not a version: "newest"'),
        ("web/notes.txt", 'key "web/notes.txt" is not of the form {app}/{version}.zip'),
        ("../1.0.zip", 'key "../1.0.zip" names no app'),
        ("web/1.0\n.zip", 'key "web/1.0\\n.zip" names no version: not a version: "1.0\\n"'),
        ("api/current", "no release of api"),
        ("a/b/current", '"a/b" is no name of an app'),
    ],
)
def test_a_bad_upload_is_refused_with_its_reason(cloud: Cloud, key: str, why: str) -> None:
    [verdict] = upload.verdicts(bridge(key), clients(cloud).s3, BUCKET)
    assert verdict.app is None
    assert why in str(verdict)
    assert str(verdict).isprintable()


def test_another_bucket_is_refused(cloud: Cloud) -> None:
    event = bridge("web/1.0.274.zip", bucket="elsewhere")
    [verdict] = upload.verdicts(event, clients(cloud).s3, BUCKET)
    assert str(verdict) == (
        "s3://elsewhere/web/1.0.274.zip => refused: it is not in the releases bucket"
    )


@pytest.mark.parametrize("key", ["web/1.0.275.zip", "web/0.9.zip", "web/current", "api/current"])
@pytest.mark.parametrize("deletion", ["Delete Marker Created", "Permanently Deleted"])
def test_a_deleted_zip_or_pointer_asks_for_its_app_and_says_deleted(
    cloud: Cloud, key: str, deletion: str
) -> None:
    more = {"reason": "DeleteObject", "deletion-type": deletion}
    event = bridge(key, said="Object Deleted", **more)
    [verdict] = upload.verdicts(event, clients(cloud).s3, BUCKET)
    app = key.partition("/")[0]
    assert verdict.app == app
    assert str(verdict) == f"s3://releases/{key} => deleted: reconciling the groups of {app}"


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (bridge("web/1.zip", said="Object Restore Completed"), "Object Restore Completed"),
        (bridge("web/\n.zip", said="Object Tags\nAdded"), "Object Tags\\nAdded"),
        (
            bridge("web/1.zip", said="Object Deleted", reason="Lifecycle Expiration"),
            "Object Deleted, Lifecycle Expiration",
        ),
        (plain("web/1.zip", said="LifecycleExpiration:Delete"), "LifecycleExpiration:Delete"),
    ],
)
def test_what_is_neither_uploaded_nor_deleted_by_anybody_asks_for_nothing(
    cloud: Cloud, event: object, said: str
) -> None:
    [verdict] = upload.verdicts(event, clients(cloud).s3, BUCKET)
    assert (verdict.app, verdict.refused) == (None, None)
    assert str(verdict).endswith(f".zip => nothing to do: {said}")
    assert str(verdict).isprintable()


@pytest.mark.parametrize("key", ["web/notes.txt", "web/newest.zip", "a/b/current"])
def test_a_deletion_of_what_is_no_release_asks_for_nothing(cloud: Cloud, key: str) -> None:
    event = bridge(key, said="Object Deleted", reason="DeleteObject")
    [verdict] = upload.verdicts(event, clients(cloud).s3, BUCKET)
    assert verdict.app is None
