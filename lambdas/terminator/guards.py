"""What is asked only of a group that would act: refreshes, alarms, and the target's zip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from terminator import releases
from terminator.model import Decision, Guards, Released
from terminator.version import quoted

if TYPE_CHECKING:
    from types_boto3_autoscaling.client import AutoScalingClient
    from types_boto3_cloudwatch.client import CloudWatchClient

    from terminator.aws import Aws
    from terminator.config import Bucket
    from terminator.model import Group
    from terminator.policy import Policy

# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstanceRefresh.html
_ACTIVE: Final = frozenset({"Pending", "InProgress", "Cancelling", "RollbackInProgress", "Baking"})


def ask(aws: Aws, bucket: Bucket | None, group: Group, policy: Policy, decided: Decision) -> Guards:
    """Ask what could still stand in the way of the decision; errors of AWS pass through."""
    return Guards(
        refresh=_refresh(aws.autoscaling, group.name),
        alarms=_alarms(aws.cloudwatch, policy.alarms) if policy.alarms else (),
        zip_problem=_zip_problem(aws, bucket, group) if decided.kind == "canary" else None,
    )


def _refresh(autoscaling: AutoScalingClient, name: str) -> str | None:
    answer = autoscaling.describe_instance_refreshes(AutoScalingGroupName=name)
    statuses = (each.get("Status", "") for each in answer["InstanceRefreshes"])
    return next((status for status in statuses if status in _ACTIVE), None)


def _alarms(cloudwatch: CloudWatchClient, names: tuple[str, ...]) -> tuple[str, ...]:
    pages = cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmNames=names, AlarmTypes=["CompositeAlarm", "MetricAlarm"]
    )
    states: dict[str, str] = {}
    for page in pages:
        for alarm in (*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ())):
            states[alarm["AlarmName"]] = alarm["StateValue"]
    return tuple(
        f"alarm {quoted(name)} {'is in ALARM' if name in states else 'does not exist'}"
        for name in names
        if states.get(name, "ALARM") == "ALARM"
    )


def _zip_problem(aws: Aws, bucket: Bucket | None, group: Group) -> str | None:
    if bucket is None or not isinstance(group.released, Released):
        return None
    return releases.zip_problem(aws.s3, bucket.name, group.released.release.key)
