"""What is asked only of a group that would act: refreshes, alarms, and the target's zip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from terminator.model import Preflight, Released
from terminator.observe.releases import zip_problem
from terminator.observe.snapshot import CONFIRM_SECONDS
from terminator.text import quoted

if TYPE_CHECKING:
    from types_boto3_cloudwatch.client import CloudWatchClient

    from terminator.config.deployment import Bucket
    from terminator.config.tags import Policy
    from terminator.model import Decision, Group
    from terminator.observe.snapshot import World

# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstanceRefresh.html
_ACTIVE: Final = frozenset({"Pending", "InProgress", "Cancelling", "RollbackInProgress", "Baking"})


def ask_preflight(
    world: World, bucket: Bucket | None, group: Group, policy: Policy, decision: Decision
) -> Preflight:
    """Ask what could still stand in the way of the decision; the zip is read for a canary.

    Errors of AWS pass through; raise OutOfTimeError where time runs out in between.
    """
    answer = world.aws.autoscaling.describe_instance_refreshes(AutoScalingGroupName=group.name)
    statuses = (each.get("Status", "") for each in answer["InstanceRefreshes"])
    refresh = next((status for status in statuses if status in _ACTIVE), None)
    world.require(CONFIRM_SECONDS, "its alarms were asked")
    alarms: tuple[str, ...] = ()
    if policy.alarms:
        states = alarm_states(world.aws.cloudwatch, policy.alarms)
        alarms = tuple(
            f"alarm {quoted(name)} {'is in ALARM' if name in states else 'does not exist'}"
            for name in policy.alarms
            if states.get(name, "ALARM") == "ALARM"
        )
    if decision.kind != "canary" or bucket is None or not isinstance(group.released, Released):
        return Preflight(refresh, alarms)

    def in_time() -> None:
        world.require(CONFIRM_SECONDS, "its zip was read")

    in_time()
    key = group.released.release.key
    return Preflight(refresh, alarms, zip_problem(world.aws.s3, bucket.name, key, in_time))


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
