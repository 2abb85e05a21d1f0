"""Instance refreshes of a group, whoever started them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terminator.model import Refresh

if TYPE_CHECKING:
    from types_boto3_autoscaling.client import AutoScalingClient


def describe_refreshes(autoscaling: AutoScalingClient, name: str) -> tuple[Refresh, ...]:
    """Return the last fifty instance refreshes of a group, the newest first.

    AWS keeps those of six weeks. Its errors pass through.
    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeInstanceRefreshes.html
    """
    answer = autoscaling.describe_instance_refreshes(AutoScalingGroupName=name)
    return tuple(
        Refresh(
            status=each["Status"],
            began=each.get("StartTime"),
            reason=each.get("StatusReason") or None,
            percent=each.get("PercentageComplete"),
        )
        for each in answer["InstanceRefreshes"]
        if each.get("Status")
    )
