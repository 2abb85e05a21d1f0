"""Whether each group that opted in can be replaced at all, and its alarms let it."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from terminator.clients import Aws
from terminator.config.deployment import Config
from terminator.config.tags import ENABLED_TAG, REPLACE_AFTER_TAG, TAG_PREFIX
from terminator.config.values import moment
from terminator.decide import surge
from terminator.decide.holds import NEEDED_PROCESSES
from terminator.observe.autoscaling import Ec2Instance, healthy_percentage, tags_of
from terminator.observe.load_balancers import attached_to, is_known
from terminator.observe.preflight import alarm_states
from terminator.text import count, quoted
from terminator_cli.doctor.findings import Finding, Unseen, about, look, tag_command

if TYPE_CHECKING:
    from terminator.observe.snapshot import OptedIn

# How much of a tag's name must be that of the one which opts in: `terminator-enable` is near.
_NEAR: Final = 0.85


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


def examine_others(aws: Aws, found: Collection[str]) -> Iterator[Finding]:
    """Check that no group but those that were found was meant to opt in by its tags."""
    paginator = aws.autoscaling.get_paginator("describe_auto_scaling_groups")

    def others() -> dict[str, list[str]]:
        pages = paginator.paginate(PaginationConfig={"PageSize": 100})
        listed = [group for page in pages for group in page["AutoScalingGroups"]]
        return {
            group["AutoScalingGroupName"]: sorted(tags_of(group))
            for group in listed
            if group["AutoScalingGroupName"] not in found
        }

    tags = look(others)
    if isinstance(tags, Unseen):
        action = "autoscaling:DescribeAutoScalingGroups"
        yield about("groups").unseen("not opted in", tags, action)
        return
    for name, keys in sorted(tags.items()):
        yield from check_other(name, keys)


def check_other(name: str, tags: Sequence[str]) -> Iterator[Finding]:
    """Check the names of the tags of a group that has not opted in: one may be misspelt."""
    of, remedy = about("group", name), tag_command(name, ENABLED_TAG, "true")
    meant = [key for key in tags if get_close_matches(key.lower(), [ENABLED_TAG], cutoff=_NEAR)]
    ours = [key for key in tags if key.lower().startswith(TAG_PREFIX)]
    if meant:
        seen = f"its tag {quoted(meant[0])} does not opt in: the tag is {ENABLED_TAG}"
        yield of.problem("opted in", seen, remedy)
    elif ours:
        seen = f"it has the tag {quoted(ours[0])}, but has not opted in: it is passed over"
        yield of.warning("opted in", seen, f"{remedy}; or remove the tag")


def examine_taints(aws: Aws, groups: Sequence[OptedIn]) -> Iterator[Finding]:
    """Check that the tag that makes an instance due says a time, on each member of these groups."""
    of = {member.id: group.name for group in groups for member in group.members}
    paginator = aws.ec2.get_paginator("describe_instances")

    def tainted() -> list[Ec2Instance]:
        pages = paginator.paginate(Filters=[{"Name": "tag-key", "Values": [REPLACE_AFTER_TAG]}])
        return [
            Ec2Instance.of(row)
            for page in pages
            for reservation in page["Reservations"]
            for row in reservation["Instances"]
            if row["InstanceId"] in of
        ]

    found = look(tainted)
    if isinstance(found, Unseen):
        yield about("instances").unseen("taint", found, "ec2:DescribeInstances")
        return
    for instance in found:
        text = instance.replace_after or ""
        try:
            moment(text)
        except ValueError:
            seen = f"{instance.id}: its tag {REPLACE_AFTER_TAG} says {quoted(text)}: no time"
            remedy = f"terminator taint {instance.id}; or untaint it"
            yield about("group", of[instance.id]).warning("taint", seen, remedy)


def examine(aws: Aws, group: OptedIn) -> Iterator[Finding]:
    """Check a group that opted in, and its alarms."""
    yield from check(group)
    if not group.described.get("Instances"):
        seen, remedy = "there is no instance to look at", "check again once it has one"
        yield about("group", group.name).warning("probe", seen, remedy)
    names = group.policy.alarm_names

    def states() -> dict[str, str]:
        found = alarm_states(aws.cloudwatch, names)
        return {name: state for name, (state, _) in found.items()}

    if names:
        yield from check_alarms(group, look(states))


def check(group: OptedIn) -> Iterator[Finding]:
    """Check whether a group can be replaced at all, from how it is described."""
    of, described, policy = about("group", group.name), group.described, group.policy
    if policy.problems:
        remedy = "correct the tags: until then the group is held"
        if tags_of(described).get(ENABLED_TAG, "true") != "true":
            remedy = f"{tag_command(group.name, ENABLED_TAG, 'true')}; until then it is held"
        yield of.problem("settings", "; ".join(policy.problems), remedy)
    else:
        yield of.ok("settings", f"opted in, {_follows(group)}")
        yield from _told_by_nobody(group)
        yield _capacity(group)
        yield from _surge(group)
        yield from _limits(group)
        yield _warm_up(group)
        yield from _ill(group)
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
    yield from _others_hands(group)
    if described.get("HealthCheckGracePeriod", 0) == 0:
        health_check = described.get("HealthCheckType", "EC2")
        seen = "the grace period is 0: the first answer of a canary proves its release"
        if health_check != "EC2":
            seen = f"the grace period is 0 with a health check of {health_check}: boots end there"
        name = shlex.quote(group.name)
        remedy = (
            f"aws autoscaling update-auto-scaling-group --auto-scaling-group-name {name} "
            "--health-check-grace-period 300, or the time that a boot takes"
        )
        yield of.warning("grace period", seen, remedy)


def _follows(group: OptedIn) -> str:
    releases = f"runs releases of {group.policy.app}"
    if not group.policy.follows_template:
        return releases
    template = "follows what it launches from"
    return f"{releases}, and {template}" if group.policy.follows_release else template


def _told_by_nobody(group: OptedIn) -> Iterator[Finding]:
    """Tell of a group in which an image that never serves looks like a good one."""
    if group.policy.follows_release or attached_to(group.described):
        return
    seen = "nobody asks its instances, and no load balancer does: a bad image looks like a good one"
    remedy = "attach a target group, or have a launch hook wait until the program reports"
    yield about("group", group.name).warning("image", seen, remedy)


def _capacity(group: OptedIn) -> Finding:
    of, policy, described = about("group", group.name), group.policy, group.described
    desired = described["DesiredCapacity"]
    healthy = healthy_percentage(described)
    minimum = policy.minimum_of(desired, healthy)
    text = str(policy.minimum or "50%")
    if policy.minimum is None and healthy is not None:
        text = f"its instance maintenance policy keeps {healthy}% healthy"
    seen = f"minimum {minimum} ({text}) of {desired} desired"
    if desired == 0:
        return of.ok("capacity", "0 desired: there is nothing to replace")
    if minimum >= desired:
        command = tag_command(group.name, f"{TAG_PREFIX}minimum", str(desired - 1))
        told = f"{seen}: none may ever go"
        if desired == 1:
            told += ", and it never comes back from a release that does not answer"
            if attached_to(described):
                told = f"{seen}: none may ever go but one that its load balancers call unhealthy"
            if policy.surge:
                return of.ok("capacity", f"{seen}: by an instance refresh, as surge says")
            command += f"; or, behind a load balancer, the tag {TAG_PREFIX}surge = refresh"
        return of.problem("capacity", told, f"{command}; or raise desired")
    at_once = min(policy.max_unavailable_of(desired), desired - minimum)
    return of.ok("capacity", f"{seen}: up to {count(at_once, 'instance')} at once")


def _surge(group: OptedIn) -> Iterator[Finding]:
    """Check whether a group that asks for surge is one that can be released so."""
    of, described, policy = about("group", group.name), group.described, group.policy
    if not policy.surge or not described["DesiredCapacity"]:
        return
    desired, name = described["DesiredCapacity"], shlex.quote(group.name)
    minimum = policy.minimum_of(desired, healthy_percentage(described))
    missing = surge.lacks(
        described.get("MaxSize", 0),
        described.get("HealthCheckType", "").split(","),
        balanced=bool(attached_to(described)),
        pool="WarmPoolConfiguration" in described,
    )
    if desired > 1:
        seen = f"it is for a group of one, and {desired} are desired: budget and minimum rule"
        yield of.warning("surge", seen, "take the tag away, or leave it for when one is desired")
    elif minimum < desired:
        command = tag_command(group.name, f"{TAG_PREFIX}minimum", "1")
        seen = f"its minimum of {minimum} lets the one go first: it is released with a gap"
        yield of.warning("surge", seen, command)
    elif missing:
        remedy = (
            f"aws autoscaling update-auto-scaling-group --auto-scaling-group-name {name} "
            "--max-size 2 --health-check-type ELB, once it has a load balancer and no warm pool"
        )
        yield of.problem("surge", " and ".join(missing), remedy)
    else:
        yield of.ok("surge", "released by an instance refresh, which launches first")


def _limits(group: OptedIn) -> Iterator[Finding]:
    """Tell where the deployment's limits hold a group at less than its settings ask for."""
    described = group.described
    healthy = healthy_percentage(described)
    for told in group.policy.held_at(described["DesiredCapacity"], healthy):
        remedy = "correct the tag, or raise what limits allows in the settings and deploy"
        yield about("group", group.name).warning("limits", told, remedy)


