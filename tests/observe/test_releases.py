"""The releases bucket, on a real S3 API."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from terminator.clients import Aws
from terminator.config.release_keys import KeyTemplate
from terminator.errors import KnownError
from terminator.model import NoRelease, Released
from terminator.observe import releases
from terminator.observe.releases import Ranged
from tests.fakes.cloud import Cloud, fleet, minutes, refusal
from tests.fakes.cloud_api import BUCKET, clients

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

TEMPLATE = KeyTemplate.parse("{app}/{version}.zip")


@pytest.fixture(scope="module")
def account() -> Iterator[S3Client]:
    """Make one account for all tests of the module, since a client takes a while to make."""
    keys: Any = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    with mock_aws():
        yield Aws(boto3.Session(region_name="us-east-1", **keys)).s3


@pytest.fixture
def s3(account: S3Client) -> Iterator[S3Client]:
    """Make a versioned bucket, and remove it."""
    account.create_bucket(Bucket="zips")
    account.put_bucket_versioning(Bucket="zips", VersioningConfiguration={"Status": "Enabled"})
    yield account
    for page in list(account.get_paginator("list_object_versions").paginate(Bucket="zips")):
        for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
            account.delete_object(Bucket="zips", Key=each["Key"], VersionId=each["VersionId"])
    account.delete_bucket(Bucket="zips")


def put(s3: S3Client, *keys: str, data: bytes = b"") -> None:
    for key in keys:
        s3.put_object(Bucket="zips", Key=key, Body=data)


def found(
    s3: S3Client, app: str = "web", template: KeyTemplate = TEMPLATE, bucket: str = "zips"
) -> Released:
    released = releases.find(s3, bucket, template, app)
    assert isinstance(released, Released), released
    return released


def test_the_newest_release_is_the_highest_not_the_last_key(s3: S3Client) -> None:
    put(s3, "web/1.0.9.zip", "web/1.0.10.zip", "web/1.0.10-rc.1.zip", "webby/9.0.zip")
    assert found(s3).release.key == "web/1.0.10.zip"


def test_what_is_no_release_of_the_app_is_passed_over(s3: S3Client) -> None:
    put(
        s3, "web/1.0.zip", "web/latest.zip", "web/notes.txt", "web/", "web/old/2.0.zip", "api/3.zip"
    )
    assert found(s3).release.key == "web/1.0.zip"


def test_of_equal_versions_the_last_modified_is_the_release() -> None:
    cloud = Cloud()
    cloud.upload("web", "v1.2")
    cloud.wait(1)
    cloud.upload("web", "1.2.0")
    assert found(clients(cloud).s3, bucket="releases").release.key == "web/1.2.0.zip"


def test_of_equal_versions_of_one_moment_the_greater_key_is_the_release() -> None:
    cloud = Cloud()
    cloud.upload("web", "v1.2")
    cloud.upload("web", "1.2.0")
    assert found(clients(cloud).s3, bucket="releases").release.key == "web/v1.2.zip"


def test_of_equal_versions_that_a_pointer_names_the_last_modified_is_the_release() -> None:
    cloud = Cloud()
    cloud.put("web/current", b"1.2")
    cloud.upload("web", "v1.2")
    cloud.wait(1)
    cloud.upload("web", "1.2.0")
    assert found(clients(cloud).s3, bucket="releases").release.key == "web/1.2.0.zip"


def test_one_listing_and_one_read_find_the_release() -> None:
    cloud = Cloud()
    cloud.upload("web", "1.0.266")
    cloud.put("web/current", b"1.0.266")
    releases.find(clients(cloud).s3, "releases", TEMPLATE, "web")
    assert cloud.calls == {"ListObjectVersions": 1, "GetObject": 1}


def test_more_releases_than_a_page_are_all_seen(
    s3: S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
    put(s3, *[f"web/1.0.{number}.zip" for number in range(25)])
    assert "NextKeyMarker" in s3.list_object_versions(Bucket="zips")
    assert found(s3).release.version.text == "1.0.24"


def test_no_release_is_said(s3: S3Client) -> None:
    assert releases.find(s3, "zips", TEMPLATE, "web") == NoRelease("no release of web in s3://zips")


def test_a_group_name_that_is_no_app_is_said(s3: S3Client) -> None:
    said = releases.find(s3, "zips", TEMPLATE, "live web\n")
    assert said == NoRelease('"live web\\n" is no name of an app: set the tag terminator:app')


@pytest.mark.parametrize(
    "text", [b"1.0.266", b"v1.0.266\r\n", b"\xef\xbb\xbf 1.0.266 ", b"1.0.266" + b" " * 249]
)
def test_a_pointer_names_the_release_however_it_is_written(s3: S3Client, text: bytes) -> None:
    put(s3, "web/1.0.266.zip", "web/1.0.274.zip")
    put(s3, "web/current", data=text)
    assert found(s3).release.key == "web/1.0.266.zip"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"1.0.999", "the pointer web/current names 1.0.999, which is no release of web"),
        (b"", 'the pointer web/current names no release: not a version: ""'),
        (b"\x1b[2J\xff", 'not a version: "\\u001b[2J\\\\xff"'),
        (b"1" * 10_000, "the pointer web/current names no release: it is over 256 bytes"),
        (b" " * 249 + b"1.0.2660", "the pointer web/current names no release: it is over 256"),
        (b"1" * 129, 'the pointer web/current names no release: not a version: "1111'),
        (b"1.0.266\n1.0.274", r'not a version: "1.0.266\n1.0.274"'),
        ("\uff11.0.266".encode(), r'not a version: "\uff11.0.266"'),
        ("1.0.266\u202e".encode(), r'not a version: "1.0.266\u202e"'),
        (b"../api/1.0.266", 'not a version: "../api/1.0.266"'),
        (b'{"version": "1.0.266"}', r'not a version: "{\"version\": \"1.0.266\"}"'),
        ("1.0.266".encode("utf-16"), "not a version: "),
        (b"1.0.266\0", r'not a version: "1.0.266\u0000"'),
    ],
)
def test_a_pointer_that_names_no_release_is_no_fall_back(
    s3: S3Client, text: bytes, reason: str
) -> None:
    put(s3, "web/1.0.266.zip")
    put(s3, "web/current", data=text)
    said = releases.find(s3, "zips", TEMPLATE, "web")
    assert isinstance(said, NoRelease)
    assert reason in said.reason
    assert len(said.reason) < 200


def test_a_pointer_with_build_metadata_names_that_build(s3: S3Client) -> None:
    put(s3, "web/1.0+a.zip", "web/1.0+b.zip")
    put(s3, "web/current", data=b"1.0+a")
    assert found(s3).release.key == "web/1.0+a.zip"


def test_a_template_whose_prefix_is_not_the_pointers_still_finds_it(s3: S3Client) -> None:
    template = KeyTemplate.parse("builds/{app}/{version}.zip")
    put(s3, "builds/web/1.0.zip", "builds/web/2.0.zip")
    assert found(s3, template=template).release.key == "builds/web/2.0.zip"
    put(s3, "web/current", data=b"1.0")
    assert found(s3, template=template).release.key == "builds/web/1.0.zip"


def test_a_bucket_without_versions_works_too(s3: S3Client) -> None:
    s3.create_bucket(Bucket="plain")
    s3.put_object(Bucket="plain", Key="web/1.0.zip")
    released = releases.find(s3, "plain", TEMPLATE, "web")
    assert isinstance(released, Released)
    assert (released.repointed, released.deleted) == (False, None)


def since(cloud: Cloud) -> tuple[float, str]:
    """Return since when the target is that, in minutes after the start, and by what."""
    released = releases.find(clients(cloud).s3, "releases", TEMPLATE, "web")
    assert isinstance(released, Released)
    by = "pointer" if released.repointed else str(released.deleted or "zip")
    return (released.since - Cloud().now) / timedelta(minutes=1), by


def test_since_is_when_the_zip_was_uploaded_and_again_when_it_is_uploaded_again() -> None:
    cloud = Cloud()
    cloud.upload("web", "1.0.266")
    assert since(cloud) == (0, "zip")
    cloud.wait(10)
    cloud.upload("web", "1.0.266")
    assert since(cloud) == (10, "zip")


def test_since_is_when_a_higher_release_was_deleted_not_a_lower_one() -> None:
    cloud = Cloud()
    for version in ("1.0.200", "1.0.266", "1.0.274"):
        cloud.upload("web", version)
    cloud.wait(10)
    cloud.put("web/1.0.274.zip", None)
    cloud.wait(10)
    cloud.put("web/1.0.200.zip", None)
    assert since(cloud) == (10, "1.0.274")


def test_since_is_when_another_spelling_of_the_release_was_deleted() -> None:
    cloud = Cloud()
    cloud.upload("web", "v1.2")
    cloud.wait(10)
    cloud.upload("web", "1.2.0")
    cloud.wait(10)
    cloud.put("web/1.2.0.zip", None)
    assert since(cloud) == (20, "1.2.0")


def test_a_release_that_was_deleted_and_uploaded_again_is_dated_by_its_zip() -> None:
    cloud = Cloud()
    cloud.upload("web", "1.0.266")
    cloud.wait(10)
    cloud.put("web/1.0.266.zip", None)
    cloud.wait(10)
    cloud.upload("web", "1.0.266")
    assert since(cloud) == (20, "zip")


def test_since_is_the_later_of_pointer_and_zip() -> None:
    cloud = Cloud()
    cloud.upload("web", "1.0.266")
    cloud.wait(10)
    cloud.put("web/current", b"1.0.266")
    assert since(cloud) == (10, "pointer")
    cloud.wait(10)
    cloud.upload("web", "1.0.266")
    assert since(cloud) == (20, "pointer")


def test_since_is_when_the_pointer_was_deleted() -> None:
    cloud = Cloud()
    cloud.upload("web", "1.0.266")
    cloud.put("web/current", b"1.0.266")
    cloud.wait(10)
    cloud.put("web/current", None)
    assert since(cloud) == (10, "pointer")


def packed(files: dict[str, bytes], comment: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.comment = comment
        for name, data in files.items():
            # Dated 1980: a test's name must not depend on when it is collected.
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


@pytest.mark.parametrize("comment", [b"", b"built by hand", b"x" * 65_535])
def test_a_good_zip_has_no_problem(s3: S3Client, comment: bytes) -> None:
    put(s3, "web/1.zip", data=packed({"a": b"1", "b/c": b"2"}, comment))
    assert releases.zip_problem(s3, "zips", "web/1.zip") is None


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "File is not a zip file"),
        (b"PK", "File is not a zip file"),
        (packed({"a": b"1"})[:-1], "File is not a zip file"),
        (
            packed({"a": b"1"}).replace(b"PK\x01\x02", b"PK\0\0"),
            "Bad magic number for central directory",
        ),
        (packed({}), "it holds no files"),
    ],
    # A zip holds the time at which it was packed, and an id must not.
    ids=["empty", "begun", "cut", "overwritten", "without files"],
)
def test_a_bad_zip_says_its_problem(s3: S3Client, data: bytes, problem: str) -> None:
    put(s3, "web/1.zip", data=data)
    assert releases.zip_problem(s3, "zips", "web/1.zip") == problem


def test_a_zip_that_is_not_there_says_what_s3_says(s3: S3Client) -> None:
    assert releases.zip_problem(s3, "zips", "web/1.zip") == "404: Not Found"


def test_only_the_end_of_a_large_zip_is_read() -> None:
    cloud = Cloud()
    cloud.put("web/1.zip", packed({"large": b"\0" * 5_000_000}))
    api, read = clients(cloud).s3, list[int]()

    def get_object(**asked: str) -> object:
        answer = get(**asked)
        read.append(len(answer["Body"].getvalue()))
        return answer

    get, api.get_object = api.get_object, get_object
    assert releases.zip_problem(api, BUCKET.name, "web/1.zip") is None
    assert sum(read) < 1000


@given(st.binary(max_size=200), st.integers(min_value=0, max_value=150))
def test_no_bytes_make_the_check_of_a_zip_raise(noise: bytes, cut: int) -> None:
    cloud = Cloud()
    cloud.put("web/1.zip", packed({"a": b"1"})[:cut] + noise + packed({"b": b"2"})[cut:])
    said = releases.zip_problem(clients(cloud).s3, BUCKET.name, "web/1.zip")
    assert said is None or said.isprintable()


def test_times_of_s3_have_a_zone(s3: S3Client) -> None:
    put(s3, "web/1.zip")
    assert found(s3).since <= datetime.now(UTC) + minutes(1)


def test_since_is_when_the_pointer_was_last_deleted() -> None:
    cloud = Cloud()
    cloud.upload("web", "1.0.266")
    for _ in range(2):
        cloud.put("web/current", b"1.0.266")
        cloud.wait(10)
        cloud.put("web/current", None)
    assert since(cloud) == (20, "pointer")


def test_a_zip_of_another_app_is_no_release_where_keys_begin_with_the_version(
    s3: S3Client,
) -> None:
    put(s3, "1.0/web.zip", "9.0/api.zip", "8.0/webby.zip")
    template = KeyTemplate.parse("{version}/{app}.zip")
    assert found(s3, template=template).release.key == "1.0/web.zip"


def ranged(data: bytes) -> Ranged:
    """Return the data as an object in S3."""
    cloud = Cloud()
    cloud.put("web/1.zip", data)
    return Ranged(clients(cloud).s3, BUCKET.name, "web/1.zip", len(data), lambda: None)


def told(file: Any, name: str, *arguments: int) -> object:
    """Return what a file answers, or the error that it raises."""
    try:
        return getattr(file, name)(*arguments)
    except OSError as error:
        return str(error)


moves = st.tuples(st.just("seek"), st.integers(-9, 9), st.sampled_from((0, 1, 2)))
reads = st.tuples(st.just("read"), st.integers(-1, 9))
steps = moves | reads | st.sampled_from([("read",), ("tell",), ("seek", 1)])


@given(st.binary(max_size=8), st.lists(steps, max_size=6))
def test_an_object_in_s3_reads_as_a_file_does(data: bytes, asked: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(data)
        file.seek(0)
        remote = ranged(data)
        for step in [*asked, ("tell",)]:
            assert told(remote, *step) == told(file, *step), step


def test_no_more_than_16_mib_are_read_at_once() -> None:
    """A zip that asks for more than its central directory can be is broken."""
    remote = ranged(bytes(16 * 2**20 + 1))
    with pytest.raises(zipfile.BadZipFile, match=r"^its central directory is over 16777216 bytes$"):
        remote.read()
    remote.seek(1)
    assert len(remote.read()) == 16 * 2**20


def test_reading_no_bytes_reads_none() -> None:
    assert ranged(b"12").read(0) == b""


def test_what_s3_cannot_answer_now_is_told_as_it_said_it() -> None:
    cloud, _ = fleet()
    cloud.faults["GetObject", "web/1.0.274.zip"] = refusal("Throttling", "slow down")
    with pytest.raises(ClientError, match="slow down"):
        releases.zip_problem(clients(cloud).s3, BUCKET.name, "web/1.0.274.zip")


def test_an_answer_of_s3_that_breaks_off_is_no_fault_of_the_zip() -> None:
    cloud, _ = fleet()
    broken = ReadTimeoutError(endpoint_url="https://s3.example")
    cloud.faults["GetObject", "web/1.0.274.zip"] = broken
    with pytest.raises(KnownError, match=r"^ReadTimeoutError: Read timeout .*s3\.example"):
        Ranged(clients(cloud).s3, BUCKET.name, "web/1.0.274.zip", 9, lambda: None).read(1)


def test_a_release_has_the_size_of_its_zip(s3: S3Client) -> None:
    put(s3, "web/1.0.266.zip", data=b"123456789")
    template = KeyTemplate.parse("{app}/{version}.zip")
    [release] = releases.list_releases(s3, "zips", template, "web").releases
    assert release.size == 9
