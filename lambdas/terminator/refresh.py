"""Starting an instance refresh, which replaces the one instance of a group without a gap."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from terminator.terminate import CALL_SECONDS, Terminations, refused

if TYPE_CHECKING:
    from types_boto3_autoscaling.client import AutoScalingClient
    from types_boto3_autoscaling.type_defs import RefreshPreferencesTypeDef

    from terminator.model import Surge


def start(
    autoscaling: AutoScalingClient, group: str, surge: Surge, remaining: Callable[[], float]
) -> Terminations:
    """Start an instance refresh of a group, by one call, and return what AWS answered.

    Only where both percentages are sent, and are 100, does AWS launch before it terminates:
    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RefreshPreferences.html
    It does not see that user data deploys other code, so what matches is not skipped. The client
    must not retry: an answer may have been lost.
    """
    if remaining() < CALL_SECONDS:
        return Terminations(failed={surge.id: "time ran out"})
    preferences: RefreshPreferencesTypeDef = {
        "MinHealthyPercentage": 100,
        "MaxHealthyPercentage": 100,
        "InstanceWarmup": int(surge.warmup.total_seconds()),
        "SkipMatching": False,
        "ScaleInProtectedInstances": "Ignore",
        "StandbyInstances": "Ignore",
    }
    if surge.alarms:
        preferences["AlarmSpecification"] = {"Alarms": [*surge.alarms]}
    try:
        answer = autoscaling.start_instance_refresh(
            AutoScalingGroupName=group, Strategy="Rolling", Preferences=preferences
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, it must be told
        return refused(surge.id, error, "may be under way")
    return Terminations(refresh=answer["InstanceRefreshId"])
