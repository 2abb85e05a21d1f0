"""What is asked only of a group that would act: refreshes, alarms, and the target's zip."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from terminator.model import Alarm, Preflight, Released
from terminator.observe.autoscaling import in_parts
from terminator.observe.refreshes import describe_refreshes
from terminator.observe.snapshot import CONFIRM_SECONDS
from terminator.observe.zips import zip_problem

if TYPE_CHECKING:
    from types_boto3_cloudwatch.client import CloudWatchClient
    from types_boto3_cloudwatch.literals import AlarmTypeType, ScanByType
    from types_boto3_cloudwatch.type_defs import AlarmHistoryItemTypeDef

    from terminator.config.deployment import Bucket
    from terminator.config.tags import Policy
    from terminator.model import Decision, Group
    from terminator.observe.snapshot import World


# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
_NAMES_A_CALL: Final = 100
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarmHistory.html
_ITEMS_A_PAGE: Final = 100
_MOST_ITEMS: Final = 1000
_HISTORY_KEPT: Final = timedelta(days=14)
# Those of log queries are known to boto3 of late 2026 only.
_TYPES: Final[Sequence[AlarmTypeType]] = ("CompositeAlarm", "LogAlarm", "MetricAlarm")


def ask_preflight(
    world: World, bucket: Bucket | None, group: Group, policy: Policy, decision: Decision
) -> Preflight:
    """Ask what could still stand in the way.

    The zip is read for a canary, for what is recycled, and before a refresh is started. Errors of
    AWS pass through; raise OutOfTimeError where time runs out in between.
    """
    refreshes = describe_refreshes(world.aws.autoscaling, group.name)
    refresh = next((each.status for each in refreshes if each.in_progress), None)
    world.require(CONFIRM_SECONDS, "its alarms were asked")
    released = group.released if isinstance(group.released, Released) else None
    since = released.since if released else None
    now = world.clock()
    alarms: list[Alarm] = []
    states = alarm_states(world.aws.cloudwatch, policy.alarm_names)
    for name in policy.alarm_names:
        world.require(CONFIRM_SECONDS, "the histories of its alarms were asked")
        alarm = Alarm(name, *states.get(name, (None, None)))
        alarms.append(with_history(world.aws.cloudwatch, alarm, since, policy.bake_time, now))
    if decision.kind not in {"canary", "surge", "recycle"} or bucket is None or released is None:
        return Preflight(refresh, tuple(alarms))

    def in_time() -> None:
        world.require(CONFIRM_SECONDS, "its zip was read")

    if not bucket.template.is_zip:
        return Preflight(refresh, tuple(alarms))
    in_time()
    problem = zip_problem(world.aws.s3, bucket.name, released.release.key, in_time)
    return Preflight(refresh, tuple(alarms), problem)


def alarm_states(
    cloudwatch: CloudWatchClient, names: tuple[str, ...]
) -> dict[str, tuple[str, datetime | None]]:
    """Return the state of each of these alarms that exists, and when it last changed.

    Errors of AWS pass through.
    """
    return {
        row["AlarmName"]: (
            row["StateValue"],
            row.get("StateTransitionedTimestamp") or row.get("StateUpdatedTimestamp"),
        )
        for row in alarm_rows(cloudwatch, names)
    }


def alarm_rows(cloudwatch: CloudWatchClient, names: tuple[str, ...]) -> Iterator[Mapping[str, Any]]:
    """Yield what CloudWatch says of those alarms that exist; errors of AWS pass through."""
    for some in in_parts(names, _NAMES_A_CALL):
        pages = cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmNames=some, AlarmTypes=_TYPES
        )
        for page in pages:
            yield from page.get("MetricAlarms", ())
            yield from page.get("CompositeAlarms", ())
            yield from page.get("LogAlarms", ())


def with_history(
    cloudwatch: CloudWatchClient,
    alarm: Alarm,
    since: datetime | None,
    bake_time: timedelta,
    now: datetime,
) -> Alarm:
    """Return an alarm with what its history tells; its history is asked only where it matters.

    That is where it changed within the bake time, so that one that flaps is told, and, of one
    that would hold, where it has to be known whether it was in ALARM when the target became the
    target.
    """
    in_alarm, changed = alarm.state == "ALARM", alarm.changed
    if alarm.state is None:
        return alarm
    if in_alarm and since is not None and changed is not None and changed < since:
        return replace(alarm, last_alarm=now, at_since=True)
    last_alarm = now if in_alarm else None
    if not in_alarm and (changed is None or changed >= now - bake_time):
        items = changes(cloudwatch, alarm.name, now - bake_time, "TimestampDescending")
        last_alarm = next((when for when, before in items if before in {"ALARM", ""}), None)
    if last_alarm is None or since is None:
        return replace(alarm, last_alarm=last_alarm)
    at_since = since - bake_time > now - _HISTORY_KEPT and _rings_from(
        changes(cloudwatch, alarm.name, since - bake_time, "TimestampAscending"), since, bake_time
    )
    return replace(alarm, last_alarm=last_alarm, at_since=at_since)


def _rings_from(
    changes: Iterable[tuple[datetime, str]], at: datetime, bake_time: timedelta
) -> bool:
    """Say whether an alarm was in ALARM at a time, or at most the bake time before, and is still.

    `changes` are those since that long before, the oldest first, with the state before each.
    One that flaps is in ALARM; one that was out of it for the bake time rings for another reason.
    """
    left: datetime | None = None
    for when, before in changes:
        if before == "ALARM":
            left = when
        elif when > at and (left is None or when - left >= bake_time):
            return False
    return left is not None


def changes(
    cloudwatch: CloudWatchClient, name: str, begin: datetime, order: ScanByType
) -> Iterator[tuple[datetime, str]]:
    """Yield when an alarm changed since a moment, and from which state."""
    pages = cloudwatch.get_paginator("describe_alarm_history").paginate(
        AlarmName=name,
        AlarmTypes=_TYPES,
        HistoryItemType="StateUpdate",
        StartDate=begin,
        ScanBy=order,
        PaginationConfig={"PageSize": _ITEMS_A_PAGE, "MaxItems": _MOST_ITEMS},
    )
    for page in pages:
        for item in page["AlarmHistoryItems"]:
            if item["HistoryItemType"] == "StateUpdate":
                yield item["Timestamp"], _state_before(item)


def _state_before(item: AlarmHistoryItemTypeDef) -> str:
    """Return the state from which an alarm changed, empty where nobody can tell."""
    try:
        return str(json.loads(item.get("HistoryData", ""))["oldState"]["stateValue"])
    except (ValueError, KeyError, TypeError):  # AWS cuts long ones
        match = re.match(r"Alarm updated from (\w+) to ", item.get("HistorySummary", ""))
        return match[1] if match else ""
