"""What boto3 alone takes for what the functions ask of AWS: the same clients, the same calls."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config

from benchmarks.account import Account

if TYPE_CHECKING:
    from types_boto3_events.type_defs import PutEventsRequestEntryTypeDef

_PART: Final = 1000


def release() -> None:
    """Make the calls of release: is the zip readable, and if so ask reconcile."""
    s3, functions = boto3.client("s3"), boto3.client("lambda")
    size = s3.head_object(Bucket="releases", Key="app0/1.0.274.zip")["ContentLength"]
    for first in (size - 22, size - 22, 0):
        span = f"bytes={first}-{size - 1}"
        s3.get_object(Bucket="releases", Key="app0/1.0.274.zip", Range=span)["Body"].read()
    functions.invoke(FunctionName="reconcile", InvocationType="Event", Payload=b'{"app": "app0"}')


class Reconcile:
    """The calls of reconcile over an account, with clients that are made once."""

    def __init__(self) -> None:
        """Make the clients."""
        session = boto3.Session()
        self._autoscaling = session.client("autoscaling")
        self._terminating = session.client(
            "autoscaling", config=Config(retries={"total_max_attempts": 1})
        )
        self._ec2, self._elbv2 = session.client("ec2"), session.client("elbv2")
        self._s3, self._lambda = session.client("s3"), session.client("lambda")
        self._events = session.client("events")

    def __call__(self, account: Account, terminated: int, puts: int) -> None:
        """Make the calls of one run: so many terminations, and events in so many calls."""
        paginator = self._autoscaling.get_paginator("describe_auto_scaling_groups")
        pages = paginator.paginate(
            Filters=[{"Name": "tag:terminator:enabled", "Values": ["true"]}],
            PaginationConfig={"PageSize": 100},
        )
        groups = [group for page in pages for group in page["AutoScalingGroups"]]
        for number in range(account.groups):
            self._s3.list_object_versions(Bucket="releases", Prefix=f"app{number}/")
        members = [member for group in groups for member in group["Instances"]]
        ids = [member["InstanceId"] for member in members]
        # No call names instances of two zones.
        for zone in sorted({member["AvailabilityZone"] for member in members}):
            of_zone = [each["InstanceId"] for each in members if each["AvailabilityZone"] == zone]
            for first in range(0, len(of_zone), _PART):
                self._ec2.describe_instances(InstanceIds=of_zone[first : first + _PART])
        for first in range(0, len(ids), _PART):
            self._ask(ids[first : first + _PART])
        for group in groups:
            self._elbv2.describe_target_health(TargetGroupArn=group["TargetGroupARNs"][0])
        if account.acting:
            self._s3.get_bucket_lifecycle_configuration(Bucket="releases")
        for number in account.acting:
            self._act(f"live_asg_app{number}")
        for id_ in ids[:terminated]:
            self._terminating.terminate_instance_in_auto_scaling_group(
                InstanceId=id_, ShouldDecrementDesiredCapacity=False
            )
        entry: PutEventsRequestEntryTypeDef = {
            "Source": "terminator",
            "DetailType": "Terminator Replacement",
            "Detail": "{}",
        }
        for _ in range(puts):
            self._events.put_events(Entries=[entry] * (len(account.acting) // puts))

    def _ask(self, ids: list[str]) -> None:
        payload = json.dumps({"questions": [{"instance": id_} for id_ in ids]}).encode()
        json.load(self._lambda.invoke(FunctionName="probe", Payload=payload)["Payload"])

    def _act(self, name: str) -> None:
        self._autoscaling.describe_scaling_activities(AutoScalingGroupName=name)
        self._autoscaling.describe_instance_refreshes(AutoScalingGroupName=name)
        self._autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])
