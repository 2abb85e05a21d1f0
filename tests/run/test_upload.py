"""Events of S3: what they say was uploaded, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest

from terminator import upload
from terminator.upload import EventError, Uploaded
from tests.fakes.cloud import Cloud
from tests.fakes.cloud_api import BUCKET, clients


def bridge(key: str, bucket: str = "releases") -> dict[str, Any]:
    """Return EventBridge's event, whose key is not encoded."""
    detail = {"bucket": {"name": bucket}, "object": {"key": key, "size": 1}}
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}


def plain(*keys: str) -> dict[str, Any]:
    """Return the plain S3 notification, whose keys are URL-encoded."""
    s3 = [{"bucket": {"name": "releases"}, "object": {"key": key}} for key in keys]
    return {"Records": [{"eventSource": "aws:s3", "s3": each} for each in s3]}


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
    assert upload.read_event(event) == [Uploaded("releases", key) for key in keys]


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
