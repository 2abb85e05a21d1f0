"""Whether each group that opted in can be replaced at all, and its alarms let it."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from terminator.clients import Aws
from terminator.config.deployment import Config
from terminator.config.tags import ENABLED_TAG
from terminator.decide.holds import NEEDED_PROCESSES
from terminator.observe.preflight import alarm_states
from terminator.text import count, quoted
from terminator_cli.doctor.findings import Finding, Unseen, about, look

if TYPE_CHECKING:
    from terminator.observe.snapshot import OptedIn


def check_names(found: Collection[str], config: Config) -> Iterator[Finding]:
    """Check that every name in the settings is that of a group, and that there is a group."""
    for name in config.names:
        if name not in found:
            seen = "no Auto Scaling group has this name"
            remedy = "correct groups.names, or make the group; until then every run fails"
            yield about("group", name).problem("exists", seen, remedy)
    if not found:
        remedy = f"give a group the tag {ENABLED_TAG} = true, or name it in groups.names"
        yield about("groups").problem("opted in", "no group has opted in", remedy)


def examine(aws: Aws, group: OptedIn) -> Iterator[Finding]:
    """Check a group that opted in, and its alarms."""
    yield from check(group)
    if not group.described.get("Instances"):
        seen, remedy = "there is no instance to look at", "check again once it has one"
        yield about("group", group.name).warning("probe", seen, remedy)
    names = group.policy.alarms
    if names:
        yield from check_alarms(group, look(partial(alarm_states, aws.cloudwatch, names)))


def check(group: OptedIn) -> Iterator[Finding]:
    """Check whether a group can be replaced at all, from how it is described."""
    of, described, policy = about("group", group.name), group.described, group.policy
    if policy.problems:
        remedy = "correct the tags: until then the group is held"
        yield of.problem("settings", "; ".join(policy.problems), remedy)
    else:
        yield of.ok("settings", f"opted in, runs releases of {policy.app}")
        yield _capacity(group)
    if "Status" in described:
        yield of.problem("status", described["Status"], "none: the group is being deleted")
    if policy.pause is not None:
        remedy = f"terminator resume {shlex.quote(group.name)}"
        yield of.warning("pause", f"paused: {quoted(policy.pause, 256)}", remedy)
    suspended = {each.get("ProcessName") for each in described.get("SuspendedProcesses", ())}
    needed = [name for name in NEEDED_PROCESSES if name in suspended]
    if needed:
        name = shlex.quote(group.name)
        remedy = (
            f"aws autoscaling resume-processes --auto-scaling-group-name {name} "
            f"--scaling-processes {' '.join(needed)}"
        )
        yield of.problem("processes", f"suspended: {', '.join(needed)}", remedy)
    yield from _weights(group)
    health_check = described.get("HealthCheckType", "EC2")
    if described.get("HealthCheckGracePeriod", 0) == 0 and health_check != "EC2":
        seen = f"the grace period is 0 with a health check of {health_check}"
        remedy = "set HealthCheckGracePeriod to the time that a boot takes, or boots end unhealthy"
        yield of.warning("grace period", seen, remedy)


def _capacity(group: OptedIn) -> Finding:
    of, policy, desired = (
        about("group", group.name),
        group.policy,
        group.described["DesiredCapacity"],
    )
    minimum, max_unavailable = policy.minimum_of(desired), policy.max_unavailable_of(desired)
    seen = f"minimum {minimum} ({policy.minimum}) of {desired} desired"
    if desired == 0:
        return of.ok("capacity", "0 desired: there is nothing to replace")
    if minimum >= desired:
        remedy = f"set the tag terminator:minimum to {desired - 1} or less, or raise desired"
        return of.problem("capacity", f"{seen}: none may ever go", remedy)
    at_once = min(max_unavailable, desired - minimum)
    return of.ok("capacity", f"{seen}: up to {count(at_once, 'instance')} at once")


def _weights(group: OptedIn) -> Iterator[Finding]:
    kind = group.described.get("DesiredCapacityType", "units")
    weighted = any("WeightedCapacity" in each for each in group.described.get("Instances", ()))
    if kind != "units" or weighted:
        counted = "weights" if kind == "units" else kind
        seen = f"desired capacity counts {counted}, not instances"
        remedy = "such groups are always held: use a group without weights"
        yield about("group", group.name).problem("weights", seen, remedy)


def check_alarms(group: OptedIn, states: Mapping[str, str] | Unseen) -> Iterator[Finding]:
    """Check the alarms of a group; `states` maps those that exist to their state."""
    of = about("group", group.name)
    if isinstance(states, Unseen):
        yield of.unseen("alarms", states, "cloudwatch:DescribeAlarms")
        return
    for name in group.policy.alarms:
        if name not in states:
            remedy = "make it, or correct the tag terminator:alarms: until then the group is held"
            yield of.problem("alarms", f"{name} does not exist", remedy)
        elif states[name] == "ALARM":
            remedy = "look at what it watches: the group is held while it is in ALARM"
            yield of.warning("alarms", f"{name} is in ALARM", remedy)
        else:
            yield of.ok("alarms", f"{name} is {states[name]}")
