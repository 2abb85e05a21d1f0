"""The releases bucket, on a real S3 API."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
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
from terminator.model import UNVERSIONED, NoRelease, Released
from terminator.observe import releases
from terminator.observe.history import Reach, dated, versions_kept_for
from terminator.observe.zips import Ranged, zip_problem
from tests.fakes.cloud import Cloud, fleet, refusal
from tests.fakes.cloud_api import BUCKET, clients

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_s3.type_defs import (
        LifecycleRuleTypeDef,
        VersioningConfigurationTypeDef,
    )

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
    for version in ("1.0", "1.1"):
        s3.put_object(Bucket="plain", Key=f"web/{version}.zip")
    s3.put_object(Bucket="plain", Key="web/current", Body=b"1.0")
    listing = releases.list_releases(s3, "plain", TEMPLATE, "web")
    released = releases.chosen(s3, "plain", "web", listing)
    assert isinstance(released, Released)
    assert released.release.key == "web/1.0.zip"
    assert dated(s3, "plain", listing, released, Reach()) == released


def test_a_listing_has_old_versions_and_delete_markers_the_oldest_first(s3: S3Client) -> None:
    put(s3, "web/1.0.zip", "web/1.0.zip")
    s3.delete_object(Bucket="zips", Key="web/1.0.zip")
    put(s3, "web/current", data=b"1.0")
    listing = releases.list_releases(s3, "zips", TEMPLATE, "web")
    zips, pointer = listing.zips["web/1.0.zip"], listing.pointer
    assert [(e.deleted, e.latest) for e in zips] == [(False, False), (False, False), (True, True)]
    assert [(each.deleted, each.latest) for each in pointer] == [(False, True)]
    assert len({each.version_id for each in zips}) == 3
    assert {each.etag for each in zips if not each.deleted} == {"d41d8cd98f00b204e9800998ecf8427e"}
    assert all(each.when <= datetime.now(UTC) + timedelta(minutes=1) for each in zips)
    assert (listing.releases, listing.pointed) == ((), True)


def test_history_is_read_from_old_versions_of_the_pointer(s3: S3Client) -> None:
    put(s3, "web/1.0.zip", "web/2.0.zip")
    for text in (b"1.0", b"2.0", b"1.0"):
        put(s3, "web/current", data=text)
    listing = releases.list_releases(s3, "zips", TEMPLATE, "web")
    # S3 dates to the second: let a minute pass between two changes.
    times = iter(range(99))
    started = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    aged = {
        key: tuple(replace(each, when=started + timedelta(minutes=next(times))) for each in every)
        for key, every in (*listing.zips.items(), ("web/current", listing.pointer))
    }
    listing = replace(listing, zips=aged, pointer=aged.pop("web/current"))
    released = releases.chosen(s3, "zips", "web", listing)
    assert isinstance(released, Released)
    said = dated(s3, "zips", listing, released, Reach())
    minutes = [started + timedelta(minutes=number) for number in range(5)]
    assert (said.release.key, said.since) == ("web/1.0.zip", minutes[4])
    assert said.others == ((minutes[1], minutes[2]), (minutes[3], minutes[4]))


def test_an_upload_in_parts_is_known_by_its_etag(s3: S3Client) -> None:
    where: Any = {"Bucket": "zips", "Key": "web/1.0.zip"}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    sizes = {1: 5 * 2**20, 2: 2**20}
    parts: Any = [
        {
            "PartNumber": number,
            "ETag": s3.upload_part(**where, PartNumber=number, Body=bytes(size))["ETag"],
        }
        for number, size in sizes.items()
    ]
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    listing = releases.list_releases(s3, "zips", TEMPLATE, "web")
    [release] = listing.releases
    assert release.etag.endswith("-2")
    assert dated(s3, "zips", listing, Released(release, None), Reach()).doubt == timedelta(
        minutes=1, seconds=6
    )


def test_the_rules_for_old_versions_are_read(s3: S3Client) -> None:
    assert versions_kept_for(s3, "zips") is None
    rule: LifecycleRuleTypeDef = {
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
    }
    s3.put_bucket_lifecycle_configuration(Bucket="zips", LifecycleConfiguration={"Rules": [rule]})
    assert versions_kept_for(s3, "zips") == timedelta(days=30)
    s3.delete_bucket_lifecycle(Bucket="zips")


def test_versioning_that_is_suspended_stores_null_versions(s3: S3Client) -> None:
    put(s3, "web/1.0.zip")
    suspended: VersioningConfigurationTypeDef = {"Status": "Suspended"}
    s3.put_bucket_versioning(Bucket="zips", VersioningConfiguration=suspended)
    put(s3, "web/current", data=b"1.0")
    listing = releases.list_releases(s3, "zips", TEMPLATE, "web")
    [zipped], [pointer] = listing.zips["web/1.0.zip"], listing.pointer
    assert zipped.version_id != UNVERSIONED
    assert pointer.version_id == UNVERSIONED
    released = releases.chosen(s3, "zips", "web", listing)
    assert isinstance(released, Released)
    assert dated(s3, "zips", listing, released, Reach()) == released


def packed(files: dict[str, bytes], comment: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.comment = comment
        for name, data in files.items():
            # Dated 1980: a test's name must not depend on when it is collected.
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def encrypted() -> bytes:
    data = packed({"a": b"1"})
    for header, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = data.index(header) + flags
        data = data[:at] + bytes([data[at] | 1]) + data[at + 1 :]
    return data


def last_part(comment: bytes = b"", *, begins_before: bool = False) -> bytes:
    """Return the last of two parts; the central directory or a file begins in it, or before."""
    data = packed({"a": b"1"}, comment)
    at = data.index(b"PK\x05\x06") + 4
    if begins_before:
        at = data.index(b"PK\x01\x02") + 34
    return data[:at] + b"\1\0" + data[at + 2 :]


@pytest.mark.parametrize("more", [b"", b"\n", b"# signed" * 9, b"\0" * 65_000])
def test_what_follows_a_zip_makes_it_no_part_of_a_split_one(s3: S3Client, more: bytes) -> None:
    put(s3, "web/1.zip", data=packed({"a": b"1"}) + more)
    assert zip_problem(s3, "zips", "web/1.zip") is None


@pytest.mark.parametrize("comment", [b"", b"built by hand", b"x" * 65_535])
def test_a_good_zip_has_no_problem(s3: S3Client, comment: bytes) -> None:
    put(s3, "web/1.zip", data=packed({"a": b"1", "b/c": b"2"}, comment))
    assert zip_problem(s3, "zips", "web/1.zip") is None


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
        (encrypted(), "it is encrypted"),
        (last_part(), "it is one part of a split zip"),
        (last_part(b"the second"), "it is one part of a split zip"),
        (last_part(begins_before=True), "it is one part of a split zip"),
    ],
    # A zip holds the time at which it was packed, and an id must not.
    ids=[
        *("empty", "begun", "cut", "overwritten", "without files", "encrypted"),
        *("split", "split with a comment", "split within a file"),
    ],
)
def test_a_bad_zip_says_its_problem(s3: S3Client, data: bytes, problem: str) -> None:
    put(s3, "web/1.zip", data=data)
    assert zip_problem(s3, "zips", "web/1.zip") == problem


def test_a_zip_that_is_not_there_says_what_s3_says(s3: S3Client) -> None:
    assert zip_problem(s3, "zips", "web/1.zip") == "404: Not Found"


def test_only_the_end_of_a_large_zip_is_read() -> None:
    cloud = Cloud()
    cloud.put("web/1.zip", packed({"large": b"\0" * 5_000_000}))
    api, read = clients(cloud).s3, list[int]()

    def get_object(**asked: str) -> object:
        answer = get(**asked)
        read.append(len(answer["Body"].getvalue()))
        return answer

    get, api.get_object = api.get_object, get_object
    assert zip_problem(api, BUCKET.name, "web/1.zip") is None
    assert sum(read) < 1000


@given(st.binary(max_size=200), st.integers(min_value=0, max_value=150))
def test_no_bytes_make_the_check_of_a_zip_raise(noise: bytes, cut: int) -> None:
    cloud = Cloud()
    cloud.put("web/1.zip", packed({"a": b"1"})[:cut] + noise + packed({"b": b"2"})[cut:])
    said = zip_problem(clients(cloud).s3, BUCKET.name, "web/1.zip")
    assert said is None or said.isprintable()


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
        zip_problem(clients(cloud).s3, BUCKET.name, "web/1.0.274.zip")


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
