"""Whether launches of a group end in time, and not in service when they failed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from terminator.clients import Aws
from terminator.config.tags import TAG_PREFIX
from terminator.text import quoted, span
from terminator_cli.doctor.findings import Finding, Unseen, about, look, tag_command

if TYPE_CHECKING:
    from terminator.observe.snapshot import OptedIn

# So many of the newest activities say how long launches take.
_ACTIVITIES: Final = 100
_LAUNCHING: Final = "autoscaling:EC2_INSTANCE_LAUNCHING"
_MINUTE: Final = timedelta(minutes=1)


def examine(aws: Aws, group: OptedIn) -> Iterator[Finding]:
    """Check a group's launch hooks, and how long its launches took."""
    yield from check_hooks(group, look(partial(_hooks, aws, group.name)))
    launches = look(partial(_launches, aws, group.name))
    yield from check_boots(group, launches)
    yield from check_age(group, launches)


def _hooks(aws: Aws, name: str) -> list[Mapping[str, Any]]:
    answer = aws.autoscaling.describe_lifecycle_hooks(AutoScalingGroupName=name)
    return [each for each in answer["LifecycleHooks"] if each["LifecycleTransition"] == _LAUNCHING]


def _launches(aws: Aws, name: str) -> list[timedelta]:
    """Return how long each of the newest launches took that ended in service."""
    answer = aws.autoscaling.describe_scaling_activities(
        AutoScalingGroupName=name, MaxRecords=_ACTIVITIES
    )
    return [
        each["EndTime"] - each["StartTime"]
        for each in answer["Activities"]
        if each["StatusCode"] == "Successful"
        and "EndTime" in each
        and each.get("Description", "").startswith("Launching")
    ]


def check_hooks(group: OptedIn, hooks: Sequence[Mapping[str, Any]] | Unseen) -> Iterator[Finding]:
    """Check the launch hooks of a group, as DescribeLifecycleHooks lists them.

    One that is not completed lets the instance in or ends it, by its DefaultResult:
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html
    """
    of, policy = about("group", group.name), group.policy
    if isinstance(hooks, Unseen):
        yield of.unseen("launch hook", hooks, "autoscaling:DescribeLifecycleHooks")
        return
    for hook in hooks:
        name, timeout = hook["LifecycleHookName"], timedelta(seconds=hook["HeartbeatTimeout"])
        command = (
            f"aws autoscaling put-lifecycle-hook --auto-scaling-group-name "
            f"{shlex.quote(group.name)} --lifecycle-hook-name {shlex.quote(name)}"
        )
        told = f"{quoted(name)} waits for {span(timeout)}, then {hook['DefaultResult']}"
        if hook["DefaultResult"] != "ABANDON":
            seen = f"{told}: a boot that failed enters service all the same"
            yield of.warning("launch hook", seen, f"{command} --default-result ABANDON")
        elif not policy.problems and timeout > policy.canary_retry:
            longest = int(policy.canary_retry.total_seconds())
            seen = f"{told}: a boot that hangs keeps the fix waiting for so long"
            yield of.warning("launch hook", seen, f"{command} --heartbeat-timeout {longest}")
        else:
            yield of.ok("launch hook", told)


def check_boots(group: OptedIn, launches: Sequence[timedelta] | Unseen) -> Iterator[Finding]:
    """Check that a try is given as long as the longest of these launches took."""
    of, policy = about("group", group.name), group.policy
    if isinstance(launches, Unseen):
        yield of.unseen("boots", launches, "autoscaling:DescribeScalingActivities")
    elif launches and not policy.problems:
        longest = max(launches)
        given = f"canary-retry is {span(policy.canary_retry)}"
        seen = f"the longest of {len(launches)} took {span(longest)}; {given}"
        if longest <= policy.canary_retry:
            yield of.ok("boots", seen)
            return
        enough = f"{2 * -(-longest // _MINUTE)}m"
        remedy = tag_command(group.name, f"{TAG_PREFIX}canary-retry", enough)
        yield of.warning("boots", f"{seen}: the next try may begin before one has ended", remedy)


def check_age(group: OptedIn, launches: Sequence[timedelta] | Unseen) -> Iterator[Finding]:
    """Check that a group can keep up with its `max-age`, if a launch takes what the longest took.

    One goes at a time, and the next once the one before has launched, grown older than its grace
    period and baked. Where no launch is known its time counts as nothing, and it is said.
    """
    of, policy, desired = (
        about("group", group.name),
        group.policy,
        group.described["DesiredCapacity"],
    )
    if policy.max_age is None or policy.problems:
        return
    known = [] if isinstance(launches, Unseen) else launches
    grace = timedelta(seconds=group.described.get("HealthCheckGracePeriod", 0))
    least = desired * (max(known, default=timedelta(0)) + grace + policy.bake_time)
    but = "" if known else ", launches not counted"
    if policy.max_age > least:
        yield of.ok("max-age", f"{span(policy.max_age)}; one round takes {span(least)}{but}")
        return
    seen = (
        f"max-age is {span(policy.max_age)}, but one at a time {desired} instances take at least "
        f"{span(least)}{but}: they are never all young enough"
    )
    enough = max(2, -(-2 * least // timedelta(hours=1)))
    yield of.warning("max-age", seen, tag_command(group.name, f"{TAG_PREFIX}max-age", f"{enough}h"))
