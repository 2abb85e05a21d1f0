"""Somebody in another account has made a bucket under the name of ours, which was deleted."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from terminator.clients import Aws
from terminator.config.deployment import from_settings

KEYS: Any = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
OPERATIONS: dict[str, Any] = {
    "list_object_versions": {},
    "get_object": {"Key": "web/current"},
    "head_object": {"Key": "web/1.zip"},
    "put_object": {"Key": "web/current", "Body": b"1"},
    "delete_object": {"Key": "web/current"},
    "get_bucket_lifecycle_configuration": {},
    "get_bucket_versioning": {},
    "get_bucket_notification_configuration": {},
    "get_bucket_encryption": {},
    "head_bucket": {},
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_call_tells_s3_whose_the_bucket_has_to_be(operation: str) -> None:
    session = boto3.Session(region_name="eu-west-1", **KEYS)
    s3 = Aws(session, bucket_owner=lambda: "111122223333").s3
    sent: list[Any] = []

    def answer(request: Any, **_: Any) -> Any:
        sent.append(request.headers["x-amz-expected-bucket-owner"])
        raise ConnectionAbortedError

    s3.meta.events.register("before-send.s3", answer)
    with pytest.raises(ConnectionAbortedError):
        getattr(s3, operation)(Bucket="releases", **OPERATIONS[operation])
    assert set(sent) in ({b"111122223333"}, {"111122223333"})


def test_the_account_of_the_bucket_is_a_setting() -> None:
    releases = {"bucket": "releases", "account": "111122223333"}
    bucket = from_settings({"groups": {"tagged": True}, "releases": releases}).bucket
    assert bucket is not None
    assert bucket.account == "111122223333"