def _warm_up(group: OptedIn) -> Finding:
    of, own = about("group", group.name), group.policy.warm_up
    default = group.described.get("DefaultInstanceWarmup", -1)
    if own is not None:
        seconds = count(int(own.total_seconds()), "second")
        return of.ok("warm-up", f"{seconds}, as its tag or the deployment says")
    if default > 0:
        return of.ok("warm-up", f"{count(default, 'second')}, its DefaultInstanceWarmup")
    return of.ok("warm-up", "none: an instance is available once it answers")


def _ill(group: OptedIn) -> Iterator[Finding]:
    """Check that what replaces ill instances has anything to do."""
    of = about("group", group.name)
    health_check = group.described.get("HealthCheckType", "EC2")
    if group.policy.ill and "ELB" in health_check.split(","):
        seen = (
            f"the health check ({health_check}) asks the load balancers: Auto Scaling replaces "
            "what they call unhealthy, and ill never has to"
        )
        yield of.warning("ill", seen, tag_command(group.name, f"{TAG_PREFIX}ill", "ignore"))


def _others_hands(group: OptedIn) -> Iterator[Finding]:
    """Check what else decides about the instances of a group, or hides how they are."""
    of, described, name = about("group", group.name), group.described, shlex.quote(group.name)
    operator = described.get("Operator", {}).get("Principal")
    if operator is not None:
        remedy = f"leave it to that service, and remove the tag {ENABLED_TAG}"
        yield of.problem("operator", f"managed by {operator}: the group is held", remedy)
    for source in attached_to(described):
        if not is_known(source):
            remedy = (
                f"aws autoscaling detach-traffic-sources --auto-scaling-group-name {name} "
                f"--traffic-sources {shlex.quote(f'Identifier={source.id},Type={source.kind}')}"
            )
            told = f"the health at {source} cannot be known: the group is held"
            yield of.problem("traffic source", told, remedy)
    if "WarmPoolConfiguration" in described:
        waiting = count(described.get("WarmPoolSize", 0), "instance")
        seen = f"replacements come from its warm pool ({waiting}), set up by the release of then"
        remedy = (
            "fetch the release whenever an instance starts, or after each release "
            f"aws autoscaling delete-warm-pool --auto-scaling-group-name {name}"
        )
        yield of.warning("warm pool", seen, remedy)


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
    for name in group.policy.alarm_names:
        if name not in states:
            remedy = "make it, or correct the tag that names it: until then the group is held"
            yield of.problem("alarms", f"{name} does not exist", remedy)
        elif states[name] == "ALARM":
            remedy = "look at what it watches: the group is held while it is in ALARM"
            yield of.warning("alarms", f"{name} is in ALARM", remedy)
        else:
            yield of.ok("alarms", f"{name} is {states[name]}")
