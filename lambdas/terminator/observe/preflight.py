"""What is asked only of a group that would act: refreshes, alarms, and the target's zip."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from terminator.model import Guards, Kind, Released
from terminator.observe import releases
from terminator.observe.survey import CONFIRM_SECONDS
from terminator.text import quoted

if TYPE_CHECKING:
    from types_boto3_autoscaling.client import AutoScalingClient
    from types_boto3_cloudwatch.client import CloudWatchClient

    from terminator.config.deployment import Bucket
    from terminator.config.tags import Policy
    from terminator.model import Group
    from terminator.observe.survey import World

# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstanceRefresh.html
_ACTIVE: Final = frozenset({"Pending", "InProgress", "Cancelling", "RollbackInProgress", "Baking"})


def ask(world: World, bucket: Bucket | None, group: Group, policy: Policy, kind: Kind) -> Guards:
    """Ask what could still stand in the way of a decision of this kind.

    Errors of AWS pass through; raise OutOfTimeError where time runs out in between.
    """
    refresh = _refresh(world.aws.autoscaling, group.name)
    world.require(CONFIRM_SECONDS, "its alarms were asked")
    alarms = _alarms(world.aws.cloudwatch, policy.alarms) if policy.alarms else ()
    problem = _zip_problem(world, bucket, group) if kind == "canary" else None
    return Guards(refresh, alarms, problem)


def _refresh(autoscaling: AutoScalingClient, name: str) -> str | None:
    answer = autoscaling.describe_instance_refreshes(AutoScalingGroupName=name)
    statuses = (each.get("Status", "") for each in answer["InstanceRefreshes"])
    return next((status for status in statuses if status in _ACTIVE), None)


def _alarms(cloudwatch: CloudWatchClient, names: tuple[str, ...]) -> tuple[str, ...]:
    states = alarm_states(cloudwatch, names)
    return tuple(
        f"alarm {quoted(name)} {'is in ALARM' if name in states else 'does not exist'}"
        for name in names
        if states.get(name, "ALARM") == "ALARM"
    )


def alarm_states(cloudwatch: CloudWatchClient, names: tuple[str, ...]) -> dict[str, str]:
    """Return the state of each of these alarms that exists; errors of AWS pass through."""
    pages = cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmNames=names, AlarmTypes=["CompositeAlarm", "MetricAlarm"]
    )
    states: dict[str, str] = {}
    for page in pages:
        for alarm in (*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ())):
            states[alarm["AlarmName"]] = alarm["StateValue"]
    return states


def _zip_problem(world: World, bucket: Bucket | None, group: Group) -> str | None:
    if bucket is None or not isinstance(group.released, Released):
        return None
    in_time = partial(world.require, CONFIRM_SECONDS, "its zip was read")
    in_time()
    return releases.zip_problem(world.aws.s3, bucket.name, group.released.release.key, in_time)
